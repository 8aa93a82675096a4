import { LIMITS } from "../../../../model/common/limits.js";
import { LEASE_RAN_OUT, poisonJobError } from "../../../../model/job/job.js";
import { code, key, keyNames, rest, text } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** Lua: whether a token is the current one: in a state it stands between the fields and a bar. */
export const IS_HELD = lua`
local BAR = string.byte('|')
local function isHeld(raw, token)
  return raw and token ~= '' and find(raw, token, ${rest("state")}, true) == ${rest("state")}
    and string.byte(raw, ${rest("state")} + #token) == BAR
end
`;

/** The part of the prelude that ends leases, and tells what became of their jobs. */
export const SETTLING = lua`
-- Ends a lease. Remembers the token that settled the job, and how: a repeat of that write is then harmless.
local function endLease(id, s, settled, kind)
  s.token, s.settled_token, s.settled_by = '', settled, kind
  call('ZREM', ${key("leases")}, id)
  if maxConcurrency > 0 then isReady = true end
  if keyLines() then keyed.ended({id}) end
end

-- RUNNING, FAILED or DEAD to PENDING; the lease must be over. Ready at once, or after so many ms, which it waits as a retry or not. A
-- job that was ready before is so again, though TIME may have stepped back behind its run_after.
local function requeue(id, s, wait, isRetry)
  step(id, s, PENDING)
  save(id, s)
  put(s.tail.type, s.priority, s.created_at, id, s.run_after, wait or 0, isRetry)
end

-- Stores the error of a failed attempt or a lost lease: whole, cut for the list of attempts, and cut for the log.
local function noteError(id, s, whole, entry, start)
  local raw = call('HGET', ${key("errors")}, id)
  local errors = raw and cjson.decode(raw) or {attempts = {}}
  local attempts = errors.attempts
  attempts[#attempts + 1] = {at = math.max(now, s.updated_at), error = entry, delivery = s.deliveries, worker = s.tail.worker or ''}
  if #attempts > ${LIMITS.attemptErrors} then table.remove(attempts, 1) end
  errors.error = whole
  call('HSET', ${key("errors")}, id, cjson.encode(errors))
  s.tail.error = start
end

-- Counts a lost lease. Returns whether the job has lost more than allowed.
local function countLost(id, s, maxLost)
  s.lost_leases = s.lost_leases + 1
  local isPoison = s.lost_leases > maxLost
  local text = isPoison and '${poisonJobError("' .. s.lost_leases .. '")}' or '${LEASE_RAN_OUT}'
  noteError(id, s, text, text, text)
  return isPoison
end

-- Why a token is refused: N no state (unknown or never leased), C cancelled, R repeat of the last settle, L lease lost.
local function whyNot(raw, token, kind)
  if not raw then return 'N' end
  if ${text("state", "status", "raw")} == ${code("status", "CANCELED")} then return 'C' end
  local bar, newline = find(raw, '|', ${rest("state")}, true), find(raw, '\n', ${rest("state")}, true)
  if token ~= '' and ${text("state", "settled_by", "raw")} == kind and sub(raw, bar + 1, newline - 1) == token then return 'R' end
  return 'L'
end

${IS_HELD}
-- The state of a job if the token is its current one; else nil and the letter of whyNot.
local function heldState(id, token, kind)
  local raw = exists and call('HGET', ${key("states")}, id)
  if isHeld(raw, token) then return readState(raw) end
  return nil, whyNot(raw, token, kind)
end

-- Answer of a write that settled a job: A applied or C cancelled, status, ms of the attempt, JSON of the type.
local function settled(s)
  return format('%s %d %d %s', s.status == CANCELED and 'C' or 'A', s.status, math.max(0, now - s.started_at), cjson.encode(s.tail.type))
end

-- Appends a job to an answer: id, spec, state, errors, result; empty where there is none.
local function answerJob(reply, id)
  local at = #reply
  reply[at + 1] = id
  for part, key in ipairs(${keyNames("specs", "states", "errors", "results")}) do reply[at + 1 + part] = call('HGET', base .. key, id) or '' end
end
`;
