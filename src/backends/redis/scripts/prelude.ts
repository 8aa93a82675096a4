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
 * A job's state, `s`, is [token, settled token, settled by, created at, max retries, base delay, max delay, shown], and
 * shown is [type, priority, status, revision, retry count, deliveries, lost leases, cancel requested, updated at, run
 * after, started at, finished at, worker, start of the error, percent, progress message]; layout.ts reads it. A job
 * that has no state yet is PENDING and as it was created.
 */
export const PRELUDE = lua`
local base, queue, channel = string.sub(KEYS[1], 1, -2), ARGV[1], ARGV[2]
local kept, ttl, maxCompleted, maxLost = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local call, insert = redis.call, table.insert
local PENDING, RUNNING, DONE, FAILED, DEAD, CANCELED = 0, 1, 2, 3, 4, 5
local LEVEL = 8796093022208

local function clock()
  @NOW@
end
local now = clock()
local meta = call('HMGET', KEYS[1], 'o', 'c', 'd', 'p', 'x', 'e')
local exists = meta[1] and not meta[5]
local byPriority = meta[1] == 'P'
local maxConcurrency = tonumber(meta[2] or 0)

-- What this call did: told to the log and to every server by finish.
local records, position, isReady, isQueue, dueAt, sweeper = {}, 0, false, false, nil, '-'

local function due(at)
  if not dueAt or at < dueAt then dueAt = at end
end

local function finish(reply)
  local text = ''
  local count = #records
  local dueIn = dueAt and math.max(0, dueAt - now) or -1
  if count > 0 then
    position = call('HINCRBY', base .. 'g', 's', count)
    text = '[' .. table.concat(records, ',') .. ']'
    call('XADD', base .. 'log', 'MINID', '~', math.max(0, position - kept + 1), position .. '-0',
      't', now, 'n', count, 'c', text)
  end
  if count > 0 or isReady or isQueue or dueAt then
    local flags = (isReady and 'r' or '') .. (isQueue and 'q' or '') .. '.'
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
  return string.format('%011x', createdAt) .. idKey(id)
end

local function idOfPlace(text)
  return string.sub(text, 13)
end

local function createdAtOfPlace(text)
  return tonumber(string.sub(text, 1, 11), 16)
end

local function readyScore(priority, runAfter)
  if byPriority then return (10 - priority) * LEVEL + runAfter end
  return runAfter * 16 + 10 - priority
end

-- Priority and run_after of a score.
local function ofScore(score)
  if byPriority then return 10 - math.floor(score / LEVEL), score % LEVEL end
  return 10 - score % 16, math.floor(score / 16)
end

local function scheduledMember(type, priority, createdAt, id)
  return string.format('%02d', priority) .. place(createdAt, id) .. ':' .. type
end

-- Type, priority and place of a scheduled member.
local function ofScheduled(member)
  local colon = string.find(member, ':', 1, true)
  return string.sub(member, colon + 1), tonumber(string.sub(member, 1, 2)), string.sub(member, 3, colon - 1)
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
    call('ZADD', base .. 'z', runAfter, scheduledMember(type, priority, createdAt, id))
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
  if call('ZREM', base .. 'z', scheduledMember(type, priority, createdAt, id)) == 1 then return end
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
    insert(line, readyScore(priority, tonumber(found[at + 1])))
    insert(line, standing)
    insert(members, found[at])
  end
  for type, line in pairs(lines) do
    callMany('ZADD', base .. 'r:' .. type, line)
    call('SADD', base .. 't', type)
  end
  callMany('ZREM', base .. 'z', members)
  isReady = true
  return #members
end

-- The head of what a job was created with.
local function headOf(spec)
  return cjson.decode(string.sub(spec, 1, string.find(spec, '\n', 1, true) - 1))
end

-- The state of a job that has none yet.
local function firstState(spec)
  local head = headOf(spec)
  return {'', '', 0, head[1], head[5], head[6], head[7],
    {head[3], head[4], PENDING, 1, 0, 0, 0, 0, head[1], head[2], 0, 0, '', '', '', ''}}
end

local function stateOf(id)
  local raw = call('HGET', base .. 's', id)
  if raw then return cjson.decode(raw) end
  local spec = call('HGET', base .. 'j', id)
  if spec then return firstState(spec) end
end

local function stateText(state, shown)
  return string.format('["%s","%s",%d,%.0f,%d,%.0f,%.0f,%s]',
    state[1], state[2], state[3], state[4], state[5], state[6], state[7], shown)
end

-- Takes a visible step and answers the text of what is shown.
local function step(id, state, status)
  local shown = state[8]
  shown[3], shown[4], shown[9] = status, shown[4] + 1, now
  local text = cjson.encode(shown)
  insert(records, '["' .. id .. '",0,' .. text .. ']')
  return text
end

local function save(id, state, text)
  call('HSET', base .. 's', id, stateText(state, text))
end

-- Forgets jobs, given as ids and as their members of the index.
local function drop(ids, members)
  if #ids == 0 then return end
  for _, key in ipairs({'j', 's', 'e', 'o'}) do callMany('HDEL', base .. key, ids) end
  callMany('ZREM', base .. 'i', members)
  if call('EXISTS', base .. 'w') == 0 then return end
  local requests = {}
  for from = 1, #ids, PART do
    for _, request in ipairs(call('HMGET', base .. 'w', unpack(ids, from, math.min(from + PART - 1, #ids)))) do
      if request then insert(requests, request) end
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
  for _, member in ipairs(found) do
    local colon = string.find(member, ':', 1, true)
    local id = string.sub(member, 2, colon - 1)
    insert(ids, id)
    insert(members, idKey(id) .. string.sub(member, colon))
    if string.sub(member, 1, 1) == 'C' then canceled = canceled + 1 end
  end
  callMany('ZREM', base .. 'f', found)
  if canceled > 0 then call('HINCRBY', KEYS[1], 'k', -canceled) end
  drop(ids, members)
  return #ids
end

local function finishedMember(id, state, status)
  return (status == DONE and 'D' or 'C') .. id .. ':' .. state[8][1]
end

-- RUNNING or PENDING to DONE or CANCELED.
local function endJob(id, state, status)
  local shown = state[8]
  shown[12], shown[8] = now, 0
  local text = step(id, state, status)
  save(id, state, text)
  call('ZADD', base .. 'f', now, finishedMember(id, state, status))
  if status == CANCELED then call('HINCRBY', KEYS[1], 'k', 1) end
  due(now + ttl)
end

-- RUNNING or FAILED to DEAD.
local function bury(id, state)
  state[8][12] = now
  save(id, state, step(id, state, DEAD))
  call('ZADD', base .. 'd', now, idKey(id) .. ':' .. state[8][1])
end

-- RUNNING ends. The token that settled it makes the repeat of that write harmless.
local function endLease(id, state, settled)
  state[1], state[2] = '', settled
  call('ZREM', base .. 'l', id)
  if maxConcurrency > 0 then isReady = true end
end

-- RUNNING or FAILED to PENDING; the lease is over.
local function giveBack(id, state)
  save(id, state, step(id, state, PENDING))
  local shown = state[8]
  put(shown[1], shown[2], state[4], id, shown[10])
end

-- Keeps the text of a failed attempt or a lost lease: whole, cut for the list, and cut for the log.
local function noteError(id, state, whole, entry, start)
  local shown = state[8]
  local raw = call('HGET', base .. 'e', id)
  local attempts = raw and cjson.decode(raw)[2] or {}
  insert(attempts, {now, entry, shown[6], shown[13]})
  if #attempts > 10 then table.remove(attempts, 1) end
  call('HSET', base .. 'e', id, cjson.encode({whole, attempts}))
  shown[14] = start
end

-- Checks a token. Answers the state, or why not: N no such job, L lost, C cancelled, R a repeat.
local function held(id, token, kind)
  local raw = exists and call('HGET', base .. 's', id)
  if not raw then return nil, 'N' end
  local state = cjson.decode(raw)
  if state[1] == token and token ~= '' then return state end
  if state[8][3] == CANCELED then return nil, 'C' end
  if state[2] == token and token ~= '' and state[3] == kind then return nil, 'R' end
  return nil, 'L'
end

-- What a settling write did: A or C, status, length of the attempt, type.
local function settled(state)
  local shown = state[8]
  return string.format('%s %d %.0f %s', shown[3] == CANCELED and 'C' or 'A', shown[3], now - shown[11], shown[1])
end

-- A job for the reader: what it was created with, its state, its errors, its result.
local function answerJob(reply, id)
  insert(reply, id)
  for _, key in ipairs({'j', 's', 'e', 'o'}) do insert(reply, call('HGET', base .. key, id) or '') end
end
`;
