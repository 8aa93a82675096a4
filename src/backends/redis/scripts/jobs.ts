import { key } from "../layout/lua.js";
import { lua } from "./lua.js";

/** Reads jobs. ARGV[7..] ids. Returns for each job that exists: id, spec, state, errors, result. */
export const GET = lua`
local reply = {}
if not exists then return answer(reply) end
for at = 7, #ARGV do
  if call('HEXISTS', ${key("specs")}, ARGV[at]) == 1 then answerJob(reply, ARGV[at]) end
end
return answer(reply)
`;

/**
 * Cancels a PENDING job, or marks a RUNNING one as cancel requested. ARGV[7] id. Returns `N` (no such job), `A` and the
 * job, or the status that does not allow it, as a number.
 */
export const CANCEL = lua`
if again then return repeated(again) end
local id = ARGV[7]
local s = exists and stateOf(id)
if not s then return finish({'N'}) end
if s.status == PENDING then
  unput(s.tail.type, s.priority, s.created_at, id, s.run_after)
  endCanceled(id, s)
elseif s.status == RUNNING then
  if s.cancel_requested == 0 then
    s.cancel_requested = 1
    step(id, s, RUNNING)
    save(id, s)
    isWorkers = true
  end
elseif s.status ~= CANCELED then
  return finish({s.status})
end
local reply = {'A'}
answerJob(reply, id)
trim(64)
return finish(remember(reply))
`;

/**
 * DEAD to PENDING, ready now. ARGV[7..] ids.
 * Returns for each: `N` (no such job), `A` and the job (with an empty spec when it is gone again), or the status that does
 * not allow it, as a number.
 */
export const REPLAY = lua`
local function withJobs(outcomes)
  local reply = {}
  for at, outcome in ipairs(outcomes) do
    reply[#reply + 1] = outcome
    if outcome == 'A' then answerJob(reply, ARGV[at + 6]) end
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
    call('ZREM', ${key("dead")}, idKey(id) .. ':' .. s.tail.type)
    s.retry_count, s.lost_leases, s.run_after, s.finished_at = 0, 0, now, 0
    requeue(id, s)
    reply[#reply + 1] = 'A'
  end
end
return finish(withJobs(remember(reply)))
`;

/**
 * Deletes jobs that are in one of these statuses (never RUNNING). ARGV[7] the statuses as digits, [8..] ids. Returns for
 * each: `N` (no such job), `A`, or the status that does not allow it, as a number.
 */
export const REMOVE = lua`
if again then return repeated(again) end
local reply = {}
local ids, members, gone = {}, {}, {}
for at = 8, #ARGV do
  local id = ARGV[at]
  local s = exists and not gone[id] and stateOf(id)
  if not s then reply[#reply + 1] = 'N'
  elseif not find(ARGV[7], s.status, 1, true) then reply[#reply + 1] = s.status
  else
    reply[#reply + 1] = 'A'
    if s.status == PENDING then unput(s.tail.type, s.priority, s.created_at, id, s.run_after)
    elseif s.status == DEAD then call('ZREM', ${key("dead")}, idKey(id) .. ':' .. s.tail.type)
    else
      local isDone = s.status == DONE
      countFinished(isDone and -1 or 0, isDone and 0 or -1, 1)
    end
    deleted(id, s)
    ids[#ids + 1] = id
    members[#members + 1] = standing(s.created_at, id, s.tail.type)
    gone[id] = true
  end
end
drop(ids, members)
return finish(remember(reply))
`;
