import { LIMITS } from "../../../../model/common/limits.js";
import { lua } from "../lua.js";
import { MOST_WORK, WORK_OF_HAND_OUT } from "./work.js";

/** Bytes of a job that is as large as jobs get, about. */
const LARGE_JOB = LIMITS.payloadBytes * 1.25;

/**
 * The part of LEASE for queues with jobs that have keys: `leaseByKeys()` chooses and reads jobs as the rest of it does for others. Needs
 * what LEASE has by then: `lines` of the types asked for, `part`, `max`, `take`, and what that fills.
 */
export const LEASE_BY_KEYS = lua`
-- Whether the first job that may be leased of a line goes before that of another.
local function goesBefore(line, head, other, otherHead)
  if head.score ~= otherHead.score then return head.score < otherHead.score end
  if head.entry ~= otherHead.entry then return head.entry < otherHead.entry end
  -- The turn of one key: of its first jobs of each type the best.
  local first, score = keyed.first(head.name, line.type)
  local otherFirst, otherScore = keyed.first(head.name, other.type)
  score, otherScore = tonumber(score), tonumber(otherScore)
  return score < otherScore or (score == otherScore and first < otherFirst)
end

-- Where jobs have keys each that is handed out brings another to the front: they are taken one by one.
local function leaseByKeys()
  local ids = {}
  -- What is handed out cannot stay behind: no more at once than would have been taken one by one if all were large.
  local function takeAll()
    take(ids, true)
    ids = {}
  end
  while #chosen + #ids < max and not isFull do
    if #ids > (maxBytes - bytes) / ${LARGE_JOB} then
      takeAll()
      if isFull then break end
    end
    local best, bestHead
    for _, line in ipairs(lines) do
      local head = keyed.headOf(line.type, part)
      if head and (not best or goesBefore(line, head, best, bestHead)) then best, bestHead = line, head end
    end
    if not best then break end
    keyed.work = keyed.work + ${WORK_OF_HAND_OUT} + #lines
    -- The rest is for the next call.
    if keyed.work > ${MOST_WORK} then
      isFull, isReady = #chosen + #ids > 0, true
      break
    end
    local place = bestHead.entry
    if bestHead.name then
      place = keyed.take(bestHead.name, best.type)
    else
      keyed.takePlain(best.type, place)
    end
    if place then ids[#ids + 1] = idOfPlace(place) end
  end
  takeAll()
  keyed.flush()
end
`;
