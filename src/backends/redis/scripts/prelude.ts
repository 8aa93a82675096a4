import { lua } from "./lua.js";
import { STATES } from "./states.js";

/**
 * What every script of a queue begins with.
 *
 * KEYS[1] the queue's `m`; the others are beside it (keys.ts).
 * ARGV[1..6] queue, channel, changes kept in the log, COMPLETE_JOB_TTL ms, MAX_COMPLETED_JOBS, MAX_LOST_LEASES; what the
 * script itself takes begins at ARGV[7]. Every script answers the time, the position of the log after it (0: it logged
 * nothing), in how many ms something is due (-1: nothing new), and a list of its own.
 *
 * Texts begin with numbers of fixed width, so that a step can replace some and copy the rest; layout.ts reads them.
 *
 * - spec, in `j`: created at 13, run after 15, priority 2, max retries 3, base delay 11, max delay 11, timeout 11, kind of
 *   payload 1, bytes of the type 3; then type, metadata, newline, payload.
 * - head: status 1, cancel requested 1, priority 2, retry count 3, deliveries 7, lost leases 4, revision 9, and the times
 *   created, updated, run after (15), started, finished at, 13 each.
 * - state, in `s`: head; kind of the write that settled it 1; token, a bar, settled token, newline; tail. A job without one is PENDING and as it was created.
 * - tail: JSON of type, worker, start of the error, percent, progress message.
 * - record of the log: `0` (a change) or `1` (deleted), head, id, blank, tail; or `2` (created), priority 2, run after 15,
 *   id, blank, JSON of the type. Records are lines.
 */
export const PRELUDE = lua`
local base, queue, channel = string.sub(KEYS[1], 1, -2), ARGV[1], ARGV[2]
local kept, ttl, maxCompleted, maxLost = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call, sub, find, format, floor = redis.call, string.sub, string.find, string.format, math.floor
local PENDING, RUNNING, DONE, FAILED, DEAD, CANCELED = 0, 1, 2, 3, 4, 5
-- A level of priority holds all times from the year 1 on; EPOCH is 1970 in it.
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

-- What this call did: told to the log and to every server by finish. The records follow a line about all of them.
local records, size, count, position, isReady, isQueue, isWorkers, dueAt, sweeper = {'', '\n'}, 2, 0, 0, false, false, false, nil, '-'

local function due(at)
  if not dueAt or at < dueAt then dueAt = at end
end

-- Lua hashes each string it makes, byte by byte: the message is made once, for the log, the channel and the answer.
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

-- The answer of a script that only reads.
local function answer(reply)
  return {now, 0, -1, reply}
end

-- Ids in the order of their numbers.
local function idKey(id)
  return string.char(96 + #id) .. id
end

-- Where a job stands among those of the same score: by creation, then id.
local function place(createdAt, id)
  return format('%011x', createdAt) .. idKey(id)
end

local function idOfPlace(text)
  return sub(text, 13)
end

local function createdAtOfPlace(text)
  return tonumber(sub(text, 1, 11), 16)
end

-- A text, as there are many: for Redis to write a number takes as long as the command.
local function readyScore(priority, runAfter)
  if byPriority then return format('%d', (10 - priority) * LEVEL + runAfter + EPOCH) end
  return format('%d', (runAfter + EPOCH) * 16 + 10 - priority)
end

-- Priority and run_after of a score.
local function ofScore(score)
  if byPriority then return 10 - floor(score / LEVEL), score % LEVEL - EPOCH end
  return 10 - score % 16, floor(score / 16) - EPOCH
end

local function scheduledMember(type, priority, standing)
  return format('%02d', priority) .. standing .. ':' .. type
end

-- Type, priority and place of a scheduled member.
local function ofScheduled(member)
  local colon = find(member, ':', 1, true)
  return sub(member, colon + 1), tonumber(sub(member, 1, 2)), sub(member, 3, colon - 1)
end

-- Runs a command with very many arguments in parts.
local PART = 4000
local function callMany(command, key, list)
  for from = 1, #list, PART do call(command, key, unpack(list, from, math.min(from + PART - 1, #list))) end
end

local function readMany(key, ids)
  if #ids == 0 then return {} end
  return call('HMGET', key, unpack(ids))
end

-- Puts a PENDING job in line.
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

-- Takes a PENDING job out of its line.
local function unput(type, priority, createdAt, id)
  if call('ZREM', base .. 'z', scheduledMember(type, priority, place(createdAt, id))) == 1 then return end
  call('ZREM', base .. 'r:' .. type, place(createdAt, id))
  forgetEmptyType(type)
end

-- Makes scheduled jobs ready whose time has come, up to max. Answers how many.
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
