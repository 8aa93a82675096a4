import { MAX_RETRY_MS, MIN_RETRY_MS } from "../../../core/port/schedule-store.js";
import { SCHEDULES } from "../layout/features.js";
import { code, key, text } from "../layout/lua.js";
import { lua } from "./lua.js";

/** Lua: `readSchedule(name)` is how a schedule stands. */
const READ_SCHEDULE = lua`
-- How a schedule stands; nil: there is none of this name.
local function readSchedule(name)
  local raw = needs('${SCHEDULES}') and call('HGET', ${key("schedules")}, name)
  return raw and cjson.decode(raw) or nil
end
`;

/** Lua: how a schedule stands, read and written. Its spec lies beside that and is never read here. */
const STANDING = lua`
${READ_SCHEDULE}
-- Keeps it, and has it told as due at its next time.
local function writeSchedule(name, s)
  call('HSET', ${key("schedules")}, name, cjson.encode(s))
  if s.next_run_at then
    call('ZADD', ${key("schedule_times")}, s.next_run_at, name)
    due(tonumber(s.next_run_at))
  else
    call('ZREM', ${key("schedule_times")}, name)
  end
end

-- Tells whether it is as somebody read it; see versionText in codec-schedule.ts.
local function versionOf(s)
  return format('%d %d %s', s.created_at, s.revision, s.next_run_at or '')
end
`;

/** Lua for FIRE: what becomes of a group that makes no jobs. */
export const STALE_OR_SKIPPED = lua`  elseif not (schedule and versionOf(schedule) == firing.was) then
    reply[group] = 'M'
  elseif firing.skips_overlap and jobs > 0 and isUnfinished(schedule.last_job) then
    moveOn(schedule, firing, jobs)
    reply[group] = 'K'
`;

/**
 * Lua for FIRE: what the jobs of a group do to the schedule that makes them. A firing is an object: `name`, `was` (see
 * versionOf), `at` (the time of its last job, a text), `next_run_at` (a text; none: it has no more), `max_runs`, `skips_overlap`,
 * `by_hand`, `skipped_at` and `skip_reason`; those that are not set are left out.
 */
export const FIRING = lua`
${STANDING}
-- Ids of jobs that this call made for schedules: they are not kept yet.
local madeNow = {}

local function isUnfinished(id)
  if not id then return false end
  if madeNow[id] then return true end
  local raw = call('HGET', ${key("states")}, id)
  if not raw then return call('HEXISTS', ${key("specs")}, id) == 1 end
  local status = ${text("state", "status", "raw")}
  return status == ${code("status", "PENDING")} or status == ${code("status", "RUNNING")}
end

-- The schedule moves on: it was to make so many jobs, of which the last has this id (nil: it skipped them) and so many are new.
local function moveOn(s, firing, jobs, lastId, made)
  if lastId then
    madeNow[lastId] = true
    if s.skipped_at == s.next_run_at then s.skipped_at, s.skip_reason = nil, nil end
    if not firing.by_hand then s.runs = s.runs + made end
    s.last_job, s.last_run_at = lastId, firing.at
  end
  if jobs > 0 and not lastId then s.skipped_at, s.skip_reason = firing.at, 'OVERLAP'
  elseif firing.skipped_at then s.skipped_at, s.skip_reason = firing.skipped_at, firing.skip_reason end
  if not firing.by_hand then s.next_run_at = firing.next_run_at end
  if firing.max_runs and s.runs >= firing.max_runs and not firing.by_hand then s.next_run_at = nil end
  writeSchedule(firing.name, s)
end

-- There was no room for its jobs: it stays as it is, and says why.
local function foundNoRoom(s, firing)
  if firing.by_hand or not s.next_run_at then return end
  s.skipped_at, s.skip_reason = s.next_run_at, 'QUEUE_FULL'
  call('HSET', ${key("schedules")}, firing.name, cjson.encode(s))
end
`;

/**
 * Creates a schedule. ARGV[7] its name, [8] how it stands, [9] its spec, [10] 1: the queue may need the feature for that from now on.
 * Returns `A`; `N` (no such queue), `E` (it exists), `U` (the queue would need the feature).
 */
export const CREATE_SCHEDULE = lua`
${STANDING}
if again then return repeated(again) end
if not exists then return finish({'N'}) end
if readSchedule(ARGV[7]) then return finish({'E'}) end
if not needs('${SCHEDULES}') and ARGV[10] ~= '1' then return finish({'U'}) end
need('${SCHEDULES}')
call('HSET', ${key("schedule_specs")}, ARGV[7], ARGV[9])
call('ZADD', ${key("schedule_names")}, 0, ARGV[7])
writeSchedule(ARGV[7], cjson.decode(ARGV[8]))
return finish(remember({'A'}))
`;

/**
 * Changes a schedule that still is as it was read. ARGV[7] its name, [8] that; see versionOf; [9] its spec, [10] its next time (empty:
 * none), [11] 1: it is paused. Returns `A` and how it stands then; `N` (no such queue), `S` (no such schedule), `M` (it is not as
 * it was read).
 */
export const UPDATE_SCHEDULE = lua`
${STANDING}
local name = ARGV[7]
local function withStanding(reply)
  reply[2] = call('HGET', ${key("schedules")}, name) or ''
  return reply
end
if again then return repeated(withStanding(again)) end
if not exists then return finish({'N'}) end
local s = readSchedule(name)
if not s then return finish({'S'}) end
if versionOf(s) ~= ARGV[8] then return finish({'M'}) end
s.revision, s.updated_at = s.revision + 1, math.max(s.updated_at, now)
s.next_run_at, s.paused = ARGV[10] ~= '' and ARGV[10] or nil, ARGV[11] == '1' or nil
call('HSET', ${key("schedule_specs")}, name, ARGV[9])
writeSchedule(name, s)
return finish(withStanding(remember({'A'})))
`;

/** Deletes a schedule. ARGV[7] its name. Returns `A`; `N` (no such queue), `S` (no such schedule). */
export const DELETE_SCHEDULE = lua`
if again then return repeated(again) end
if not exists then return finish({'N'}) end
if call('HDEL', ${key("schedules")}, ARGV[7]) == 0 then return finish({'S'}) end
call('HDEL', ${key("schedule_specs")}, ARGV[7])
call('ZREM', ${key("schedule_names")}, ARGV[7])
call('ZREM', ${key("schedule_times")}, ARGV[7])
return finish(remember({'A'}))
`;

/**
 * Lua: `answerSchedules(reply, names, maxBytes)` appends how schedules stand and their specs, until so many bytes were read. Returns
 * the reply, and how many of the names it has looked at.
 */
const ANSWER_SCHEDULES = lua`
local function answerSchedules(reply, names, maxBytes)
  local bytes = 0
  for at, name in ipairs(names) do
    if bytes >= maxBytes then return reply, at - 1 end
    local raw = call('HGET', ${key("schedules")}, name)
    if raw then
      local spec = call('HGET', ${key("schedule_specs")}, name) or ''
      reply[#reply + 1], reply[#reply + 2] = raw, spec
      bytes = bytes + #raw + #spec
    end
  end
  return reply, #names
end
`;

/** Reads a schedule. ARGV[7] its name. Returns how it stands, and its spec; nothing when there is none; `N` (no such queue). */
export const GET_SCHEDULE = lua`
${ANSWER_SCHEDULES}
if not exists then return answer({'N'}) end
return answer((answerSchedules({}, {ARGV[7]}, 1)))
`;

/**
 * Reads schedules by name. ARGV[7] those behind this name, [8] most of them, [9] bytes after which no more are read. Returns how many
 * there were to read, one more at the most, and of each how it stands, and its spec; `N` (no such queue).
 */
export const LIST_SCHEDULES = lua`
${ANSWER_SCHEDULES}
if not exists then return answer({'N'}) end
local names = call('ZRANGEBYLEX', ${key("schedule_names")}, '(' .. ARGV[7], '+', 'LIMIT', 0, ARGV[8] + 1)
local count = #names
names[ARGV[8] + 1] = nil
return answer((answerSchedules({count}, names, tonumber(ARGV[9]))))
`;

/** Lua for SWEEP: `dueSchedules(max, maxBytes)` returns some of the schedules that are due, as `answerSchedules`. */
export const DUE = lua`
${READ_SCHEDULE}
${ANSWER_SCHEDULES}
-- Each that is told is told again after a while (see retryAfterMs), unless it moves on. Returns whether there may be more, too.
local function dueSchedules(max, maxBytes)
  if not needs('${SCHEDULES}') then return {}, false end
  local names = call('ZRANGEBYSCORE', ${key("schedule_times")}, '-inf', now, 'LIMIT', 0, max)
  local reply, seen = answerSchedules({}, names, maxBytes)
  local retries = {}
  for at = 1, seen do
    local s = readSchedule(names[at])
    local wait = floor((now - (s and s.next_run_at or now)) / 10)
    retries[#retries + 1] = format('%d', now + math.min(${MAX_RETRY_MS}, math.max(${MIN_RETRY_MS}, wait)))
    retries[#retries + 1] = names[at]
  end
  callMany('ZADD', ${key("schedule_times")}, retries)
  return reply, seen == max or seen < #names
end
`;
