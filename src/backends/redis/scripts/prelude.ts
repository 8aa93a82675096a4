/** Marks Lua for editors. */
export const lua = String.raw;

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
 * - state, in `s`: head; max retries 3, base delay 11, max delay 11; kind of the write that settled it 1; token, a bar,
 *   settled token, newline; tail. A job without one is PENDING and as it was created.
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
local meta = call('HMGET', KEYS[1], 'o', 'c', 'd', 'p', 'x', 'e')
local exists = meta[1] and not meta[5]
local byPriority = meta[1] == 'P'
local maxConcurrency = tonumber(meta[2] or 0)

-- What this call did: told to the log and to every server by finish.
local records, position, isReady, isQueue, isWorkers, dueAt, sweeper = {}, 0, false, false, false, nil, '-'

local function due(at)
  if not dueAt or at < dueAt then dueAt = at end
end

local function finish(reply)
  local text = ''
  local count = #records
  local dueIn = dueAt and math.max(0, dueAt - now) or -1
  if count > 0 then
    position = call('HINCRBY', base .. 'g', 's', count)
    text = table.concat(records, '\n')
    call('XADD', base .. 'log', 'MINID', '~', math.max(0, position - kept + 1), position .. '-0',
      't', now, 'n', count, 'c', text)
  end
  if count > 0 or isReady or isQueue or dueAt then
    local flags = (isReady and 'r' or '') .. (isQueue and 'q' or '') .. (isWorkers and 'w' or '') .. '.'
    call('PUBLISH', channel, table.concat({queue, meta[6] or 0, position, count, now, dueIn, flags, sweeper}, ' ')
      .. '\n' .. text)
  end
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

local function readyScore(priority, runAfter)
  if byPriority then return (10 - priority) * LEVEL + runAfter + EPOCH end
  return (runAfter + EPOCH) * 16 + 10 - priority
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

local function typeOfSpec(spec)
  return sub(spec, 71, 70 + tonumber(sub(spec, 68, 70)))
end

-- The head and the limits of a job that has no state yet.
local function firstHead(spec)
  local createdAt = sub(spec, 1, 13)
  return '00' .. sub(spec, 29, 30) .. '00000000000000' .. '000000001' .. createdAt .. createdAt .. sub(spec, 14, 28)
    .. '00000000000000000000000000'
end

local function readState(raw)
  local newline = find(raw, '\n', 121, true)
  local bar = find(raw, '|', 121, true)
  local tail = cjson.decode(sub(raw, newline + 1))
  return {
    status = tonumber(sub(raw, 1, 1)), cancel = tonumber(sub(raw, 2, 2)), priority = tonumber(sub(raw, 3, 4)),
    retries = tonumber(sub(raw, 5, 7)), deliveries = tonumber(sub(raw, 8, 14)), lost = tonumber(sub(raw, 15, 18)),
    revision = tonumber(sub(raw, 19, 27)), createdAt = tonumber(sub(raw, 28, 40)),
    updatedAt = tonumber(sub(raw, 41, 53)), runAfter = tonumber(sub(raw, 54, 68)),
    startedAt = tonumber(sub(raw, 69, 81)), finishedAt = tonumber(sub(raw, 82, 94)),
    limits = sub(raw, 95, 119), kind = sub(raw, 120, 120),
    token = sub(raw, 121, bar - 1), settled = sub(raw, bar + 1, newline - 1),
    type = tail[1], worker = tail[2], error = tail[3], percent = tail[4], message = tail[5],
  }
end

local function firstTail(type)
  return cjson.encode({type, '', '', '', ''})
end

-- The state of a job, if there is such a job.
local function stateOf(id)
  local raw = call('HGET', base .. 's', id)
  if raw then return readState(raw) end
  local spec = call('HGET', base .. 'j', id)
  if spec then return readState(firstHead(spec) .. sub(spec, 31, 55) .. '0|\n' .. firstTail(typeOfSpec(spec))) end
end

local function headText(s)
  return format('%d%d%02d%03d%07d%04d%09d%013d%013d%015d%013d%013d', s.status, s.cancel, s.priority, s.retries,
    math.min(s.deliveries, 9999999), s.lost, s.revision, s.createdAt, s.updatedAt, s.runAfter, s.startedAt, s.finishedAt)
end

local function tailText(s)
  return cjson.encode({s.type, s.worker, s.error, s.percent, s.message})
end

local function record(kind, head, id, tail)
  records[#records + 1] = kind .. head .. id .. ' ' .. tail
end

-- Takes a visible step; save stores it.
local function step(id, s, status)
  s.status, s.revision, s.updatedAt = status, s.revision + 1, now
  record('0', headText(s), id, tailText(s))
end

local function save(id, s)
  call('HSET', base .. 's', id, headText(s) .. s.limits .. s.kind .. s.token .. '|' .. s.settled .. '\n' .. tailText(s))
end

-- A job is deleted: a visible step too.
local function deleted(id, s)
  s.revision, s.updatedAt = s.revision + 1, now
  record('1', headText(s), id, tailText(s))
end

-- Forgets jobs, given as ids and as their members of the index.
local function drop(ids, members)
  if #ids == 0 then return end
  for _, key in ipairs({'j', 's', 'e', 'o'}) do
    if call('EXISTS', base .. key) == 1 then callMany('HDEL', base .. key, ids) end
  end
  callMany('ZREM', base .. 'i', members)
  if call('EXISTS', base .. 'w') == 0 then return end
  local requests = {}
  for from = 1, #ids, PART do
    for _, request in ipairs(call('HMGET', base .. 'w', unpack(ids, from, math.min(from + PART - 1, #ids)))) do
      if request then requests[#requests + 1] = request end
    end
  end
  if #requests == 0 then return end
  callMany('HDEL', base .. 'q', requests)
  callMany('HDEL', base .. 'w', ids)
end

-- Forgets finished jobs that are too many or too old, up to max; no visible change. Answers how many.
local function trim(max)
  local over = math.min(call('ZCARD', base .. 'f') - maxCompleted, max)
  local found = over > 0 and call('ZRANGE', base .. 'f', 0, over - 1) or {}
  if #found < max then
    local old = call('ZRANGEBYSCORE', base .. 'f', '-inf', now - ttl, 'LIMIT', 0, max)
    if #old > #found then found = old end
  end
  if #found == 0 then return 0 end
  local ids, members, canceled = {}, {}, 0
  for at, member in ipairs(found) do
    local colon = find(member, ':', 1, true)
    local id = sub(member, 2, colon - 1)
    ids[at] = id
    members[at] = idKey(id) .. sub(member, colon)
    if sub(member, 1, 1) == 'C' then canceled = canceled + 1 end
  end
  callMany('ZREM', base .. 'f', found)
  if canceled > 0 then call('HINCRBY', KEYS[1], 'k', -canceled) end
  drop(ids, members)
  return #ids
end

local function finishedMember(id, type, status)
  return (status == DONE and 'D' or 'C') .. id .. ':' .. type
end

-- RUNNING or PENDING to CANCELED.
local function endCanceled(id, s)
  s.finishedAt, s.cancel = now, 0
  step(id, s, CANCELED)
  save(id, s)
  call('ZADD', base .. 'f', now, finishedMember(id, s.type, CANCELED))
  call('HINCRBY', KEYS[1], 'k', 1)
  due(now + ttl)
end

-- RUNNING or FAILED to DEAD.
local function bury(id, s)
  s.finishedAt = now
  step(id, s, DEAD)
  save(id, s)
  call('ZADD', base .. 'd', now, idKey(id) .. ':' .. s.type)
end

-- RUNNING ends. The token that settled it, and how, make the repeat of that write harmless.
local function endLease(id, s, settled, kind)
  s.token, s.settled, s.kind = '', settled, kind
  call('ZREM', base .. 'l', id)
  if maxConcurrency > 0 then isReady = true end
end

-- RUNNING or FAILED to PENDING; the lease is over.
local function giveBack(id, s)
  step(id, s, PENDING)
  save(id, s)
  put(s.type, s.priority, s.createdAt, id, s.runAfter)
end

-- Keeps the text of a failed attempt or a lost lease: whole, cut for the list, and cut for the log.
local function noteError(id, s, whole, entry, start)
  local raw = call('HGET', base .. 'e', id)
  local attempts = raw and cjson.decode(raw)[2] or {}
  attempts[#attempts + 1] = {now, entry, s.deliveries, s.worker}
  if #attempts > 10 then table.remove(attempts, 1) end
  call('HSET', base .. 'e', id, cjson.encode({whole, attempts}))
  s.error = start
end

-- Checks a token. Answers the state, or why not: N no such job, L lost, C cancelled, R a repeat.
local function whyNot(raw, token, kind)
  if not raw then return 'N' end
  if sub(raw, 1, 1) == '5' then return 'C' end
  local bar, newline = find(raw, '|', 121, true), find(raw, '\n', 121, true)
  if token ~= '' and sub(raw, 120, 120) == kind and sub(raw, bar + 1, newline - 1) == token then return 'R' end
  return 'L'
end

-- Whether a token is the current one: it stands between the kind and a bar.
local function isHeld(raw, token)
  return raw and token ~= '' and sub(raw, 121, 121 + #token) == token .. '|'
end

local function held(id, token, kind)
  local raw = exists and call('HGET', base .. 's', id)
  if isHeld(raw, token) then return readState(raw) end
  return nil, whyNot(raw, token, kind)
end

-- What a settling write did: A or C, status, length of the attempt, JSON of the type.
local function settled(s)
  return format('%s %d %d %s', s.status == CANCELED and 'C' or 'A', s.status, now - s.startedAt, cjson.encode(s.type))
end

-- A job for the reader: what it was created with, its state, its errors, its result.
local function answerJob(reply, id)
  local at = #reply
  reply[at + 1] = id
  for part, key in ipairs({'j', 's', 'e', 'o'}) do reply[at + 1 + part] = call('HGET', base .. key, id) or '' end
end
`;
