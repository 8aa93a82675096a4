import { key, keyNames, meta, metaName, rest } from "../layout/lua.js";
import { QUEUE_KEYS, type QueueKey } from "../layout/table.js";
import { UNCOUNTED_MS } from "../queues/queue-registry.js";
import { lua } from "./lua.js";
import { SNAPSHOT } from "./queue-figures.js";

/** The keys that end with the queue; the log stays for a while. */
const OWN_KEYS = (Object.keys(QUEUE_KEYS) as QueueKey[]).filter((name) => {
  return !("each" in QUEUE_KEYS[name]) && name !== "log" && name !== "log_position";
});

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
