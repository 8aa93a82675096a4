import { key, number, rest } from "../layout/lua.js";
import { PENDING_CODES } from "../layout/pending-codes.js";
import { CODES } from "../layout/table.js";
import { ANSWER_BASIC } from "./jobs.js";
import { lua } from "./lua.js";
import { FILTER } from "./parts/filter.js";
import { PENDING } from "./parts/pending.js";

/**
 * Shared start of both listings.
 *
 * ARGV[7] the filter, [8] `N` newest first or `O` oldest first, [9] most jobs to examine, [10] most jobs on the page, [11] most bytes,
 * [12] jobs that the page has already, [13] what is answered of each job: `J` all, `B` all but payload and result, `K` its key and
 * bytes, `C` nothing: they are counted, `G` nothing: they are counted by group.
 *
 * Returns `X` (no such queue); or 1 (the page is full and there is another), 0 (this part ends) or -1 (the listing
 * ends), how many jobs were examined, the key of the last one, the bytes of the jobs, how many match, and the jobs (`answerRead`), or
 * what else was asked for: key and bytes of each; or of each group type, error, count, and number and time of death of the first.
 */
const PAGE = lua`
if not exists then return answer({'X'}) end
local match = cjson.decode(ARGV[7])
local isNewest, part, max, bytes = ARGV[8] == 'N', tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local before, form = tonumber(ARGV[12]), ARGV[13]
${PENDING}
${FILTER}
${ANSWER_BASIC}
-- A job without payload and result, and its bytes.
local function basicJob(id)
  spent = spent + call('HSTRLEN', ${key("specs")}, id)
  local job = {}
  answerRead(answerBasic, job, id)
  return job, JOB_BYTES + #job[2] + #job[4]
end

local reply = {-1, 0, '', 0, 0}
local groups, groupKeys = {}, {}
local taken, count = 0, before

local function countInGroup(id, type, score)
  local raw = call('HGET', ${key("states")}, id)
  spent = spent + #raw
  local error = groupOf(cjson.decode(sub(raw, find(raw, '\n', ${rest("state")}, true) + 1)).error or '')
  local name = type .. '\n' .. error
  local group = groups[name]
  if group then
    group[3] = group[3] + 1
  else
    groups[name] = {type, error, 1, id, score}
    groupKeys[#groupKeys + 1] = name
  end
end

-- Looks at a job. Returns whether the page or the part ends here.
local function examine(id, type, createdAt, listedAt)
  if count == max then
    reply[1] = 1
    return true
  end
  local key = listedAt .. '-' .. id
  if matches(id, type, createdAt) then
    if form == 'G' then
      countInGroup(id, type, listedAt)
    elseif form ~= 'C' then
      local job, size
      if form == 'B' then job, size = basicJob(id) else size = bytesOf(id) end
      if taken + size > bytes and count > 0 then
        reply[1] = 1
        return true
      end
      taken = taken + size
      if form == 'J' then
        answerRead(answerJob, reply, id)
      elseif form == 'K' then
        reply[#reply + 1] = key
        reply[#reply + 1] = size
      else
        for _, each in ipairs(job) do reply[#reply + 1] = each end
      end
    end
    count = count + 1
  end
  reply[2], reply[3], reply[4] = reply[2] + 1, key, taken
  if isSpent() then
    reply[1] = 0
    return true
  end
  return false
end

local function ended()
  reply[5] = count - before
  for _, name in ipairs(groupKeys) do
    for _, each in ipairs(groups[name]) do reply[#reply + 1] = each end
  end
  return answer(reply)
end
`;

/**
 * One part of a listing by creation. ARGV[14] and [15]: the bounds of the places to read, for ZRANGEBYLEX; the lower one first. See
 * `PAGE` for the rest and the answer; keys are `<created_at>-<id>`.
 */
export const LIST = lua`
${PAGE}
local from, to = ARGV[14], ARGV[15]

-- When a job was created, and its type; nil when there is none. Up to 1000 are looked at: no more of each is read.
local function createdAs(id)
  local raw = call('HGET', ${key("states")}, id)
  if raw then return ${number("state", "created_at", "raw")}, cjson.decode(sub(raw, find(raw, '\n', ${rest("state")}, true) + 1)).type end
  local spec = call('HGET', ${key("specs")}, id)
  if spec then return ${number("spec", "created_at", "spec")}, typeOfSpec(spec) end
end

-- Those of a few jobs, as the index has them, that are to be read, in order.
local function inBounds(jobs)
  local lower, upper = sub(from, 2), sub(to, 2)
  local found = {}
  for _, member in ipairs(jobs) do
    -- No member equals a bound.
    if (from == '-' or member > lower) and (to == '+' or member < upper) then found[#found + 1] = member end
  end
  table.sort(found, function(a, b) if isNewest then return a > b end return a < b end)
  return found
end

-- A few jobs that are known by their ids, as the index has them.
local function standings(ids)
  local found = {}
  for _, id in ipairs(ids) do
    local createdAt, type = createdAs(id)
    if createdAt then found[#found + 1] = standingOf(createdAt, id, type) end
  end
  return found
end

-- The jobs that wait for their time, as the index has them; nil: they are many.
local function waitingOnes()
  if call('ZCARD', ${key("scheduled")}) + call('ZCARD', ${key("delayed")}) > 1000 then return nil end
  local found = {}
  for turn = 1, 2 do
    local from = turn == 2 and ${rest("delayed_member")} or ${rest("scheduled_member")}
    for _, member in ipairs(call('ZRANGE', (scheduleOf(turn == 2)), 0, -1)) do found[#found + 1] = sub(member, from) end
  end
  return found
end

-- The jobs among which all are that are wanted, as the index has them; nil: they are many.
local function few()
  if match.numbers then return standings(match.numbers) end
  if match.pendings and not find(table.concat(match.pendings), '[^${PENDING_CODES.SCHEDULED}${PENDING_CODES.RETRYING}]') then
    return waitingOnes()
  end
  if not match.statuses then return nil end
  local digits = table.concat(match.statuses)
  local name, isDead
  if not find(digits, '[^${CODES.status.RUNNING}]') then name = ${key("leases")} end
  if not find(digits, '[^${CODES.status.DEAD}]') then name, isDead = ${key("dead")}, true end
  if not name or call('ZCARD', name) > 1000 then return nil end
  local members = call('ZRANGE', name, 0, -1)
  if isDead then
    for at, member in ipairs(members) do members[at] = sub(member, ${rest("member")}, find(member, ':', 1, true) - 1) end
  end
  return standings(members)
end

local ones = few()
local members
if ones then
  members = inBounds(ones)
elseif isNewest then
  members = call('ZREVRANGEBYLEX', ${key("index")}, to, from, 'LIMIT', 0, part)
else
  members = call('ZRANGEBYLEX', ${key("index")}, from, to, 'LIMIT', 0, part)
end
local isWhole = ones or #members < part
for at, member in ipairs(members) do
  if at > part then
    isWhole = false
    break
  end
  local colon = find(member, ':', 1, true)
  local createdAt = createdAtOfPlace(member)
  if examine(sub(member, ${rest("standing")}, colon - 1), sub(member, colon + 1), createdAt, format('%d', createdAt)) then return ended() end
end
if not isWhole then reply[1] = 0 end
return ended()
`;

/**
 * One part of a listing of the dead jobs by time of death, then id. ARGV[14] time of death (empty: none, from the end) and [15] idKey of
 * the job before the first, [16] and [17]: the bounds of the times of death, for ZRANGEBYSCORE; the lower one first. See `PAGE` for the
 * rest and the answer; keys are `<time of death>-<id>`.
 */
export const LIST_DEAD = lua`
${PAGE}
local last, after, from, to = ARGV[14], ARGV[15], ARGV[16], ARGV[17]

-- A few jobs by their ids, as members and scores of the dead.
local function named(ids)
  local found = {}
  for _, id in ipairs(ids) do
    local raw = call('HGET', ${key("states")}, id)
    if raw and ${number("state", "status", "raw")} == DEAD then
      local s = readState(raw)
      local ahead = last == '' and 0 or s.finished_at - tonumber(last)
      if ahead == 0 or (ahead < 0) == isNewest then found[#found + 1] = {s.finished_at, idKey(id) .. ':' .. s.tail.type} end
    end
  end
  table.sort(found, function(a, b)
    if a[1] == b[1] then
      if isNewest then return a[2] > b[2] end
      return a[2] < b[2]
    end
    return (a[1] > b[1]) == isNewest
  end)
  local flat = {}
  for _, each in ipairs(found) do
    flat[#flat + 1] = each[2]
    flat[#flat + 1] = format('%d', each[1])
  end
  return flat
end

local offset = 0
while true do
  local found
  if match.numbers then
    found = named(match.numbers)
  elseif isNewest then
    found = call('ZREVRANGEBYSCORE', ${key("dead")}, to, from, 'WITHSCORES', 'LIMIT', offset, part)
  else
    found = call('ZRANGEBYSCORE', ${key("dead")}, from, to, 'WITHSCORES', 'LIMIT', offset, part)
  end
  for at = 1, #found, 2 do
    local member, score = found[at], found[at + 1]
    local colon = find(member, ':', 1, true)
    local name = sub(member, 1, colon - 1)
    -- Jobs that died in the same ms as the job before the first may have been listed already.
    local isListed = last ~= '' and tonumber(score) == tonumber(last) and ((isNewest and name >= after) or (not isNewest and name <= after))
    if not isListed then
      if count < max and reply[2] == part then
        reply[1] = 0
        return ended()
      end
      if examine(sub(name, ${rest("member")}), sub(member, colon + 1), nil, score) then return ended() end
    end
  end
  if match.numbers or #found < part * 2 then return ended() end
  offset = offset + part
end
`;
