import { DUE_SCHEDULES } from "../../../core/port/schedule-store.js";
import { KEYS, SCHEDULES } from "../layout/features.js";
import { code, key, meta } from "../layout/lua.js";
import { lua } from "./lua.js";
import { DUE } from "./schedules.js";

/** Bytes of schedules after which a sweep tells no more as due. */
const DUE_BYTES = 2 ** 20;

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
 * ready, deletes old finished and dead jobs; tells the schedules that are due. ARGV[7] most jobs for each of these, [8] name of the
 * sweeping server, [9] MAX_LOST_LEASES.
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
