import { EXPIRY, UNIQUE } from "../layout/features.js";
import { compose, key, number, rest, text, width, write } from "../layout/lua.js";
import { lua } from "./lua.js";
import { FILTER } from "./parts/filter.js";
import { PENDING } from "./parts/pending.js";

/** Lua: `answerBasic(reply, id)` is `answerJob` without payload and result. */
export const ANSWER_BASIC = lua`
local function answerBasic(reply, id)
  local at = #reply
  local spec = call('HGET', ${key("specs")}, id) or ''
  if spec ~= '' then
    local fields = ${compose("spec", { payload_kind: 0 }, { raw: "spec" })}
    local newline = find(spec, '\n', ${rest("spec")} + ${number("spec", "type_length", "spec")}, true)
    spec = fields .. sub(spec, ${rest("spec")}, newline)
  end
  reply[at + 1], reply[at + 2] = id, spec
  reply[at + 3] = call('HGET', ${key("states")}, id) or ''
  reply[at + 4], reply[at + 5] = call('HGET', ${key("errors")}, id) or '', ''
end
`;

/**
 * Reads jobs, until so many bytes were read. ARGV[7] `B` without payload and result, empty: with them; [8] these bytes, [9..] ids.
 * Returns how many ids it has looked at, and for each of these jobs that exists: id, spec, state, errors, result, and what it waits for.
 */
export const GET = lua`
${ANSWER_BASIC}
${PENDING}
local reply = {#ARGV - 8}
if not exists then return answer(reply) end
local give, bytes, maxBytes = ARGV[7] == 'B' and answerBasic or answerJob, 0, tonumber(ARGV[8])
for at = 9, #ARGV do
  if call('HEXISTS', ${key("specs")}, ARGV[at]) == 1 then
    local from = #reply
    answerRead(give, reply, ARGV[at])
    for part = from + 2, from + 5 do bytes = bytes + #reply[part] end
    if bytes >= maxBytes then
      reply[1] = at - 8
      break
    end
  end
end
return answer(reply)
`;

/** Lua: the steps that the scripts below share. A state is that of the job as it is now. */
const STEPS = lua`
-- Cancels a PENDING job, or marks a RUNNING one. Returns whether it changed anything.
local function cancelOne(id, s)
  if s.status == PENDING then
    unput(s.tail.type, s.priority, s.created_at, id, s.run_after)
    endCanceled(id, s)
    return true
  end
  if s.status ~= RUNNING or s.cancel_requested ~= 0 then return false end
  s.cancel_requested = 1
  step(id, s, RUNNING)
  save(id, s)
  isWorkers = true
  return true
end

-- DEAD to PENDING, ready now. Returns the job that holds its unique key, if one does: it changes nothing then.
local function replayOne(id, s)
  local holder = takeAgain(id, s)
  if holder then return holder end
  call('ZREM', ${key("dead")}, idKey(id) .. ':' .. s.tail.type)
  s.retry_count, s.lost_leases, s.run_after, s.finished_at, s.tail.died = 0, 0, now, 0, nil
  requeue(id, s)
end

local dropped, droppedMembers = {}, {}

-- Deletes a job that is not RUNNING; its data go with dropAll.
local function removeOne(id, s)
  if s.status == PENDING then unput(s.tail.type, s.priority, s.created_at, id, s.run_after)
  elseif s.status == DEAD then call('ZREM', ${key("dead")}, idKey(id) .. ':' .. s.tail.type)
  else
    local isDone = s.status == DONE
    countBytes(-sizeOfLetter(isDone and sizeLetter(bytesOf(id)) or s.tail.size), s.finished_at - setAhead)
    local wasKept = isDone and needs('${UNIQUE}') and call('ZSCORE', ${key("unique_kept")}, id)
    countFinished(isDone and -1 or 0, isDone and 0 or -1, wasKept and 0 or 1)
  end
  deleted(id, s)
  dropped[#dropped + 1] = id
  droppedMembers[#droppedMembers + 1] = standingOf(s.created_at, id, s.tail.type)
end

local function dropAll()
  drop(dropped, droppedMembers)
  -- Servers are to hear when the oldest of those that are left finished.
  if completed ~= '-' then
    lookAtFinished()
    tellCompleted()
  end
end
`;

/**
 * Cancels a PENDING job, or marks a RUNNING one as cancel requested. ARGV[7] id. Returns `N` (no such job), `A` and the
 * job, or the status that does not allow it, as a number.
 */
export const CANCEL = lua`
${STEPS}
if again then return repeated(again) end
local id = ARGV[7]
local s = exists and stateOf(id)
if not s then return finish({'N'}) end
if not cancelOne(id, s) and s.status ~= RUNNING and s.status ~= CANCELED then return finish({s.status}) end
local reply = {'A'}
answerJob(reply, id)
trim(64)
return finish(remember(reply))
`;

/**
 * Makes a PENDING job ready now. ARGV[7] id. Returns `N` (no such job), `A` and the job, or the status that does not allow it, as
 * a number.
 */
export const RUN = lua`
${PENDING}
-- Takes a job out of the line of those that wait. Returns whether its time had not come; if it had, it stays there.
local function unschedule(id, s)
  local standing = placeOf(s.created_at, id)
  for turn = 1, 2 do
    local key, upTo = scheduleOf(turn == 2)
    local member = turn == 2 and delayedMember(s.run_after, s.tail.type, s.priority, standing)
      or scheduledMember(s.tail.type, s.priority, standing)
    local score = call('ZSCORE', key, member)
    if score then
      if tonumber(score) <= upTo then return false end
      call('ZREM', key, member)
      if turn == 2 then call('ZREM', ${key("retrying")}, id) end
      return true
    end
  end
  return false
end

if again then return repeated(again) end
local id = ARGV[7]
local s = exists and stateOf(id)
if not s then return finish({'N'}) end
if s.status ~= PENDING then return finish({s.status}) end
if unschedule(id, s) then
  s.run_after = now
  requeue(id, s)
end
local reply = {'A'}
answerRead(answerJob, reply, id)
return finish(remember(reply))
`;

/**
 * Changes a PENDING job. ARGV[7] id, [8] priority, [9] when it may run (`=ms` since 1970, `+ms` from now), [10] payload kind; each empty:
 * as before. [11] payload. Returns `N` (no such job), `X` (it would have expired by then), `A` and the job (with an empty spec
 * when it is gone by a repeat), or the status that does not allow it, as a number.
 */
export const REVISE = lua`
${PENDING}
local id = ARGV[7]
local function withJob(reply)
  if reply[1] == 'A' and #reply == 1 then answerRead(answerJob, reply, id) end
  return reply
end

-- Ms until a job expires; nil: it does not.
local function expiresIn(id)
  if not needs('${EXPIRY}') then return nil end
  local at, after = call('ZSCORE', ${key("expiring")}, id), call('ZSCORE', ${key("expiring_after")}, id)
  return at and at - now or after and after - steady or nil
end

if again then return repeated(withJob(again)) end
local s = exists and stateOf(id)
if not s then return finish({'N'}) end
if s.status ~= PENDING then return finish({s.status}) end
local priority, when, kind = ARGV[8], ARGV[9] ~= '' and ARGV[9] or nil, ARGV[10]
if when then
  local wait, left = tonumber(sub(when, 2)) - (sub(when, 1, 1) == '=' and now or 0), expiresIn(id)
  if wait > 0 and left and wait >= left then return finish({'X'}) end
end
local spec
if priority ~= '' or kind ~= '' then
  local before = call('HGET', ${key("specs")}, id)
  local payload = find(before, '\n', ${rest("spec")} + ${number("spec", "type_length", "before")}, true) + 1
  priority = priority ~= '' and ${write("spec", "priority", "priority")} or ${text("spec", "priority", "before")}
  local fields = ${compose(
    "spec",
    { priority: "priority", payload_kind: `(kind ~= '' and kind or ${text("spec", "payload_kind", "before")})` },
    { raw: "before" },
  )}
  spec = sub(fields, ${width("spec") - width("spec", "priority") + 1}) .. sub(before, ${rest("spec")}, payload - 1)
    .. (kind ~= '' and ARGV[11] or sub(before, payload))
end
revise(id, s, spec, when)
local reply = {'A'}
answerRead(answerJob, reply, id)
return finish(remember(reply, {'A'}))
`;

/**
 * DEAD to PENDING, ready now. ARGV[7..] ids.
 * Returns for each: `N` (no such job), `A` and the job (with an empty spec when it is gone again), `K` and the id of the job that holds
 * its unique key, or the status that does not allow it, as a number.
 */
export const REPLAY = lua`
${STEPS}
${PENDING}
local function withJobs(outcomes)
  local reply = {}
  for at, outcome in ipairs(outcomes) do
    reply[#reply + 1] = outcome
    if outcome == 'A' then answerRead(answerJob, reply, ARGV[at + 6]) end
  end
  return reply
end
if again then return repeated(withJobs(again)) end
local reply = {}
for at = 7, #ARGV do
  local id = ARGV[at]
  local s = exists and stateOf(id)
  if not s then reply[#reply + 1] = 'N'
  elseif s.status ~= DEAD then reply[#reply + 1] = s.status
  else
    local holder = replayOne(id, s)
    reply[#reply + 1] = holder and 'K' .. holder or 'A'
  end
end
return finish(withJobs(remember(reply)))
`;

/**
 * Deletes jobs that are in one of these statuses (never RUNNING). ARGV[7] the statuses as digits, [8..] ids. Returns for
 * each: `N` (no such job), `A`, or the status that does not allow it, as a number.
 */
export const REMOVE = lua`
${STEPS}
if again then return repeated(again) end
local reply, gone = {}, {}
for at = 8, #ARGV do
  local id = ARGV[at]
  local s = exists and not gone[id] and stateOf(id)
  if not s then reply[#reply + 1] = 'N'
  elseif not find(ARGV[7], s.status, 1, true) then reply[#reply + 1] = s.status
  else
    reply[#reply + 1] = 'A'
    removeOne(id, s)
    gone[id] = true
  end
end
dropAll()
return finish(remember(reply))
`;

/**
 * Changes the jobs that match a filter and whose status allows it. ARGV[7] the filter (filter.ts), [8] what to do: `C` cancel, `D` delete
 * DONE, CANCELED and DEAD ones, `R` replay; [9..] ids, each once. Returns how many were changed.
 */
export const ACT = lua`
${STEPS}
if again then return repeated(again) end
local match, action, changed = cjson.decode(ARGV[7]), ARGV[8], 0
${PENDING}
${FILTER}
for at = 9, #ARGV do
  local id = ARGV[at]
  local s = exists and stateOf(id)
  if s and matches(id, s.tail.type, s.created_at) then
    if action == 'C' then
      if cancelOne(id, s) then changed = changed + 1 end
    elseif action == 'R' then
      if s.status == DEAD and not replayOne(id, s) then changed = changed + 1 end
    elseif s.status == DONE or s.status == CANCELED or s.status == DEAD then
      removeOne(id, s)
      changed = changed + 1
    end
  end
end
dropAll()
if action == 'C' then trim(64) end
return finish(remember({changed}))
`;
