import { LEASE_RAN_OUT, poisonJobError } from "../../../model/job.js";
import { LIMITS } from "../../../model/limits.js";
import { lua } from "./lua.js";

/** Shared start of the scripts that return a queue with its settings and figures. Reads only. */
const SNAPSHOT = lua`
local function readyTypes()
  if call('SCARD', base .. 't') <= 1000 then return call('SMEMBERS', base .. 't') end
  return call('SRANDMEMBER', base .. 't', 1000)
end

local function oldestReady(types)
  local oldest
  local function note(runAfter)
    if not oldest or runAfter < oldest then oldest = runAfter end
  end
  for _, type in ipairs(types) do
    local low = '-inf'
    while true do
      -- The first job of each priority level is its oldest.
      local head = call('ZRANGEBYSCORE', base .. 'r:' .. type, low, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      if #head == 0 then break end
      local priority, runAfter = ofScore(tonumber(head[2]))
      note(runAfter)
      if not byPriority then break end
      low = format('%.0f', (11 - priority) * LEVEL)
    end
  end
  local head = call('ZRANGEBYSCORE', base .. 'z', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  if #head > 0 then note(tonumber(head[2])) end
  return oldest and math.max(0, now - oldest) or -1
end

local function snapshot(reply)
  local m = call('HMGET', KEYS[1], 'o', 'w', 'c', 'd', 'p', 't')
  for at = 1, 6 do reply[at] = m[at] or '' end
  local running, dead = call('ZCARD', base .. 'l'), call('ZCARD', base .. 'd')
  local scheduled = call('ZCOUNT', base .. 'z', '(' .. format('%.0f', now), '+inf')
  reply[7], reply[8], reply[9], reply[10] = waiting() - scheduled, scheduled, running, dead
  local types = readyTypes()
  reply[11], reply[12], reply[13] = archive.done, oldestReady(types), tonumber(call('HGET', KEYS[1], 'a') or 0)
  table.sort(types)
  reply[14] = {unpack(types, 1, math.min(#types, ${LIMITS.readyTypes}))}
  return reply
end
`;

/** Returns the settings and figures of the queue; an empty list when there is no such queue. */
export const SHOW_QUEUE = lua`
${SNAPSHOT}
return answer(exists and snapshot({}) or {})
`;

/**
 * Creates a queue. ARGV[7] ordering P or R, [8] weight, [9] max_concurrency, [10] max_depth.
 * Returns the queue; or `E` (it exists), its creation time and weight; or `X` (an old queue of this name is still being
 * deleted).
 */
export const CREATE_QUEUE = lua`
${SNAPSHOT}
if meta[5] then return finish({'X'}) end
if meta[1] then return finish({'E', call('HGET', KEYS[1], 't'), call('HGET', KEYS[1], 'w')}) end
-- Continues the log of a deleted queue of this name if it is still kept; else begins one with a new epoch.
if call('EXISTS', base .. 'g') == 0 then call('HSET', base .. 'g', 'e', now, 's', 0) end
call('PERSIST', base .. 'g')
call('PERSIST', base .. 'log')
meta[6] = call('HGET', base .. 'g', 'e')
call('HSET', KEYS[1], 'o', ARGV[7], 'w', ARGV[8], 'c', ARGV[9], 'd', ARGV[10], 'p', 0, 't', now, 'e', meta[6])
return finish(snapshot({}))
`;

/**
 * Changes settings. ARGV[7] ordering, [8] weight, [9] max_concurrency, [10] max_depth; empty: unchanged.
 * Returns the queue, `N` (no such queue), or `W` (a new ordering is refused while jobs are PENDING).
 */
export const UPDATE_QUEUE = lua`
${SNAPSHOT}
if not exists then return finish({'N'}) end
if ARGV[7] ~= '' and ARGV[7] ~= meta[1] then
  if waiting() > 0 then return finish({'W'}) end
end
for at, field in ipairs({'o', 'w', 'c', 'd'}) do
  if ARGV[6 + at] ~= '' then call('HSET', KEYS[1], field, ARGV[6 + at]) end
end
isReady = true
return finish(snapshot({}))
`;

/** Pauses or resumes a queue. ARGV[7] 1 or 0. Returns the queue, or `N` (no such queue). */
export const PAUSE_QUEUE = lua`
${SNAPSHOT}
if not exists then return finish({'N'}) end
call('HSET', KEYS[1], 'p', ARGV[7])
isReady, isQueue = ARGV[7] == '0', true
return finish(snapshot({}))
`;

/** Shared start of the scripts that delete PENDING jobs. Fills ids and members, for drop at the end. */
const DELETE_WAITING = lua`
local ids, members = {}, {}

local function delete(id, s)
  deleted(id, s)
  ids[#ids + 1] = id
  members[#members + 1] = idKey(id) .. ':' .. s.type
end

-- Jobs that never changed have no state: their place in line tells all that the log needs.
local function deleteWaiting(found)
  local list = {}
  for at, job in ipairs(found) do list[at] = job.id end
  local states = readMany(base .. 's', list)
  for at, job in ipairs(found) do
    delete(job.id, states[at] and readState(states[at]) or {
      status = PENDING, cancel = 0, priority = job.priority, retries = 0, deliveries = 0, lost = 0, revision = 1,
      createdAt = job.createdAt, runAfter = job.runAfter, startedAt = 0, finishedAt = 0,
      type = job.type, worker = '', error = '', percent = '', message = '',
    })
  end
end

local function purge(max)
  local found, taken = {}, {}
  local scheduled = call('ZRANGE', base .. 'z', 0, max - 1, 'WITHSCORES')
  for at = 1, #scheduled, 2 do
    local type, priority, standing = ofScheduled(scheduled[at])
    taken[#taken + 1] = scheduled[at]
    found[#found + 1] = {id = idOfPlace(standing), type = type, priority = priority,
      createdAt = createdAtOfPlace(standing), runAfter = tonumber(scheduled[at + 1])}
  end
  callMany('ZREM', base .. 'z', taken)
  while #found < max do
    local type = call('SRANDMEMBER', base .. 't')
    if not type then break end
    local line = call('ZRANGE', base .. 'r:' .. type, 0, max - #found - 1, 'WITHSCORES')
    taken = {}
    for at = 1, #line, 2 do
      local priority, runAfter = ofScore(tonumber(line[at + 1]))
      taken[#taken + 1] = line[at]
      found[#found + 1] = {id = idOfPlace(line[at]), type = type, priority = priority,
        createdAt = createdAtOfPlace(line[at]), runAfter = runAfter}
    end
    callMany('ZREM', base .. 'r:' .. type, taken)
    forgetEmptyType(type)
  end
  deleteWaiting(found)
  return #found
end
`;

/** Deletes PENDING jobs. ARGV[7] most jobs. Returns how many, or `N` (no such queue). */
export const PURGE = lua`
${DELETE_WAITING}
if not exists then return finish({'N'}) end
local count = purge(tonumber(ARGV[7]))
drop(ids, members)
return finish({count})
`;

/**
 * Begins to delete a queue: from now on it does not exist for anybody. ARGV[7] 1: whatever jobs it holds.
 * Returns when the queue was created, `N` (no such queue), or `B` (it has PENDING, RUNNING or DEAD jobs).
 */
export const BEGIN_DELETE = lua`
if not meta[1] then return finish({'N'}) end
if exists then
  if ARGV[7] ~= '1' and call('HLEN', base .. 'j') > archive.done + archive.canceled then return finish({'B'}) end
  call('HSET', KEYS[1], 'x', 1)
end
return finish({call('HGET', KEYS[1], 't')})
`;

/**
 * Deletes some jobs of a queue that is being deleted, and the queue itself when none is left. ARGV[7] most jobs, [8] ms
 * that its log is kept. Returns 1 when the queue is gone, else 0.
 */
export const CONTINUE_DELETE = lua`
${DELETE_WAITING}
if not meta[5] then return finish({1}) end
local max = tonumber(ARGV[7])
isWorkers = true
if purge(max) == 0 then
  for _, member in ipairs(call('ZRANGE', base .. 'i', 0, max - 1)) do
    local id = sub(member, 2, find(member, ':', 1, true) - 1)
    delete(id, stateOf(id))
  end
  for _, key in ipairs({'l', 'd', 'f'}) do call('UNLINK', base .. key) end
end
drop(ids, members)
if call('ZCARD', base .. 'i') > 0 then return finish({0}) end
for _, key in ipairs({'j', 's', 'e', 'o', 'z', 'l', 'd', 'f', 'q', 'w', 't', 'm'}) do call('UNLINK', base .. key) end
local reply = finish({1})
call('PEXPIRE', base .. 'g', ARGV[8])
call('PEXPIRE', base .. 'log', ARGV[8])
return reply
`;

/**
 * Does a bounded part of what is due in a queue: ends expired leases, makes scheduled jobs ready, deletes old finished
 * jobs. ARGV[7] most jobs for each of these, [8] name of the sweeping server.
 *
 * Returns ms until the next sweep (-1: nothing is due, -2: no such queue); 1 if the queue is being deleted, else 0;
 * how many types have ready jobs; ms until something is due, not rounded up to a grain (-1: nothing); and for each
 * expired lease the status after it and the type.
 */
export const SWEEP = lua`
local max = tonumber(ARGV[7])
sweeper = ARGV[8]
if not exists then return answer({-2, meta[5] and 1 or 0, 0, -1}) end
local reply = {-1, 0, 0, -1}
local lost = call('ZRANGEBYSCORE', base .. 'l', '-inf', now, 'LIMIT', 0, max)
for _, id in ipairs(lost) do
  local s = stateOf(id)
  s.lost = s.lost + 1
  local isPoison = s.lost > maxLost
  local text = isPoison and '${poisonJobError("' .. s.lost .. '")}'
    or '${LEASE_RAN_OUT}'
  noteError(id, s, text, text, text)
  endLease(id, s, '', '0')
  if s.cancel == 1 then endCanceled(id, s)
  elseif isPoison then bury(id, s)
  else requeue(id, s) end
  reply[#reply + 1] = s.status
  reply[#reply + 1] = s.type
end
isWorkers = #lost > 0
local promoted, trimmed = promote(max), trim(max)

-- Scheduled jobs are swept for to the ms; ends of leases and of retention only after a grain, several at once.
dueAt = nil
local exactAt
local function dueLater(at, grain)
  if not exactAt or at < exactAt then exactAt = at end
  due(math.max(at, now + grain))
end
local scheduled = call('ZRANGE', base .. 'z', 0, 0, 'WITHSCORES')
if #scheduled > 0 then dueLater(tonumber(scheduled[2]), 0) end
local leased = call('ZRANGE', base .. 'l', 0, 0, 'WITHSCORES')
if #leased > 0 then dueLater(tonumber(leased[2]), 100) end
local oldest = call('LINDEX', base .. 'f', 0)
if oldest then dueLater(tonumber(sub(oldest, 2, 14)) + ttl, 1000) end
if #lost == max or promoted == max or trimmed == max then due(now) end
if dueAt then reply[1] = math.max(0, dueAt - now) end
if exactAt then reply[4] = math.max(0, exactAt - now) end
reply[3] = call('SCARD', base .. 't')
-- Published even if there was nothing to do: other servers learn when to sweep if this one is gone by then.
return finish(reply)
`;
