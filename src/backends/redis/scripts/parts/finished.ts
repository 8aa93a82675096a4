import { JOB_OVERHEAD_BYTES } from "../../../../model/job/job.js";
import { UNIQUE } from "../../layout/features.js";
import { code, compose, key, meta, metaName, number, rest, text, width, write } from "../../layout/lua.js";
import { SIZES, SMALLEST_SIZE } from "../../layout/table.js";
import { lua } from "../lua.js";
import { CLAIMS } from "./unique.js";

/** Most finished jobs that one call deletes for their bytes. */
const MAX_TRIMMED = 1000;

/** Most entries of jobs that were deleted, which one call looks behind. */
const MAX_PASSED = 100;

/** What a job counts as beside its records, bytes: the first fields of a spec are part of that. */
export const JOB_BYTES = JOB_OVERHEAD_BYTES - width("spec");

/** Lua: a size as a letter, and what the letter counts as. As much is taken off as was added. */
export const SIZE_LETTERS = lua`
local SIZES = '${SIZES}'
local function sizeLetter(bytes)
  local at = floor(math.log(bytes / ${SMALLEST_SIZE}) / math.log(2) * 4 + 1.5)
  at = math.max(1, math.min(at, #SIZES))
  return sub(SIZES, at, at)
end

local function sizeOfLetter(letter)
  local at = letter and find(SIZES, letter, 1, true)
  return at and floor(${SMALLEST_SIZE} * 2 ^ ((at - 1) / 4)) or 0
end
`;

/** The part of the prelude that counts the DONE and CANCELED jobs that are kept, and deletes the oldest of them. */
export const FINISHED = lua`
-- Bytes of a job, like jobBytes of the model.
local JOB_BYTES = ${JOB_BYTES}
local function bytesOf(id)
  return JOB_BYTES + call('HSTRLEN', ${key("specs")}, id) + call('HSTRLEN', ${key("results")}, id)
    + call('HSTRLEN', ${key("errors")}, id)
end

${SIZE_LETTERS}
-- Counts of the DONE and CANCELED jobs that are kept, and of entries of their list whose jobs were deleted; what they take.
local archive = {
  done = tonumber(${meta("done")} or 0), canceled = tonumber(${meta("canceled")} or 0), gone = tonumber(${meta("removed")} or 0),
  bytes = tonumber(${meta("completed_bytes")} or 0),
}

-- Older servers finish and delete jobs and do not count what they take. So that the count is right again once these are gone, the jobs
-- that finished since some time are counted apart too: when all that finished before are gone, their count is all.
local function readRecent()
  if archive.since then return end
  local bytes, since = string.match(${meta("recent_bytes")} or '', '^(%d+) (%d+)$')
  archive.recent, archive.since = tonumber(bytes or 0), tonumber(since or 0)
end

-- Bytes that came, or went (below 0), with a job that finished at this time.
local function countBytes(bytes, finishedAt)
  readRecent()
  archive.bytes = math.max(0, archive.bytes + bytes)
  if finishedAt >= archive.since then archive.recent = math.max(0, archive.recent + bytes) end
end

local function tellCompleted()
  completed = format('%d,', archive.bytes) .. (archive.oldest or '')
end

local function countFinished(done, canceled, gone)
  readRecent()
  archive.done, archive.canceled, archive.gone = archive.done + done, archive.canceled + canceled, archive.gone + gone
  call('HSET', KEYS[1], ${metaName("done")}, archive.done, ${metaName("canceled")}, archive.canceled,
    ${metaName("removed")}, archive.gone, ${metaName("completed_bytes")}, archive.bytes,
    ${metaName("recent_bytes")}, format('%d %d', archive.recent, archive.since))
  tellCompleted()
end

local function waiting()
  return call('HLEN', ${key("specs")}) - call('ZCARD', ${key("leases")}) - call('ZCARD', ${key("dead")}) - archive.done - archive.canceled
end

-- What a CANCELED job was counted as. Those of older servers were not.
local function sizeOfCanceled(id)
  local raw = call('HGET', ${key("states")}, id)
  return raw and sizeOfLetter(readState(raw).tail.size) or 0
end

-- When the first of the holds ends that keep DONE jobs; nil: none does.
local function firstHold()
  local ends = needs('${UNIQUE}') and call('ZRANGE', ${key("unique_kept")}, 0, 0, 'WITHSCORES')[2]
  return ends and tonumber(ends)
end

local function idOfFinished(entry)
  local from = ${rest("finished")} + ${rest("standing")} - 1
  return sub(entry, from, find(entry, ':', from, true) - 1)
end

-- Looks at the first of the finished jobs. Returns when it finished, nil when there is none, and how many entries of jobs that were
-- deleted stand before it; of more than a few it may be one of these.
local function lookAtFinished()
  local head, passed = call('LINDEX', ${key("finished")}, 0), 0
  while head and passed < math.min(archive.gone, ${MAX_PASSED}) and call('HEXISTS', ${key("specs")}, idOfFinished(head)) == 0 do
    passed = passed + 1
    head = call('LINDEX', ${key("finished")}, passed)
  end
  local oldest = head and ${number("finished", "finished_at", "head")}
  archive.oldest = oldest or firstHold()
  return oldest, passed
end

-- Deletes up to max finished jobs that are too many or too old; and as many as it takes, within bounds, so that the others take no more
-- than keep bytes (nil: MAX_COMPLETED_BYTES): those that holds keep only for that, and when no others are left. Not logged. Returns how
-- many entries it examined.
local function trim(max, keep)
  local maxJobs, maxBytes = string.match(maxCompleted, '^(%d+) (%d+)$')
  local held = needs('${UNIQUE}') and call('ZCARD', ${key("unique_kept")}) or 0
  local over, overBytes = archive.done + archive.canceled - held - maxJobs, archive.bytes - (keep or maxBytes)
  local oldest, passed = lookAtFinished()
  if passed > 0 then
    call('LTRIM', ${key("finished")}, passed, -1)
    countFinished(0, 0, -passed)
  end
  -- An older server deleted the last ones, and did not take them off the count.
  if not oldest and held == 0 and archive.bytes > 0 then
    archive.bytes, archive.recent, archive.since = 0, 0, steady + 1
    countFinished(0, 0, 0)
  end
  if completed ~= '-' then tellCompleted() end
  if overBytes <= 0 or held == 0 then
    if not oldest or (over <= 0 and overBytes <= 0 and oldest + ttl > steady) then return 0 end
  end
  if overBytes > 0 then max = math.max(max, ${MAX_TRIMMED}) end
  readRecent()
  local ids, members, done, canceled, gone, seen, isOver = {}, {}, 0, 0, 0, 0, false
  local sizes, freed, recent, since = {}, 0, 0, ${write("finished", "finished_at", "archive.since")}
  -- Most calls find one or two that are over: few are read first.
  local part = 4
  while not isOver and seen < max do
    local wanted = math.min(part, max - seen)
    local entries = call('LRANGE', ${key("finished")}, seen, seen + wanted - 1)
    part = 64
    for _, entry in ipairs(entries) do
      local member, finishedAt = sub(entry, ${rest("finished")}), ${text("finished", "finished_at", "entry")}
      local id = idOfFinished(entry)
      if archive.gone > gone and call('HEXISTS', ${key("specs")}, id) == 0 then
        gone = gone + 1
      elseif over > 0 or overBytes > 0 or finishedAt + ttl <= steady then
        local outcome = ${text("finished", "outcome", "entry")}
        local size = sizes[outcome]
        if outcome == ${code("outcome", "CANCELED")} then
          size, canceled = sizeOfCanceled(id), canceled + 1
        else
          if not size then
            size = sizeOfLetter(outcome)
            sizes[outcome] = size
          end
          done = done + 1
        end
        over, overBytes, freed = over - 1, overBytes - size, freed + size
        if finishedAt >= since then recent = recent + size end
        ids[done + canceled], members[done + canceled] = id, member
      else
        isOver = true
        break
      end
      seen = seen + 1
    end
    isOver = isOver or #entries < wanted
  end
  if seen > 0 then call('LTRIM', ${key("finished")}, seen, -1) end
  if held > 0 and overBytes > 0 and seen < max and call('EXISTS', ${key("finished")}) == 0 then
    for _, id in ipairs(call('ZRANGE', ${key("unique_kept")}, 0, max - seen - 1)) do
      if overBytes <= 0 then break end
      -- A job that is DONE has a state.
      local s = readState(call('HGET', ${key("states")}, id))
      local size = sizeOfLetter(sizeLetter(bytesOf(id)))
      overBytes, freed, done, seen, held = overBytes - size, freed + size, done + 1, seen + 1, held - 1
      if s.finished_at - setAhead >= archive.since then recent = recent + size end
      ids[done + canceled], members[done + canceled] = id, standingOf(s.created_at, id, s.tail.type)
    end
  end
  if seen == 0 then return 0 end
  oldest = lookAtFinished()
  archive.bytes, archive.recent = math.max(0, archive.bytes - freed), math.max(0, archive.recent - recent)
  if held == 0 and (not oldest or oldest >= archive.since) then
    archive.bytes = oldest and archive.recent or 0
    archive.recent, archive.since = 0, steady + 1
  end
  countFinished(-done, -canceled, -gone)
  drop(ids, members)
  return seen
end

${CLAIMS}
-- RUNNING or PENDING to CANCELED.
local function endCanceled(id, s)
  letGo({id})
  s.finished_at, s.cancel_requested = math.max(now, s.updated_at), 0
  s.tail.size = sizeLetter(bytesOf(id))
  step(id, s, CANCELED)
  save(id, s)
  call('RPUSH', ${key("finished")},
    ${compose("finished", { outcome: code("outcome", "CANCELED"), finished_at: write("finished", "finished_at", "steady") })} .. standingOf(s.created_at, id, s.tail.type))
  countBytes(sizeOfLetter(s.tail.size), steady)
  countFinished(0, 1, 0)
  due(now + ttl)
end
`;
