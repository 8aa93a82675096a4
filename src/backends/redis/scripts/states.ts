import { LIMITS } from "../../../model/limits.js";
import { lua } from "./lua.js";

/** The part of the prelude that reads, writes and changes the states of jobs. prelude.ts describes their texts. */
export const STATES = lua`
local function typeOfSpec(spec)
  return sub(spec, 71, 70 + tonumber(sub(spec, 68, 70)))
end

-- The head of a job that has no state yet.
local function firstHead(spec)
  local createdAt = sub(spec, 1, 13)
  return '00' .. sub(spec, 29, 30) .. '00000000000000' .. '000000001' .. createdAt .. createdAt .. sub(spec, 14, 28)
    .. '00000000000000000000000000'
end

local function readState(raw)
  local newline = find(raw, '\n', 96, true)
  local bar = find(raw, '|', 96, true)
  local tail = cjson.decode(sub(raw, newline + 1))
  return {
    status = tonumber(sub(raw, 1, 1)), cancel = tonumber(sub(raw, 2, 2)), priority = tonumber(sub(raw, 3, 4)),
    retries = tonumber(sub(raw, 5, 7)), deliveries = tonumber(sub(raw, 8, 14)), lost = tonumber(sub(raw, 15, 18)),
    revision = tonumber(sub(raw, 19, 27)), createdAt = tonumber(sub(raw, 28, 40)),
    updatedAt = tonumber(sub(raw, 41, 53)), runAfter = tonumber(sub(raw, 54, 68)),
    startedAt = tonumber(sub(raw, 69, 81)), finishedAt = tonumber(sub(raw, 82, 94)),
    kind = sub(raw, 95, 95), token = sub(raw, 96, bar - 1), settled = sub(raw, bar + 1, newline - 1),
    type = tail[1], worker = tail[2], error = tail[3], percent = tail[4], message = tail[5],
  }
end

local function firstTail(type)
  return cjson.encode({type, '', '', '', ''})
end

-- The state of a job; nil when there is no such job.
local function stateOf(id)
  local raw = call('HGET', base .. 's', id)
  if raw then return readState(raw) end
  local spec = call('HGET', base .. 'j', id)
  if spec then return readState(firstHead(spec) .. '0|\n' .. firstTail(typeOfSpec(spec))) end
end

local function headText(s)
  return format('%d%d%02d%03d%07d%04d%09d%013d%013d%015d%013d%013d', s.status, s.cancel, s.priority, s.retries,
    math.min(s.deliveries, 9999999), s.lost, s.revision, s.createdAt, s.updatedAt, s.runAfter, s.startedAt, s.finishedAt)
end

local function tailText(s)
  return cjson.encode({s.type, s.worker, s.error, s.percent, s.message})
end

-- Adds a record to the message, in parts: making one string of each record would cost the most of all.
local function record(kind, head, id, tail)
  records[size + 1], records[size + 2], records[size + 3] = kind, head, id
  records[size + 4], records[size + 5], records[size + 6] = ' ', tail, '\n'
  size = size + 6
  count = count + 1
end

-- Changes the status, counts up the revision and logs it; the caller stores it with save.
local function step(id, s, status)
  s.status, s.revision, s.updatedAt = status, s.revision + 1, now
  record('0', headText(s), id, tailText(s))
end

local function save(id, s)
  call('HSET', base .. 's', id, headText(s) .. s.kind .. s.token .. '|' .. s.settled .. '\n' .. tailText(s))
end

-- Logs the deletion of a job, with the revision counted up.
local function deleted(id, s)
  s.revision, s.updatedAt = s.revision + 1, now
  record('1', headText(s), id, tailText(s))
end

-- Deletes the data of jobs, given as their ids and as their members of the index i.
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

-- Counts of the DONE and CANCELED jobs that are kept, and of entries of their list f whose jobs were deleted.
local archive = {done = tonumber(meta[8] or 0), canceled = tonumber(meta[7] or 0), gone = tonumber(meta[9] or 0)}

local function countFinished(done, canceled, gone)
  archive.done, archive.canceled, archive.gone = archive.done + done, archive.canceled + canceled, archive.gone + gone
  call('HSET', KEYS[1], 'n', archive.done, 'k', archive.canceled, 'u', archive.gone)
end

local function waiting()
  return call('HLEN', base .. 'j') - call('ZCARD', base .. 'l') - call('ZCARD', base .. 'd') - archive.done - archive.canceled
end

-- Deletes up to max finished jobs that are too many or too old; not logged. Returns how many entries it examined.
local function trim(max)
  local over = archive.done + archive.canceled - maxCompleted
  local head = call('LINDEX', base .. 'f', 0)
  if not head or (over <= 0 and tonumber(sub(head, 2, 14)) + ttl > now) then return 0 end
  local ids, members, done, canceled, gone, seen = {}, {}, 0, 0, 0, 0
  for _, entry in ipairs(call('LRANGE', base .. 'f', 0, max - 1)) do
    local colon = find(entry, ':', 15, true)
    local id = sub(entry, 15, colon - 1)
    if archive.gone > gone and call('HEXISTS', base .. 'j', id) == 0 then
      gone = gone + 1
    elseif over > 0 or tonumber(sub(entry, 2, 14)) + ttl <= now then
      over = over - 1
      ids[#ids + 1] = id
      members[#members + 1] = idKey(id) .. sub(entry, colon)
      if sub(entry, 1, 1) == 'C' then canceled = canceled + 1 else done = done + 1 end
    else
      break
    end
    seen = seen + 1
  end
  if seen == 0 then return 0 end
  call('LTRIM', base .. 'f', seen, -1)
  countFinished(-done, -canceled, -gone)
  drop(ids, members)
  return seen
end

-- RUNNING or PENDING to CANCELED.
local function endCanceled(id, s)
  s.finishedAt, s.cancel = now, 0
  step(id, s, CANCELED)
  save(id, s)
  call('RPUSH', base .. 'f', 'C' .. nowText .. id .. ':' .. s.type)
  countFinished(0, 1, 0)
  due(now + ttl)
end

-- RUNNING or FAILED to DEAD.
local function bury(id, s)
  s.finishedAt = now
  step(id, s, DEAD)
  save(id, s)
  call('ZADD', base .. 'd', now, idKey(id) .. ':' .. s.type)
end

-- Ends a lease. Remembers the token that settled the job, and how: a repeat of that write is then harmless.
local function endLease(id, s, settled, kind)
  s.token, s.settled, s.kind = '', settled, kind
  call('ZREM', base .. 'l', id)
  if maxConcurrency > 0 then isReady = true end
end

-- RUNNING, FAILED or DEAD to PENDING; the lease must be over.
local function requeue(id, s)
  step(id, s, PENDING)
  save(id, s)
  put(s.type, s.priority, s.createdAt, id, s.runAfter)
end

-- Stores the error of a failed attempt or a lost lease: whole, cut for the list of attempts, and cut for the log.
local function noteError(id, s, whole, entry, start)
  local raw = call('HGET', base .. 'e', id)
  local attempts = raw and cjson.decode(raw)[2] or {}
  attempts[#attempts + 1] = {now, entry, s.deliveries, s.worker}
  if #attempts > ${LIMITS.attemptErrors} then table.remove(attempts, 1) end
  call('HSET', base .. 'e', id, cjson.encode({whole, attempts}))
  s.error = start
end

-- Why a token is refused: N no state (unknown or never leased), C cancelled, R repeat of the last settle, L lease lost.
local function whyNot(raw, token, kind)
  if not raw then return 'N' end
  if sub(raw, 1, 1) == '5' then return 'C' end
  local bar, newline = find(raw, '|', 96, true), find(raw, '\n', 96, true)
  if token ~= '' and sub(raw, 95, 95) == kind and sub(raw, bar + 1, newline - 1) == token then return 'R' end
  return 'L'
end

-- Whether a token is the current one: in a state it stands between the kind and a bar.
local function isHeld(raw, token)
  return raw and token ~= '' and find(raw, token, 96, true) == 96 and string.byte(raw, 96 + #token) == 124
end

-- The state of a job if the token is its current one; else nil and the letter of whyNot.
local function held(id, token, kind)
  local raw = exists and call('HGET', base .. 's', id)
  if isHeld(raw, token) then return readState(raw) end
  return nil, whyNot(raw, token, kind)
end

-- Answer of a write that settled a job: A applied or C cancelled, status, ms of the attempt, JSON of the type.
local function settled(s)
  return format('%s %d %d %s', s.status == CANCELED and 'C' or 'A', s.status, now - s.startedAt, cjson.encode(s.type))
end

-- Appends a job to an answer: id, spec, state, errors, result; empty where there is none.
local function answerJob(reply, id)
  local at = #reply
  reply[at + 1] = id
  for part, key in ipairs({'j', 's', 'e', 'o'}) do reply[at + 1 + part] = call('HGET', base .. key, id) or '' end
end
`;
