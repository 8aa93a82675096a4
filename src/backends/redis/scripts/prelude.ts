import { lua } from "./lua.js";
import { STATES } from "./states.js";

/**
 * The first part of every script that runs on a queue.
 *
 * KEYS[1] is the queue's `m`; the other keys are derived from it (keys.ts). ARGV[1..6]: queue, channel, changes kept in
 * the log, COMPLETE_JOB_TTL in ms, MAX_COMPLETED_JOBS, MAX_LOST_LEASES; the script's own arguments begin at ARGV[7].
 * Every script returns the time, ms since 1970; the position of the log after it (0: it logged nothing); ms until
 * something new is due (-1: nothing); and a list of its own, which the comment of the script describes.
 *
 * Jobs are stored as texts. They begin with numbers of fixed width (given here in characters), so that a step can
 * replace some and copy the rest. layout.ts reads and writes them outside of Redis.
 *
 * - spec, in `j`: created at 13, run after 15, priority 2, max retries 3, base delay 11, max delay 11, timeout 11, kind
 *   of payload 1, bytes of the type 3; then type, metadata, newline, payload.
 * - head: status 1, cancel requested 1, priority 2, retry count 3, deliveries 7, lost leases 4, revision 9, created at
 *   13, updated at 13, run after 15, started at 13, finished at 13.
 * - state, in `s`: head; kind of the write that settled the job last 1 (0 none, 1 complete, 2 fail, 3 release); lease
 *   token, `|`, token of that write, newline; tail. A job without a state is PENDING and as it was created.
 * - tail: JSON of type, worker, start of the error, percent, progress message.
 * - record of the log, a line: `0` (changed) or `1` (deleted), head, id, blank, tail; or `2` (created), priority 2, run
 *   after 15, id, blank, JSON of the type.
 */
export const PRELUDE = lua`
local base, queue, channel = string.sub(KEYS[1], 1, -2), ARGV[1], ARGV[2]
local kept, ttl, maxCompleted, maxLost = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call, sub, find, format, floor = redis.call, string.sub, string.find, string.format, math.floor
local PENDING, RUNNING, DONE, FAILED, DEAD, CANCELED = 0, 1, 2, 3, 4, 5
-- Width of a priority level in scores: it holds every ms from the year 1 on. EPOCH is the start of 1970 in it.
local LEVEL, EPOCH = 140737488355328, 62135596800000

local function clock()
  @NOW@
end
local now = clock()
local nowText = format('%013d', now)
local meta = call('HMGET', KEYS[1], 'o', 'c', 'd', 'p', 'x', 'e', 'k', 'n', 'u')
local exists = meta[1] and not meta[5]
local byPriority = meta[1] == 'P'
local maxConcurrency = tonumber(meta[2] or 0)

-- What this call did; finish logs and publishes it. The message is a line about the call, then the records.
local records, size, count, position, isReady, isQueue, isWorkers, dueAt, sweeper = {'', '\n'}, 2, 0, 0, false, false, false, nil, '-'

-- Something becomes due at this time, ms since 1970.
local function due(at)
  if not dueAt or at < dueAt then dueAt = at end
end

-- Ends a writing script. Lua hashes every new string: the message is made once, for log, channel and answer.
local function finish(reply)
  local dueIn = dueAt and math.max(0, dueAt - now) or -1
  local message = ''
  if count > 0 or isReady or isQueue or dueAt or sweeper ~= '-' then
    if count > 0 then position = call('HINCRBY', base .. 'g', 's', count) end
    local flags = (isReady and 'r' or '') .. (isQueue and 'q' or '') .. (isWorkers and 'w' or '') .. '.'
    records[1] = table.concat({queue, meta[6] or 0, position, count, now, dueIn, flags, sweeper}, ' ')
    message = table.concat(records)
    if count > 0 then
      call('XADD', base .. 'log', 'MINID', '~', math.max(0, position - kept + 1), position .. '-0', 'm', message)
    end
    call('PUBLISH', channel, message)
  end
  if reply.message then reply[reply.message] = message end
  return {now, position, dueIn, reply}
end

-- Ends a script that only reads.
local function answer(reply)
  return {now, 0, -1, reply}
end

-- An id as text that sorts like its number.
local function idKey(id)
  return string.char(96 + #id) .. id
end

-- The place of a job among those of the same score: by creation, then id.
local function place(createdAt, id)
  return format('%011x', createdAt) .. idKey(id)
end

local function idOfPlace(text)
  return sub(text, 13)
end

local function createdAtOfPlace(text)
  return tonumber(sub(text, 1, 11), 16)
end

-- Score of a ready job. A text: converting a number would take Redis as long as the command itself.
local function readyScore(priority, runAfter)
  if byPriority then return format('%d', (10 - priority) * LEVEL + runAfter + EPOCH) end
  return format('%d', (runAfter + EPOCH) * 16 + 10 - priority)
end

-- Priority and run_after from a score.
local function ofScore(score)
  if byPriority then return 10 - floor(score / LEVEL), score % LEVEL - EPOCH end
  return 10 - score % 16, floor(score / 16) - EPOCH
end

local function scheduledMember(type, priority, standing)
  return format('%02d', priority) .. standing .. ':' .. type
end

-- Type, priority and place from a member of the scheduled jobs.
local function ofScheduled(member)
  local colon = find(member, ':', 1, true)
  return sub(member, colon + 1), tonumber(sub(member, 1, 2)), sub(member, 3, colon - 1)
end

-- Runs a command with many arguments in several calls: unpack is limited by the Lua stack.
local PART = 4000
local function callMany(command, key, list)
  for from = 1, #list, PART do call(command, key, unpack(list, from, math.min(from + PART - 1, #list))) end
end

local function readMany(key, ids)
  if #ids == 0 then return {} end
  return call('HMGET', key, unpack(ids))
end

-- Puts a PENDING job in the ready line of its type or, before its run_after, among the scheduled jobs.
local function put(type, priority, createdAt, id, runAfter)
  if runAfter > now then
    call('ZADD', base .. 'z', runAfter, scheduledMember(type, priority, place(createdAt, id)))
    due(runAfter)
  else
    call('ZADD', base .. 'r:' .. type, readyScore(priority, runAfter), place(createdAt, id))
    call('SADD', base .. 't', type)
    isReady = true
  end
end

local function forgetEmptyType(type)
  if call('EXISTS', base .. 'r:' .. type) == 0 then call('SREM', base .. 't', type) end
end

-- Removes a PENDING job from its line.
local function unput(type, priority, createdAt, id)
  if call('ZREM', base .. 'z', scheduledMember(type, priority, place(createdAt, id))) == 1 then return end
  call('ZREM', base .. 'r:' .. type, place(createdAt, id))
  forgetEmptyType(type)
end

-- Makes up to max scheduled jobs ready whose run_after has passed. Returns how many.
local function promote(max)
  local found = call('ZRANGEBYSCORE', base .. 'z', '-inf', now, 'WITHSCORES', 'LIMIT', 0, max)
  if #found == 0 then return 0 end
  local lines, members = {}, {}
  for at = 1, #found, 2 do
    local type, priority, standing = ofScheduled(found[at])
    local line = lines[type]
    if not line then
      line = {}
      lines[type] = line
    end
    line[#line + 1] = readyScore(priority, tonumber(found[at + 1]))
    line[#line + 1] = standing
    members[#members + 1] = found[at]
  end
  for type, line in pairs(lines) do
    callMany('ZADD', base .. 'r:' .. type, line)
    call('SADD', base .. 't', type)
  end
  callMany('ZREM', base .. 'z', members)
  isReady = true
  return #members
end

${STATES}`;
