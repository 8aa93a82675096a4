import { UNIQUE } from "../../layout/features.js";
import { code, compose, key, number, rest, text, write } from "../../layout/lua.js";
import { lua } from "../lua.js";

// Unique keys. `unique` says who holds which key, `unique_of` what each holder has of it (its claim), and `unique_kept` which DONE jobs
// are kept by their holds. Nothing is asked for a queue that does not need the feature.

/** Lua: `letGo(ids)` is part of each step that ends what a job may hold its unique key for. */
export const LET_GO = lua`
-- These jobs hold their unique keys no more.
local function letGo(ids)
  if not needs('${UNIQUE}') then return end
  local owners, keys = {}, {}
  for from = 1, #ids, PART do
    for at, claim in ipairs(call('HMGET', ${key("unique_of")}, unpack(ids, from, math.min(from + PART - 1, #ids)))) do
      if claim then
        owners[#owners + 1] = ids[from + at - 1]
        keys[#keys + 1] = sub(claim, ${rest("claim")})
      end
    end
  end
  callMany('HDEL', ${key("unique")}, keys)
  callMany('HDEL', ${key("unique_of")}, owners)
  callMany('ZREM', ${key("unique_kept")}, owners)
end
`;

/** Lua: who holds unique keys, ends of holds, and jobs that take their keys again. A part of finished.ts. */
export const CLAIMS = lua`
-- The hold of a job is over, and it was the only reason to hold its key. One that it kept counts as finished now.
local function endHold(id)
  local wasKept = call('ZREM', ${key("unique_kept")}, id) == 1
  letGo({id})
  if not wasKept then return end
  local s = stateOf(id)
  call('RPUSH', ${key("finished")}, sizeLetter(bytesOf(id))
    .. ${write("finished", "finished_at", "steady")} .. standingOf(s.created_at, id, s.tail.type))
  due(now + ttl)
end

-- Ends up to max holds of DONE jobs that are over. Returns how many.
local function endHolds(max)
  if not needs('${UNIQUE}') then return 0 end
  local ids = call('ZRANGEBYSCORE', ${key("unique_kept")}, '-inf', steady, 'LIMIT', 0, max)
  for _, id in ipairs(ids) do endHold(id) end
  return #ids
end

-- The job that holds a unique key; nil when none does. A hold that is over ends here, whether or not a sweep has come.
local function holderOf(key)
  local id = call('HGET', ${key("unique")}, key)
  local claim = id and call('HGET', ${key("unique_of")}, id)
  if not claim then return nil end
  if ${text("claim", "reason", "claim")} ~= ${code("reason", "hold")} or ${number("claim", "until", "claim")} > steady then return id end
  endHold(id)
  return nil
end

-- A claim of which only the hold is left.
local function restOf(claim)
  return ${compose("claim", { reason: code("reason", "hold") }, { raw: "claim" })} .. sub(claim, ${rest("claim")})
end

-- A job is as if it had not begun: it takes its unique key again, and the rest of its hold. Returns the job that holds it
-- meanwhile, if one does, and changes nothing then.
local function takeAgain(id, s)
  if not needs('${UNIQUE}') then return nil end
  local given = extrasOf(call('HGET', ${key("specs")}, id))
  local unique = given and given.unique
  if not unique then return nil end
  local holder = holderOf(unique.key)
  if holder and holder ~= id then return holder end
  local claim = call('HGET', ${key("unique_of")}, id)
  local ends = claim and ${number("claim", "until", "claim")} or s.tail.hold or 0
  s.tail.hold = nil
  call('HSET', ${key("unique")}, unique.key, id)
  call('HSET', ${key("unique_of")}, id, (unique['until'] == 'STARTED' and ${code("reason", "STARTED")} or ${code("reason", "FINISHED")})
    .. ${write("claim", "until", "ends")} .. unique.key)
  return nil
end
`;

/** Lua for creates: what new jobs take of their unique keys. */
export const HOLDERS = lua`
-- Who holds unique keys since this call; what is to be written of that.
local holders, uniques, claims = {}, {}, {}

-- A new job takes its unique key.
local function claim(id, unique)
  holders[unique.key] = id
  uniques[#uniques + 1] = unique.key
  uniques[#uniques + 1] = id
  claims[#claims + 1] = id
  claims[#claims + 1] = unique.reason .. ${write("claim", "until", "unique.hold > 0 and steady + unique.hold or 0")} .. unique.key
end

local function writeClaims()
  callMany('HSET', ${key("unique")}, uniques)
  callMany('HSET', ${key("unique_of")}, claims)
  uniques, claims = {}, {}
end
`;

/** Lua for creates: `meet` is what a create does with the job that holds its unique key. */
export const MEET = lua`
-- What a job is the only one of; nil: nothing.
local function uniqueOf(text)
  if text == '' then return nil end
  local conflict, reason, hold, key = string.match(text, '^(.)(.)(%d+) (.*)$')
  return {conflict = conflict, reason = reason, hold = tonumber(hold), key = key}
end

-- Makes a waiting job what a create asks for; it stays what it is the only one of.
local function replace(id, s, when, spec)
  local own = extrasOf(call('HGET', ${key("specs")}, id)).unique
  local from = ${rest("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")}
  local newline = find(spec, '\n', from, true)
  local extras = cjson.decode(sub(spec, from, newline - 1))
  extras.unique = own
  local comma = when and find(when, ',', 1, true)
  s.retry_count = 0
  revise(id, s, sub(spec, 1, from - 1) .. cjson.encode(extras) .. sub(spec, newline),
    when and sub(when, 1, comma and comma - 1) or '+0', comma and sub(when, comma + 1) or '')
end

-- A create meets the job that holds its unique key.
local function meet(id, unique, when, digest, request, spec)
  if added[1] then
    -- That job may be new itself.
    write()
    added, indexed, scheduled, delayed, expiring, expiringAfter = {}, {}, {}, {}, {}, {}
    entry, keysOfJobs = 0, {}
    for _, line in pairs(lines) do line.ready, line.size = {}, 0 end
  end
  local s = stateOf(id)
  local isReplaced = unique.conflict == 'p' and s.status == PENDING
  if isReplaced then replace(id, s, when, spec) end
  local made = ${write("created", "created_at", "s.created_at")} .. ${write("created", "run_after", "s.run_after")}
    .. id .. ' ' .. (digest or '') .. (isReplaced and '!r' or '!k')
  if request then rememberRequest(request, id, made, digest, false) end
  return made
end
`;

/** Lua for creates: before any job of a group is created, who holds the unique key of one of them. */
export const LOOK_FOR_HOLDER = lua`        local unique = hasUnique and not made and uniqueOf(ARGV[job + 2])
        local holder = unique and (holders[unique.key] or keys[unique.key])
        if unique and not holder then
          holder = holderOf(unique.key)
          holders[unique.key] = holder
        end
        if holder then
          if unique.conflict == 'r' then refused = refused or format('E%d ', (job - first) / stride) .. holder end
`;

/** Lua for creates: creates a job of a group unless another holds its unique key. */
export const MEET_OR_CREATE = lua`            local unique = hasUnique and uniqueOf(ARGV[job + 2]) or nil
            local holder = unique and (holders[unique.key] or holderOf(unique.key))
            if holder then
              old[#old + 1] = {(job - first) / stride, meet(holder, unique, when, digest, request, spec), holder}
            else
              create(id, when, digest, request, spec, unique)
            end
            lastId = holder or id
`;
