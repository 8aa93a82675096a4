import { EXPIRED, JOB_OVERHEAD_BYTES, LEASE_RAN_OUT, poisonJobError } from "../../../../model/job.js";
import { LIMITS } from "../../../../model/limits.js";
import { AUTOMATIC_PREFIX, MAX_REQUEST_IDS, WITH_JOB_MS } from "../../../../model/request-id.js";
import { UNIQUE } from "../../layout/features.js";
import {
  code,
  compose,
  key,
  keyNames,
  meta,
  metaName,
  number,
  numbers,
  readAll,
  rest,
  text,
  width,
  write,
  writeAll,
} from "../../layout/lua.js";
import { SIZES, SMALLEST_SIZE } from "../../layout/table.js";
import { lua } from "../lua.js";
import { CLAIMS, LET_GO } from "./unique.js";

/** Most finished jobs that one call deletes for their bytes. */
const MAX_TRIMMED = 1000;

/** The part of the prelude that reads, writes and changes the states of jobs. A state is a table with the fields of `state`, the tokens, and its tail. */
export const STATES = lua`
local function typeOfSpec(spec)
  return sub(spec, ${rest("spec")}, ${width("spec")} + ${number("spec", "type_length", "spec")})
end

-- The state of a job that has not changed since it was created.
local function firstState(type, priority, createdAt, runAfter)
  return {
    ${numbers("state", {
      priority: "priority",
      revision: 1,
      created_at: "createdAt",
      updated_at: "createdAt",
      run_after: "runAfter",
    })},
    token = '', settled_token = '', tail = {type = type},
  }
end

local function readState(raw)
  local newline = find(raw, '\n', ${rest("state")}, true)
  local bar = find(raw, '|', ${rest("state")}, true)
  return {
    ${readAll("state", "raw")},
    token = sub(raw, ${rest("state")}, bar - 1), settled_token = sub(raw, bar + 1, newline - 1),
    tail = cjson.decode(sub(raw, newline + 1)),
  }
end

-- The state of a job; nil when there is no such job.
local function stateOf(id)
  local raw = call('HGET', ${key("states")}, id)
  if raw then return readState(raw) end
  local spec = call('HGET', ${key("specs")}, id)
  if not spec then return nil end
  return firstState(typeOfSpec(spec), ${number("spec", "priority", "spec")}, ${number("spec", "created_at", "spec")},
    ${number("spec", "run_after", "spec")})
end

local function headText(s)
  return ${writeAll("head", "s")}
end

-- Fields of the tail that this version does not know are kept.
local function tailText(s)
  return cjson.encode(s.tail)
end

local function stateText(s, tail)
  return ${writeAll("state", "s")} .. s.token .. '|' .. s.settled_token .. '\n' .. tail
end

-- Adds a record to the message, in parts: making one string of each record would cost the most of all. first: its kind
-- and head; last: what endOfRecord returns.
local function record(first, id, last)
  records[size + 1], records[size + 2], records[size + 3] = first, id, last
  size = size + 3
  count = count + 1
end

local function endOfRecord(tail)
  return ' ' .. tail .. '\n'
end

-- Changes the status, counts up the revision and logs it; the caller stores it with save. The stamps of a job never fall,
-- though TIME may step back behind its last: hence the comparisons here and below.
local function step(id, s, status)
  s.status, s.revision = status, s.revision + 1
  if s.updated_at < now then s.updated_at = now end
  record(${code("kind", "changed")} .. headText(s), id, endOfRecord(tailText(s)))
end

local function save(id, s)
  call('HSET', ${key("states")}, id, stateText(s, tailText(s)))
end

-- Logs the deletion of a job, with the revision counted up.
local function deleted(id, s)
  s.revision = s.revision + 1
  if s.updated_at < now then s.updated_at = now end
  record(${code("kind", "deleted")} .. headText(s), id, endOfRecord(tailText(s)))
end

${LET_GO}
-- Deletes the data of jobs, given as their ids and as their members of the index.
local function drop(ids, members)
  if #ids == 0 then return end
  letGo(ids)
  for _, key in ipairs(${keyNames("specs", "states", "errors", "results")}) do
    if call('EXISTS', base .. key) == 1 then callMany('HDEL', base .. key, ids) end
  end
  callMany('ZREM', ${key("index")}, members)
  if keyLines() then callMany('HDEL', ${key("keys")}, ids) end
  if call('EXISTS', ${key("requests_of_jobs")}) == 0 then return end
  local ends = {}
  for from = 1, #ids, PART do
    local requests = {}
    for _, request in ipairs(call('HMGET', ${key("requests_of_jobs")}, unpack(ids, from, math.min(from + PART - 1, #ids)))) do
      if request then requests[#requests + 1] = request end
    end
    -- From now on they are remembered for the rest of their time only.
    for at, score in ipairs(#requests > 0 and call('ZMSCORE', ${key("request_ends")}, unpack(requests)) or {}) do
      if score then
        ends[#ends + 1] = format('%d', tonumber(score) % ${WITH_JOB_MS})
        ends[#ends + 1] = requests[at]
      end
    end
  end
  if #ends == 0 then return end
  callMany('HDEL', ${key("requests_of_jobs")}, ids)
  callMany('ZADD', ${key("request_ends")}, ends)
end

-- Whether a client made it by itself for its own repeats.
local function isAutomatic(request)
  return find(request, '${AUTOMATIC_PREFIX}', 1, true) == 1
end

-- Forgets up to max of the request ids that have had their time, and those that are too many.
local function forgetRequests(max)
  local old = call('ZRANGEBYSCORE', ${key("request_ends")}, '-inf', steady, 'LIMIT', 0, max)
  callMany('ZREM', ${key("request_ends")}, old)
  local over = call('ZCARD', ${key("request_ends")}) - ${MAX_REQUEST_IDS}
  if over > 0 then
    local popped = call('ZPOPMIN', ${key("request_ends")}, over)
    for at = 1, #popped, 2 do old[#old + 1] = popped[at] end
  end
  if #old == 0 then return end
  local jobs = {}
  for at, made in ipairs(readMany(${key("requests")}, old)) do
    -- The job that a create met has a request id of its own.
    if made and not find(made, '![kr]$') then
      jobs[#jobs + 1] = sub(made, ${rest("created")}, find(made, ' ', ${rest("created")}, true) - 1)
    end
  end
  callMany('HDEL', ${key("requests")}, old)
  callMany('HDEL', ${key("requests_of_jobs")}, jobs)
end

-- Bytes of a job, like jobBytes of the model. Beside its records it counts as so much: the first fields of a spec are part of that.
local JOB_BYTES = ${JOB_OVERHEAD_BYTES - width("spec")}
local function bytesOf(id)
  return JOB_BYTES + call('HSTRLEN', ${key("specs")}, id) + call('HSTRLEN', ${key("results")}, id)
    + call('HSTRLEN', ${key("errors")}, id)
end

-- A size as a letter, and what the letter counts as. As much is taken off as was added.
local SIZES = '${SIZES}'
local function sizeLetter(bytes)
  local at = floor(math.log(bytes / ${SMALLEST_SIZE}) / math.log(2) * 4 + 1.5)
  at = math.max(1, math.min(at, #SIZES))
  return sub(SIZES, at, at)
end

local function sizeOfLetter(letter)
  local at = letter and find(SIZES, letter, 1, true)
  return at and floor(${SMALLEST_SIZE} * 2 ^ ((at - 1) / 4)) or 0
end

-- Counts of the DONE and CANCELED jobs that are kept, and of entries of their list whose jobs were deleted; what they take.
local archive = {
  done = tonumber(${meta("done")} or 0), canceled = tonumber(${meta("canceled")} or 0), gone = tonumber(${meta("removed")} or 0),
  bytes = tonumber(${meta("completed_bytes")} or 0),
}

-- Older servers finish and delete jobs and do not count what they take. So that the count is right again once these are gone, the jobs
-- that finished since some time are counted apart too: when all that finished before are gone, their count is all.
local function readRecent()
  if archive.since then return end
  local bytes, since = string.match(${meta("recent_bytes")} or '', '^(%d+) (%d+)$')
  archive.recent, archive.since = tonumber(bytes or 0), tonumber(since or 0)
end

-- Bytes that came, or went (below 0), with a job that finished at this time.
local function countBytes(bytes, finishedAt)
  readRecent()
  archive.bytes = math.max(0, archive.bytes + bytes)
  if finishedAt >= archive.since then archive.recent = math.max(0, archive.recent + bytes) end
end

local function tellCompleted()
  completed = format('%d,', archive.bytes) .. (archive.oldest or '')
end

local function countFinished(done, canceled, gone)
  readRecent()
  archive.done, archive.canceled, archive.gone = archive.done + done, archive.canceled + canceled, archive.gone + gone
  call('HSET', KEYS[1], ${metaName("done")}, archive.done, ${metaName("canceled")}, archive.canceled,
    ${metaName("removed")}, archive.gone, ${metaName("completed_bytes")}, archive.bytes,
    ${metaName("recent_bytes")}, format('%d %d', archive.recent, archive.since))
  tellCompleted()
end

local function waiting()
  return call('HLEN', ${key("specs")}) - call('ZCARD', ${key("leases")}) - call('ZCARD', ${key("dead")}) - archive.done - archive.canceled
end

-- What a CANCELED job was counted as. Those of older servers were not.
local function sizeOfCanceled(id)
  local raw = call('HGET', ${key("states")}, id)
  return raw and sizeOfLetter(readState(raw).tail.size) or 0
end

-- When the first of the holds ends that keep DONE jobs; nil: none does.
local function firstHold()
  local ends = needs('${UNIQUE}') and call('ZRANGE', ${key("unique_kept")}, 0, 0, 'WITHSCORES')[2]
  return ends and tonumber(ends)
end

-- Looks at the first of the finished jobs.
local function lookAtFinished()
  local head = call('LINDEX', ${key("finished")}, 0)
  local oldest = head and ${number("finished", "finished_at", "head")}
  archive.oldest = oldest or firstHold()
  return oldest
end

-- Deletes up to max finished jobs that are too many or too old; and as many as it takes, within bounds, so that the others take no more
-- than keep bytes (nil: MAX_COMPLETED_BYTES): those that holds keep only for that, and when no others are left. Not logged. Returns how many entries it examined.
local function trim(max, keep)
  local maxJobs, maxBytes = string.match(maxCompleted, '^(%d+) (%d+)$')
  local held = needs('${UNIQUE}') and call('ZCARD', ${key("unique_kept")}) or 0
  local over, overBytes = archive.done + archive.canceled - held - maxJobs, archive.bytes - (keep or maxBytes)
  local oldest = lookAtFinished()
  -- An older server deleted the last ones, and did not take them off the count.
  if not oldest and held == 0 and archive.bytes > 0 then
    archive.bytes, archive.recent, archive.since = 0, 0, steady + 1
    countFinished(0, 0, 0)
  end
  if completed ~= '-' then tellCompleted() end
  if overBytes <= 0 or held == 0 then
    if not oldest or (over <= 0 and overBytes <= 0 and oldest + ttl > steady) then return 0 end
  end
  if overBytes > 0 then max = math.max(max, ${MAX_TRIMMED}) end
  readRecent()
  local ids, members, done, canceled, gone, seen, isOver = {}, {}, 0, 0, 0, 0, false
  local sizes, freed, recent, since = {}, 0, 0, ${write("finished", "finished_at", "archive.since")}
  while not isOver and seen < max do
    local entries = call('LRANGE', ${key("finished")}, seen, math.min(seen + 64, max) - 1)
    for _, entry in ipairs(entries) do
      local member, finishedAt = sub(entry, ${rest("finished")}), ${text("finished", "finished_at", "entry")}
      local id = sub(member, ${rest("standing")}, find(member, ':', 1, true) - 1)
      if archive.gone > gone and call('HEXISTS', ${key("specs")}, id) == 0 then
        gone = gone + 1
      elseif over > 0 or overBytes > 0 or finishedAt + ttl <= steady then
        local outcome = ${text("finished", "outcome", "entry")}
        local size = sizes[outcome]
        if outcome == ${code("outcome", "CANCELED")} then
          size, canceled = sizeOfCanceled(id), canceled + 1
        else
          if not size then
            size = sizeOfLetter(outcome)
            sizes[outcome] = size
          end
          done = done + 1
        end
        over, overBytes, freed = over - 1, overBytes - size, freed + size
        if finishedAt >= since then recent = recent + size end
        ids[done + canceled], members[done + canceled] = id, member
      else
        isOver = true
        break
      end
      seen = seen + 1
    end
    isOver = isOver or #entries < 64
  end
  if seen > 0 then call('LTRIM', ${key("finished")}, seen, -1) end
  if held > 0 and overBytes > 0 and seen < max and call('EXISTS', ${key("finished")}) == 0 then
    for _, id in ipairs(call('ZRANGE', ${key("unique_kept")}, 0, max - seen - 1)) do
      if overBytes <= 0 then break end
      local s = stateOf(id)
      local size = sizeOfLetter(sizeLetter(bytesOf(id)))
      overBytes, freed, done, seen, held = overBytes - size, freed + size, done + 1, seen + 1, held - 1
      if s.finished_at - setAhead >= archive.since then recent = recent + size end
      ids[done + canceled], members[done + canceled] = id, standing(s.created_at, id, s.tail.type)
    end
  end
  if seen == 0 then return 0 end
  oldest = lookAtFinished()
  archive.bytes, archive.recent = math.max(0, archive.bytes - freed), math.max(0, archive.recent - recent)
  if held == 0 and (not oldest or oldest >= archive.since) then
    archive.bytes = oldest and archive.recent or 0
    archive.recent, archive.since = 0, steady + 1
  end
  countFinished(-done, -canceled, -gone)
  drop(ids, members)
  return seen
end

-- The extras of a spec; nil when it has none.
local function extrasOf(spec)
  local from = ${rest("spec")} + ${number("spec", "type_length", "spec")}
  if sub(spec, from, from) == '\n' then return nil end
  return cjson.decode(sub(spec, from, find(spec, '\n', from, true) - 1))
end

${CLAIMS}
-- RUNNING or PENDING to CANCELED.
local function endCanceled(id, s)
  letGo({id})
  s.finished_at, s.cancel_requested = math.max(now, s.updated_at), 0
  s.tail.size = sizeLetter(bytesOf(id))
  step(id, s, CANCELED)
  save(id, s)
  call('RPUSH', ${key("finished")},
    ${compose("finished", { outcome: code("outcome", "CANCELED"), finished_at: write("finished", "finished_at", "steady") })} .. standing(s.created_at, id, s.tail.type))
  countBytes(sizeOfLetter(s.tail.size), steady)
  countFinished(0, 1, 0)
  due(now + ttl)
end

-- When a DEAD job died, in steady time. Of one that an older server buried, as if TIME had been set before that only.
local function diedAt(s)
  return s.tail.died or s.finished_at - setAhead
end

-- The DEAD job with so many before it: its id, member, and state; nil: there is none.
local function oldestDead(at)
  local member = call('ZRANGE', ${key("dead")}, at, at)[1]
  if not member then return nil end
  local id = sub(member, ${rest("member")}, find(member, ':', 1, true) - 1)
  return {id = id, member = member, state = stateOf(id)}
end

-- By how many there are more DEAD jobs than may be kept.
local function deadOver()
  return maxDead and call('ZCARD', ${key("dead")}) - maxDead or 0
end

-- Deletes up to max DEAD jobs that are too many or too old, those that died first, and logs that. Returns how many.
local function trimDead(max)
  if not deadTtl and not maxDead then return 0 end
  local over, ids, members, dead = deadOver(), {}, {}, {}
  while #ids < max do
    local oldest = oldestDead(#ids)
    if not oldest then break end
    local s = oldest.state
    if #ids >= over and not (deadTtl and diedAt(s) + deadTtl <= steady) then break end
    local at = #ids + 1
    ids[at], members[at], dead[at] = oldest.id, standing(s.created_at, oldest.id, s.tail.type), oldest.member
    deleted(oldest.id, s)
  end
  callMany('ZREM', ${key("dead")}, dead)
  drop(ids, members)
  return #ids
end

-- Cancels up to max jobs that have expired. Returns how many it examined; told gets five values of each, as SWEEP answers them.
local function expire(max, told)
  local count = 0
  for turn = 1, 2 do
    local key = turn == 1 and ${key("expiring")} or ${key("expiring_after")}
    local ids = call('ZRANGEBYSCORE', key, '-inf', turn == 1 and now or steady, 'LIMIT', 0, max - count)
    callMany('ZREM', key, ids)
    for _, id in ipairs(ids) do
      local s = stateOf(id)
      -- What began or ended is no longer among them, unless a server did that which does not know them.
      if s and s.status == PENDING and s.deliveries == 0 then
        unput(s.tail.type, s.priority, s.created_at, id, s.run_after)
        s.tail.error = '${EXPIRED}'
        endCanceled(id, s)
        for _, each in ipairs({s.status, s.tail.type, id, 0, ''}) do told[#told + 1] = each end
      end
    end
    count = count + #ids
  end
  return count
end

-- A job that went back to its beginning expires again. What of a ttl is left is told by the stamp of its creation.
local function expireAgain(id, s)
  local given = extrasOf(call('HGET', ${key("specs")}, id))
  if not given then return end
  local ends = given.expires_at or (given.ttl and s.created_at + given.ttl)
  if not ends then return end
  if given.ttl then call('ZADD', ${key("expiring_after")}, format('%d', ends - setAhead), id)
  else call('ZADD', ${key("expiring")}, format('%d', ends), id) end
  due(ends)
end

-- RUNNING or FAILED to DEAD. What is left of the hold of its unique key is kept for a replay.
local function bury(id, s)
  if needs('${UNIQUE}') then
    local claim = call('HGET', ${key("unique_of")}, id)
    local ends = claim and ${number("claim", "until", "claim")} or 0
    s.tail.hold = ends > steady and ends or nil
    letGo({id})
  end
  s.finished_at, s.tail.died = math.max(now, s.updated_at), steady
  if deadTtl then due(now + deadTtl) end
  step(id, s, DEAD)
  save(id, s)
  call('ZADD', ${key("dead")}, s.finished_at, idKey(id) .. ':' .. s.tail.type)
end

-- Ends a lease. Remembers the token that settled the job, and how: a repeat of that write is then harmless.
local function endLease(id, s, settled, kind)
  s.token, s.settled_token, s.settled_by = '', settled, kind
  call('ZREM', ${key("leases")}, id)
  if maxConcurrency > 0 then isReady = true end
  if keyLines() then keyed.ended({id}) end
end

-- RUNNING, FAILED or DEAD to PENDING; the lease must be over. Ready at once, or after so many ms, which it waits as a retry or not. A
-- job that was ready before is so again, though TIME may have stepped back behind its run_after.
local function requeue(id, s, wait, isRetry)
  step(id, s, PENDING)
  save(id, s)
  put(s.tail.type, s.priority, s.created_at, id, s.run_after, wait or 0, isRetry)
end

-- A job expires at a time ("=ms" since 1970, "+ms" from now; empty: never), and no longer as before.
local function expireAt(id, ends)
  outlive({id})
  if ends == '' then return end
  local ms, isTimed = tonumber(sub(ends, 2)), sub(ends, 1, 1) == '='
  call('ZADD', isTimed and ${key("expiring")} or ${key("expiring_after")}, format('%d', isTimed and ms or steady + ms), id)
  due(isTimed and ms or now + ms)
end

-- A spec, from its priority on, whose ttl counts from a creation this many ms ago (below 0: TIME has stepped back behind it).
local function withTtlSince(spec, ms)
  local from = ${rest("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")}
  local newline = find(spec, '\n', from, true)
  local extras = cjson.decode(sub(spec, from, newline - 1))
  extras.ttl = extras.ttl + ms
  return sub(spec, 1, from - 1) .. cjson.encode(extras) .. sub(spec, newline)
end

-- The key in a spec from its priority on; nil: it has none.
local function keyOfSpec(spec)
  local from = ${rest("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")}
  if sub(spec, from, from) == '\n' then return nil end
  local extras = sub(spec, from, find(spec, '\n', from, true) - 1)
  return string.match(extras, '^{"key":"([^"\\]+)"') or cjson.decode(extras).key
end

-- Gives a PENDING job another spec (from its priority on; nil: as before), another time ("=ms" since 1970, "+ms" from now; nil: it
-- goes on with what it waits for), and a time to expire (see expireAt; nil: as before), in one change. It keeps its id, its creation
-- and its request id. The caller changes in s what else is to be different, retry_count for instance, before.
local function revise(id, s, spec, when, ends)
  local before = s.tail.type
  local waits, isDelayed, isRetry = leaveLine(before, s.priority, s.created_at, id, s.run_after)
  if spec then
    local type = sub(spec, ${rest("spec", "priority")}, ${width("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")})
    if ends and sub(ends, 1, 1) == '+' then spec = withTtlSince(spec, now - s.created_at) end
    local old = call('HGET', ${key("specs")}, id)
    call('HSET', ${key("specs")}, id, sub(old, 1, ${width("spec") - width("spec", "priority")}) .. spec)
    if type ~= before then
      call('ZREM', ${key("index")}, standing(s.created_at, id, before))
      call('ZADD', ${key("index")}, '0', standing(s.created_at, id, type))
    end
    s.priority, s.tail.type = ${number("spec", "priority", "spec", "priority")}, type
    local name = keyOfSpec(spec)
    if keyLines(name ~= nil) then keyed.setName(id, name) end
  end
  if when then
    local ms = tonumber(sub(when, 2))
    isDelayed, isRetry = sub(when, 1, 1) == '+', false
    s.run_after = isDelayed and now + ms or ms
    waits = s.run_after > now and (isDelayed and steady + ms or ms)
  end
  if ends then expireAt(id, ends) end
  step(id, s, PENDING)
  save(id, s)
  if waits then putWaiting(isDelayed, waits, s.tail.type, s.priority, s.created_at, id, s.run_after, isRetry)
  else put(s.tail.type, s.priority, s.created_at, id, s.run_after, 0) end
  -- Only now: a type that is gone for a moment would be told as taken.
  afterLeaving(before)
end

-- Stores the error of a failed attempt or a lost lease: whole, cut for the list of attempts, and cut for the log.
local function noteError(id, s, whole, entry, start)
  local raw = call('HGET', ${key("errors")}, id)
  local errors = raw and cjson.decode(raw) or {attempts = {}}
  local attempts = errors.attempts
  attempts[#attempts + 1] = {at = math.max(now, s.updated_at), error = entry, delivery = s.deliveries, worker = s.tail.worker or ''}
  if #attempts > ${LIMITS.attemptErrors} then table.remove(attempts, 1) end
  errors.error = whole
  call('HSET', ${key("errors")}, id, cjson.encode(errors))
  s.tail.error = start
end

-- Counts a lost lease. Returns whether the job has lost more than allowed.
local function countLost(id, s, maxLost)
  s.lost_leases = s.lost_leases + 1
  local isPoison = s.lost_leases > maxLost
  local text = isPoison and '${poisonJobError("' .. s.lost_leases .. '")}' or '${LEASE_RAN_OUT}'
  noteError(id, s, text, text, text)
  return isPoison
end

-- Why a token is refused: N no state (unknown or never leased), C cancelled, R repeat of the last settle, L lease lost.
local function whyNot(raw, token, kind)
  if not raw then return 'N' end
  if ${text("state", "status", "raw")} == ${code("status", "CANCELED")} then return 'C' end
  local bar, newline = find(raw, '|', ${rest("state")}, true), find(raw, '\n', ${rest("state")}, true)
  if token ~= '' and ${text("state", "settled_by", "raw")} == kind and sub(raw, bar + 1, newline - 1) == token then return 'R' end
  return 'L'
end

-- Whether a token is the current one: in a state it stands between the fields and a bar.
local BAR = string.byte('|')
local function isHeld(raw, token)
  return raw and token ~= '' and find(raw, token, ${rest("state")}, true) == ${rest("state")}
    and string.byte(raw, ${rest("state")} + #token) == BAR
end

-- The state of a job if the token is its current one; else nil and the letter of whyNot.
local function held(id, token, kind)
  local raw = exists and call('HGET', ${key("states")}, id)
  if isHeld(raw, token) then return readState(raw) end
  return nil, whyNot(raw, token, kind)
end

-- Answer of a write that settled a job: A applied or C cancelled, status, ms of the attempt, JSON of the type.
local function settled(s)
  return format('%s %d %d %s', s.status == CANCELED and 'C' or 'A', s.status, math.max(0, now - s.started_at), cjson.encode(s.tail.type))
end

-- Appends a job to an answer: id, spec, state, errors, result; empty where there is none.
local function answerJob(reply, id)
  local at = #reply
  reply[at + 1] = id
  for part, key in ipairs(${keyNames("specs", "states", "errors", "results")}) do reply[at + 1 + part] = call('HGET', base .. key, id) or '' end
end
`;
