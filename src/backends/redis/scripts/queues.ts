import { DUE_SCHEDULES } from "../../../core/port/schedule-store.js";
import { KEYS, SCHEDULES } from "../layout/features.js";
import { code, key, keyNames, meta, metaName, rest } from "../layout/lua.js";
import { QUEUE_KEYS, type QueueKey } from "../layout/table.js";
import { UNCOUNTED_MS } from "../queues/queue-registry.js";
import { lua } from "./lua.js";
import { LIMITS_OF_QUEUE } from "./parts/pending.js";
import { DUE } from "./schedules.js";

/** The keys that end with the queue; the log stays for a while. */
const OWN_KEYS = (Object.keys(QUEUE_KEYS) as QueueKey[]).filter((name) => {
  return !("each" in QUEUE_KEYS[name]) && name !== "log" && name !== "log_position";
});

/** Most types of which a snapshot looks for the oldest ready job: each takes some 30 us. */
const FEW_TYPES = 16;

/** Bytes of schedules after which a sweep tells no more as due. */
const DUE_BYTES = 2 ** 20;
/** Lines of keys in which is looked for the oldest ready job: as many of any keys, and as many of those that come next, by type. */
const FEW_LINES = 50;
const FEW_TURNS = 10;

/** Most types that are known of a queue; of more, some at random. */
const MAX_READY_TYPES = 1000;

/**
 * Lua: `oldestReady(types)` is the earliest run_after of the jobs in the lines of these types, those that are held back too; nil when there is
 * none. Of more keys than a few it may miss one that is held back, or stands behind others of its key.
 */
const OLDEST_READY = lua`
-- The earliest run_after of a line, or one that is known already.
local function oldestOf(line, oldest)
  local low = '-inf'
  while true do
    -- The first job of each priority level is its oldest.
    local head = call('ZRANGEBYSCORE', line, low, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #head == 0 then return oldest end
    local priority, runAfter = ofScore(tonumber(head[2]))
    if not oldest or runAfter < oldest then oldest = runAfter end
    if not byPriority then return oldest end
    low = format('%.0f', (11 - priority) * LEVEL)
  end
end

local function oldestReady(types)
  local oldest
  local looks = ${FEW_LINES}
  for _, type in ipairs(types) do
    if not byTurns then oldest = oldestOf(${key("ready")} .. type, oldest) end
    -- What a key has behind its first job may be older.
    if keyLines() and byPriority and looks > 0 then
      for _, entry in ipairs(call('ZRANGE', entries .. type, 0, math.min(looks, ${FEW_TURNS}) - 1)) do
        local line = keyed.lineOfEntry(entry, type)
        if line then oldest = oldestOf(line, oldest) end
        looks = looks - 1
      end
    end
  end
  for _, line in ipairs(keyLines() and keyed.someLines(${FEW_LINES}) or {}) do oldest = oldestOf(line, oldest) end
  return oldest
end
`;

/** Lua: `typesInLine()` lists the types of which jobs have had their time come, those too of which all are held back. */
const TYPES_IN_LINE = lua`
local function heldTypes()
  return needs('${KEYS}') and call('HLEN', ${key("held_types")}) or 0
end

local function typesInLine()
  local types = call('SMEMBERS', ${key("ready_types")})
  if heldTypes() == 0 then return types end
  local known = {}
  for _, type in ipairs(types) do known[type] = true end
  for _, type in ipairs(call('HKEYS', ${key("held_types")})) do
    if not known[type] then types[#types + 1] = type end
  end
  return types
end
`;

/** Shared start of the scripts that return a queue with its settings and figures. Reads only. */
const SNAPSHOT = lua`
${OLDEST_READY}
${LIMITS_OF_QUEUE}
${TYPES_IN_LINE}
-- How long the oldest ready job of these types, or of those that are due and not ready yet, has been ready; -1: there is none.
local function oldestAge(types)
  local oldest = oldestReady(types)
  for turn = 1, 2 do
    local key, upTo = scheduleOf(turn == 2)
    local head = call('ZRANGEBYSCORE', key, '-inf', upTo, 'WITHSCORES', 'LIMIT', 0, 1)
    if #head > 0 then
      local runAfter = ofScheduled(turn == 2, head[1], head[2])
      if not oldest or runAfter < oldest then oldest = runAfter end
    end
  end
  return oldest and math.max(0, now - oldest) or -1
end

-- The queue: its meta and its figures, both as names and values, and the first types that have ready jobs. Of many types none is
-- looked at: READY_TYPES and OLDEST tell the rest.
local function snapshot()
  local steadily = '(' .. format('%.0f', steady)
  local delayed = call('ZCOUNT', ${key("delayed")}, steadily, '+inf')
  -- Never more than are delayed: an older server may have taken some of these away.
  local retrying = delayed > 0 and math.min(delayed, call('ZCOUNT', ${key("retrying")}, steadily, '+inf')) or 0
  local scheduled = call('ZCOUNT', ${key("scheduled")}, '(' .. format('%.0f', now), '+inf') + delayed - retrying
  local due = waiting() - scheduled - retrying
  local limited = heldBack(due)
  local many = call('SCARD', ${key("ready_types")}) + heldTypes()
  local types = {}
  if many <= ${FEW_TYPES} then many, types = 0, typesInLine() end
  local slot = rate and due > 0 and due > heldByKeys() and rate.nextSlotAt()
  local figures = {
    'ready', due - limited, 'scheduled', scheduled, 'retrying', retrying, 'limited', limited, 'running', call('ZCARD', ${key("leases")}),
    'dead', call('ZCARD', ${key("dead")}), 'done', archive.done, 'oldest_ready_age', oldestAge(types), 'many_types', many,
    'next_slot_at', slot or 0,
  }
  table.sort(types)
  return {call('HGETALL', KEYS[1]), figures, types}
end
`;

/** Shared start of the scripts that are given settings. */
const SETTINGS = lua`
-- Writes settings, given as names and values from ARGV[8] on (empty: it is removed), and features that they need from now on, from ARGV[7].
local function writeSettings()
  local set, removed = {}, {}
  for at = 8, #ARGV, 2 do
    if ARGV[at + 1] == '' then removed[#removed + 1] = ARGV[at]
    else
      set[#set + 1] = ARGV[at]
      set[#set + 1] = ARGV[at + 1]
    end
  end
  callMany('HSET', KEYS[1], set)
  callMany('HDEL', KEYS[1], removed)
  for feature in string.gmatch(ARGV[7], '[^,]+') do need(feature) end
end

local function settingOf(name)
  for at = 8, #ARGV, 2 do
    if ARGV[at] == name then return ARGV[at + 1] end
  end
end
`;

/** Returns the queue (`snapshot`); an empty list when there is no such queue. */
export const SHOW_QUEUE = lua`
${SNAPSHOT}
return answer(exists and snapshot() or {})
`;

/** Returns the types that have jobs in line; of very many, some of them that have ready ones. */
export const READY_TYPES = lua`
${TYPES_IN_LINE}
if call('SCARD', ${key("ready_types")}) + heldTypes() > ${MAX_READY_TYPES} then
  return answer(call('SRANDMEMBER', ${key("ready_types")}, ${MAX_READY_TYPES}))
end
return answer(typesInLine())
`;

/** Returns the earliest run_after of the ready jobs of these types, ARGV[7..]; an empty list when there is none. */
export const OLDEST = lua`
${OLDEST_READY}
return answer({oldestReady({unpack(ARGV, 7)})})
`;

/** Returns how many ready jobs there are of each of these types, ARGV[7..]. */
export const COUNT_READY = lua`
local counts = {}
for at = 7, #ARGV do
  counts[at - 6] = call('ZCARD', entries .. ARGV[at])
  if needs('${KEYS}') then counts[at - 6] = counts[at - 6] + (call('HGET', ${key("behind")}, ARGV[at]) or 0) end
end
return answer(counts)
`;

/**
 * Creates a queue. ARGV[7] features that its settings need, with commas, [8..] names and values of its settings.
 * Returns the queue; or `E` (it exists), its creation time and weight; or `X` (an old queue of this name is still being
 * deleted).
 */
export const CREATE_QUEUE = lua`
${SNAPSHOT}
${SETTINGS}
if again and exists then return repeated(snapshot()) end
if ${meta("deleting")} then return finish({'X'}) end
if exists then return finish({'E', unpack(call('HMGET', KEYS[1], ${metaName("created_at")}, ${metaName("weight")}))}) end
-- Continues the log of a deleted queue of this name while cursors count it; else begins one with a new epoch.
local left = call('PTTL', ${key("log_position")})
if left ~= -1 and left < ${UNCOUNTED_MS} then
  call('UNLINK', ${key("log_position")}, ${key("log")})
  call('HSET', ${key("log_position")}, 'epoch', now, 'changes', 0)
end
call('PERSIST', ${key("log_position")})
call('PERSIST', ${key("log")})
-- Left by an older server that deleted the queue before.
call('UNLINK', ${key("retrying")})
${meta("epoch")} = call('HGET', ${key("log_position")}, 'epoch')
call('HSET', KEYS[1], ${metaName("paused")}, 0, ${metaName("created_at")}, now, ${metaName("epoch")}, ${meta("epoch")})
writeSettings()
remember({})
return finish(snapshot())
`;

/**
 * Changes settings. ARGV as of CREATE_QUEUE; what is not given, or not known here, stays as it is.
 * Returns the queue, `N` (no such queue), or `W` (a new ordering is refused while jobs are PENDING).
 */
export const UPDATE_QUEUE = lua`
${SNAPSHOT}
${SETTINGS}
if not exists then return finish({'N'}) end
local ordering = settingOf(${metaName("ordering")})
if ordering and ordering ~= ${meta("ordering")} then
  if waiting() > 0 then return finish({'W'}) end
  call('UNLINK', ${key("active_keys")}, ${key("idle_keys")})
  call('HDEL', KEYS[1], ${metaName("turn")}, ${metaName("arrivals")})
end
local limit = settingOf(${metaName("rate_limit")})
if rate and limit then rate.change(limit) end
writeSettings()
isReady = true
-- What is kept may be too much now.
due(now)
return finish(snapshot())
`;

/** Pauses or resumes a queue. ARGV[7] 1 or 0. Returns the queue, or `N` (no such queue). */
export const PAUSE_QUEUE = lua`
${SNAPSHOT}
if not exists then return finish({'N'}) end
call('HSET', KEYS[1], ${metaName("paused")}, ARGV[7])
if rate then rate.pause() end
isReady, isQueue = ARGV[7] == '0', true
return finish(snapshot())
`;

/** Shared start of the scripts that delete PENDING jobs. Fills ids and members, for drop at the end. */
const DELETE_WAITING = lua`
local ids, members = {}, {}

local function delete(id, s)
  deleted(id, s)
  ids[#ids + 1] = id
  members[#members + 1] = standingOf(s.created_at, id, s.tail.type)
end

-- Jobs that never changed have no state: their place in line tells all that the log needs.
local function deleteWaiting(found)
  local list = {}
  for at, job in ipairs(found) do list[at] = job.id end
  outlive(list)
  callMany('ZREM', ${key("retrying")}, list)
  local states = readMany(${key("states")}, list)
  for at, job in ipairs(found) do
    delete(job.id, states[at] and readState(states[at])
      or firstState(job.type, job.priority, job.createdAt, job.runAfter))
  end
end

-- A ready job, from its place and score.
local function readyJob(type, place, score)
  local priority, runAfter = ofScore(tonumber(score))
  return {id = idOfPlace(place), type = type, priority = priority, createdAt = createdAtOfPlace(place), runAfter = runAfter}
end

local function purge(max)
  local found, taken = {}, {}
  for turn = 1, 2 do
    if #found == max then break end
    local key = scheduleOf(turn == 2)
    local members = call('ZRANGE', key, 0, max - #found - 1, 'WITHSCORES')
    taken = {}
    for at = 1, #members, 2 do
      local runAfter, type, priority, standing = ofScheduled(turn == 2, members[at], members[at + 1])
      taken[#taken + 1] = members[at]
      found[#found + 1] = {id = idOfPlace(standing), type = type, priority = priority,
        createdAt = createdAtOfPlace(standing), runAfter = runAfter}
    end
    callMany('ZREM', key, taken)
  end
  for _, line in ipairs(#found < max and keyLines() and keyed.anyLines(max - #found) or {}) do
    if #found == max then break end
    local jobs = keyed.jobsOf(line, max - #found)
    taken = {}
    for at = 1, #jobs, 2 do
      taken[#taken + 1] = jobs[at]
      found[#found + 1] = readyJob(line.type, jobs[at], jobs[at + 1])
    end
    keyed.remove(line.name, line.type, taken)
  end
  if keyed then keyed.flush() end
  while #found < max do
    local type = call('SRANDMEMBER', ${key("ready_types")})
    if not type then break end
    local line = call('ZRANGE', ${key("ready")} .. type, 0, max - #found - 1, 'WITHSCORES')
    taken = {}
    for at = 1, #line, 2 do
      taken[#taken + 1] = line[at]
      found[#found + 1] = readyJob(type, line[at], line[at + 1])
    end
    callMany('ZREM', ${key("ready")} .. type, taken)
    forgetEmptyType(type)
  end
  deleteWaiting(found)
  return #found
end
`;

/** Deletes PENDING jobs. ARGV[7] most jobs. Returns how many, or `N` (no such queue). */
export const PURGE = lua`
if again then return repeated(again) end
${DELETE_WAITING}
if not exists then return finish({'N'}) end
local count = purge(tonumber(ARGV[7]))
drop(ids, members)
return finish(remember({count}))
`;

/** How long after the last part of a deletion another server goes on with it, ms. */
const DELETE_PATIENCE_MS = 1000;

/**
 * Begins to delete a queue: from now on it does not exist for anybody. ARGV[7] 1: whatever jobs it holds; [8] name of
 * the deleting server.
 * Returns when the queue was created, `N` (no such queue), or `B` (it has PENDING, RUNNING or DEAD jobs).
 */
export const BEGIN_DELETE = lua`
if again then return repeated(again) end
if not ${meta("ordering")} then return finish({'N'}) end
if exists then
  if ARGV[7] ~= '1' and call('HLEN', ${key("specs")}) > archive.done + archive.canceled then return finish({'B'}) end
  call('HSET', KEYS[1], ${metaName("deleting")}, 1)
end
sweeper = ARGV[8]
due(now + ${DELETE_PATIENCE_MS})
return finish(remember({call('HGET', KEYS[1], ${metaName("created_at")})}))
`;

/**
 * Deletes some jobs of a queue that is being deleted, and the queue itself when none is left. ARGV[7] most jobs, [8] ms
 * that its log is kept, [9] name of the deleting server. Returns 1 when the queue is gone, else 0.
 */
export const CONTINUE_DELETE = lua`
${DELETE_WAITING}
if not ${meta("deleting")} then return finish({1}) end
local max = tonumber(ARGV[7])
isWorkers = true
-- Told even when this part was the last: the entry in the list of queues is still to be removed.
sweeper = ARGV[9]
due(now + ${DELETE_PATIENCE_MS})
if purge(max) == 0 then
  for _, member in ipairs(call('ZRANGE', ${key("index")}, 0, max - 1)) do
    local id = sub(member, ${rest("standing")}, find(member, ':', 1, true) - 1)
    delete(id, stateOf(id))
  end
  for _, key in ipairs(${keyNames("leases", "dead", "finished")}) do call('UNLINK', base .. key) end
end
drop(ids, members)
if call('ZCARD', ${key("index")}) > 0 then return finish({0}) end
if keyed then keyed.flush() end
for _, key in ipairs(${keyNames(...OWN_KEYS)}) do call('UNLINK', base .. key) end
local reply = finish({1})
call('PEXPIRE', ${key("log_position")}, ARGV[8])
call('PEXPIRE', ${key("log")}, ARGV[8])
return reply
`;

/** Works out when the queue is to be swept next, `dueAt`, and when something is due, which may be sooner, `exactAt`; nil: nothing is. */
const NEXT_DUE = lua`
-- Scheduled jobs are swept for to the ms; ends of leases and of retention only after a grain, several at once.
dueAt = nil
local exactAt
local function dueLater(at, grain)
  if not exactAt or at < exactAt then exactAt = at end
  due(math.max(at, now + grain))
end
local scheduled = call('ZRANGE', ${key("scheduled")}, 0, 0, 'WITHSCORES')
if #scheduled > 0 then dueLater(tonumber(scheduled[2]), 0) end
local delayed = call('ZRANGE', ${key("delayed")}, 0, 0, 'WITHSCORES')
if #delayed > 0 then dueLater(tonumber(delayed[2]) + setAhead, 0) end
local expiring = call('ZRANGE', ${key("expiring")}, 0, 0, 'WITHSCORES')
if #expiring > 0 then dueLater(tonumber(expiring[2]), 0) end
local expiringAfter = call('ZRANGE', ${key("expiring_after")}, 0, 0, 'WITHSCORES')
if #expiringAfter > 0 then dueLater(tonumber(expiringAfter[2]) + setAhead, 0) end
if needs('${SCHEDULES}') then
  local planned = call('ZRANGE', ${key("schedule_times")}, 0, 0, 'WITHSCORES')
  if #planned > 0 then dueLater(tonumber(planned[2]), 0) end
end
local leased = call('ZRANGE', ${key("leases")}, 0, 0, 'WITHSCORES')
if #leased > 0 then dueLater(tonumber(leased[2]) + setAhead, 100) end
local slot = rate and call('EXISTS', ${key("ready_types")}) == 1 and rate.nextSlotAt()
if slot then dueLater(slot, 0) end
if keyLines() and keyed.hasMisfits() then dueLater(now, 0) end
if lookAtFinished() then dueLater(archive.oldest + setAhead + ttl, 1000) end
local hold = firstHold()
if hold then dueLater(hold + setAhead, 1000) end
if deadTtl or maxDead then
  local oldest = oldestDead(0)
  if oldest and deadTtl then dueLater(diedAt(oldest.state) + setAhead + deadTtl, 1000) end
  if oldest and deadOver() > 0 then dueLater(now, 0) end
end
`;

/**
 * Looks how a queue stands, for a server that may have missed notices. Returns 1 if there is the queue, else 0; ms until it is to
 * be swept and until something is due (-1: nothing is), as of SWEEP; the types that have ready jobs, and what the finished jobs take,
 * as in a message; and epoch, changes and stamp of its log, each empty when there is none.
 */
export const LOOK = lua`
${NEXT_DUE}
tellCompleted()
local log = call('HMGET', ${key("log_position")}, 'epoch', 'changes', 'stamp')
return answer({
  exists and 1 or 0, dueAt and math.max(0, dueAt - now) or -1, exactAt and math.max(0, exactAt - now) or -1, slot and '-' or allReady(), completed,
  log[1] or '', log[2] or '', log[3] or '',
})
`;

/**
 * Deletes finished jobs, the oldest first, so that the others take no more than some bytes, or a part of them. ARGV[7] the bytes, [8]
 * most jobs. Returns what they take then, and when the first of them finished (empty: there is none).
 */
export const TRIM = lua`
if exists then trim(tonumber(ARGV[8]), tonumber(ARGV[7])) end
return finish({exists and archive.bytes or 0, archive.oldest or ''})
`;

/**
 * Does a bounded part of what is due in a queue: ends expired leases, cancels jobs that have expired, makes scheduled jobs
 * ready, deletes old finished and dead jobs; tells the schedules that are due. ARGV[7] most jobs for each of these, [8] name of the sweeping server, [9] MAX_LOST_LEASES.
 *
 * Returns ms until the next sweep (-1: nothing is due, -2: no such queue); 1 if the queue is being deleted, else 0;
 * the types that have ready jobs, as in a message; ms until something is due, not rounded up to a grain (-1: nothing); a list of schedules
 * that are due, of each how it stands, and its spec; and for each
 * expired lease the status after it, the type, the number in the job's id, the number of the delivery and who had it; the same for
 * each expired job, with 0 deliveries.
 */
export const SWEEP = lua`
${DUE}
local max, maxLost = tonumber(ARGV[7]), tonumber(ARGV[9])
-- Jobs that stand in lines of their keys take twice as long.
if needs('${KEYS}') then max = math.ceil(max / 2) end
sweeper = ARGV[8]
if not exists then return answer({-2, ${meta("deleting")} and 1 or 0, '-', -1, {}}) end
local reply = {-1, 0, '-', -1, {}}
local lost = call('ZRANGEBYSCORE', ${key("leases")}, '-inf', steady, 'LIMIT', 0, max)
for _, id in ipairs(lost) do
  local s = stateOf(id)
  local worker = s.tail.worker or ''
  local isPoison = countLost(id, s, maxLost)
  endLease(id, s, '', ${code("settled_by", "nothing")})
  if s.cancel_requested == 1 then endCanceled(id, s)
  elseif isPoison then bury(id, s)
  else requeue(id, s) end
  for _, each in ipairs({s.status, s.tail.type, id, s.deliveries, worker}) do reply[#reply + 1] = each end
end
isWorkers = #lost > 0
local expired = expire(max, reply)
local promoted, ended, trimmed = promote(max), endHolds(max), trim(max)
local dead = trimDead(max)
forgetRequests(max)
if keyLines() then keyed.refit(max) end
local isMore
reply[5], isMore = dueSchedules(${DUE_SCHEDULES}, ${DUE_BYTES})
if rate then
  rate.clamp()
  -- The slot may have come that they were held back for.
  isReady = isReady or ${meta("paused")} ~= '1'
end

${NEXT_DUE}if isMore or #lost == max or expired == max or promoted == max or ended == max or trimmed >= max or dead == max then due(now) end
if dueAt then reply[1] = math.max(0, dueAt - now) end
if exactAt then reply[4] = math.max(0, exactAt - now) end
reply[3] = slot and '-' or allReady()
tellCompleted()
-- Published even if there was nothing to do: other servers learn when to sweep if this one is gone by then.
return finish(reply)
`;
