import { key, rest, text } from "../layout/lua.js";
import { CODES } from "../layout/table.js";
import { lua } from "./lua.js";

/** Shared start of both listings. */
const ANSWER = lua`
-- Estimates the bytes of a job, like jobBytes of the model.
local function bytesOf(id)
  return 200 + call('HSTRLEN', ${key("specs")}, id) + call('HSTRLEN', ${key("results")}, id) + call('HSTRLEN', ${key("errors")}, id)
end

-- Adds a job to the answer, or only its key and size.
local function give(reply, id, key, size)
  if not isKeys then return answerJob(reply, id) end
  reply[#reply + 1] = key
  reply[#reply + 1] = size
end
`;

/**
 * One part of a listing by creation, the newest first.
 *
 * ARGV[7] place of the job before the first (empty: none, from the newest on), [8] most jobs to examine, [9] most
 * jobs on the page, [10] most bytes, [11] statuses as digits (empty: all), [12] type (empty: all), [13] jobs that the
 * page has already, [14] `K` for keys, empty for jobs.
 * Returns `X` (no such queue); or 1 (the page is full and there is another), 0 (this part ends) or -1 (the listing
 * ends), how many jobs were examined, the key of the last one, the bytes of the jobs, and the jobs (`answerJob`), or for
 * each its key (`<created_at>-<id>`) and bytes.
 */
export const LIST = lua`
if not exists then return answer({'X'}) end
local max, bytes, statuses, type, before = tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11], ARGV[12], tonumber(ARGV[13])
local isKeys = ARGV[14] == 'K'
${ANSWER}
local reply = {-1, 0, '', 0}
local top = ARGV[7] == '' and '+' or '(' .. ARGV[7]
local part = tonumber(ARGV[8])
local members
local few
if statuses ~= '' and not find(statuses, '[^${CODES.status.RUNNING}]') then few = ${key("leases")} end
if statuses ~= '' and not find(statuses, '[^${CODES.status.DEAD}]') then few = ${key("dead")} end
if few and call('ZCARD', few) <= 1000 then
  members = {}
  for _, member in ipairs(call('ZRANGE', few, 0, -1)) do
    local id = few == ${key("leases")} and member or sub(member, ${rest("member")}, find(member, ':', 1, true) - 1)
    local s = stateOf(id)
    member = standing(s.created_at, id, s.tail.type)
    if ARGV[7] == '' or member < ARGV[7] then members[#members + 1] = member end
  end
  table.sort(members, function(a, b) return a > b end)
  part = #members + 1
else
  members = call('ZREVRANGEBYLEX', ${key("index")}, top, '-', 'LIMIT', 0, part)
end
local taken, count = 0, before
for _, member in ipairs(members) do
  local colon = find(member, ':', 1, true)
  local id = sub(member, ${rest("standing")}, colon - 1)
  local key = format('%d-', createdAtOfPlace(member)) .. id
  if count == max then
    reply[1] = 1
    return answer(reply)
  end
  if type == '' or sub(member, colon + 1) == type then
    local status = PENDING
    if statuses ~= '' then
      local raw = call('HGET', ${key("states")}, id)
      if raw then status = tonumber(${text("state", "status", "raw")}) end
    end
    if statuses == '' or find(statuses, status, 1, true) then
      local size = bytesOf(id)
      if taken + size > bytes and count > 0 then
        reply[1] = 1
        return answer(reply)
      end
      taken = taken + size
      count = count + 1
      give(reply, id, key, size)
    end
  end
  reply[2], reply[3], reply[4] = reply[2] + 1, key, taken
end
if #members == part then reply[1] = 0 end
return answer(reply)
`;

/**
 * One part of a listing of the dead jobs by time of death, then id.
 *
 * ARGV[7] `N` newest first or `O` oldest first, [8] time of death (empty: none, from the end) and [9] idKey of the job
 * before the first, [10] most jobs to examine, [11] most jobs on the page, [12] most bytes, [13] type (empty: all),
 * [14] jobs that the page has already, [15] `K` for keys, empty for jobs. Returns what LIST does, with
 * `<time of death>-<id>` instead of each id.
 */
export const LIST_DEAD = lua`
if not exists then return answer({'X'}) end
local isNewest, from, after, part = ARGV[7] == 'N', ARGV[8], ARGV[9], tonumber(ARGV[10])
local max, bytes, type, before = tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13], tonumber(ARGV[14])
local isKeys = ARGV[15] == 'K'
${ANSWER}
local reply = {-1, 0, '', 0}
local taken, count, offset = 0, before, 0
while true do
  local found
  if isNewest then
    found = call('ZREVRANGEBYSCORE', ${key("dead")}, from == '' and '+inf' or from, '-inf', 'WITHSCORES', 'LIMIT', offset, part)
  else
    found = call('ZRANGEBYSCORE', ${key("dead")}, from == '' and '-inf' or from, '+inf', 'WITHSCORES', 'LIMIT', offset, part)
  end
  local isSkipping = false
  for at = 1, #found, 2 do
    local member, score = found[at], found[at + 1]
    local colon = find(member, ':', 1, true)
    local key = sub(member, 1, colon - 1)
    -- Jobs that died in the same ms as the job before the first may have been listed already.
    isSkipping = from ~= '' and tonumber(score) == tonumber(from) and ((isNewest and key >= after) or (not isNewest and key <= after))
    if not isSkipping then
      if count == max or reply[2] == part then
        reply[1] = count == max and 1 or 0
        return answer(reply)
      end
      local id = sub(key, ${rest("member")})
      if type == '' or sub(member, colon + 1) == type then
        local size = bytesOf(id)
        if taken + size > bytes and count > 0 then
          reply[1] = 1
          return answer(reply)
        end
        taken = taken + size
        count = count + 1
        give(reply, id, score .. '-' .. id, size)
      end
      reply[2], reply[3], reply[4] = reply[2] + 1, score .. '-' .. id, taken
    end
  end
  if #found < part * 2 then return answer(reply) end
  offset = offset + part
end
`;
