import { compose, idLetter, key, number, rest, write } from "../../layout/lua.js";
import { KEY_LINES } from "../key-lines/key-lines.js";
import { lua } from "../lua.js";

/** Score of a ready job. A text: converting a number would take Redis as long as the command itself. */
export const READY_SCORE = lua`
local function readyScore(priority, runAfter)
  if byPriority then return format('%d', (10 - priority) * LEVEL + runAfter + EPOCH) end
  return format('%d', (runAfter + EPOCH) * 16 + 10 - priority)
end
`;

/** The part of the prelude for the places where PENDING jobs wait: lines of ready jobs by type, and those that wait for a time. */
export const WAITING = lua`
-- An id as text that sorts like its number.
local function idKey(id)
  return ${idLetter("#id")} .. id
end

-- The place of a job among those of the same score: by creation, then id.
local function placeOf(createdAt, id)
  return ${compose("place", { created_at: write("place", "created_at", "createdAt"), id_length: idLetter("#id") })} .. id
end

local function idOfPlace(text)
  return sub(text, ${rest("place")})
end

-- A job by creation, with its type.
local function standingOf(createdAt, id, type)
  return placeOf(createdAt, id) .. ':' .. type
end

local function createdAtOfPlace(text)
  return ${number("place", "created_at", "text")}
end

${READY_SCORE}
-- Priority and run_after from a score.
local function ofScore(score)
  if byPriority then return 10 - floor(score / LEVEL), score % LEVEL - EPOCH end
  return 10 - score % 16, floor(score / 16) - EPOCH
end

local function scheduledMember(type, priority, standing)
  return ${compose("scheduled_member", { priority: write("scheduled_member", "priority", "priority") })} .. standing .. ':' .. type
end

local function delayedMember(runAfter, type, priority, standing)
  return ${compose("delayed_member", {
    run_after: write("delayed_member", "run_after", "runAfter"),
    priority: write("delayed_member", "priority", "priority"),
  })} .. standing .. ':' .. type
end

-- Run after, type, priority and place of a job from its member and score in scheduled or delayed.
local function ofScheduled(isDelayed, member, score)
  local colon = find(member, ':', 1, true)
  local type = sub(member, colon + 1)
  if isDelayed then
    return ${number("delayed_member", "run_after", "member")}, type, ${number("delayed_member", "priority", "member")},
      sub(member, ${rest("delayed_member")}, colon - 1)
  end
  return tonumber(score), type, ${number("scheduled_member", "priority", "member")}, sub(member, ${rest("scheduled_member")}, colon - 1)
end

-- The key of the jobs that are scheduled for a time, or of those that wait out a delay, and the time by which it goes.
local function scheduleOf(isDelayed)
  if isDelayed then return ${key("delayed")}, steady end
  return ${key("scheduled")}, now
end

-- Runs a command with many arguments in several calls: unpack is limited by the Lua stack.
local PART = 4000
local function callMany(command, key, list)
  for from = 1, #list, PART do call(command, key, unpack(list, from, math.min(from + PART - 1, #list))) end
end

local function readMany(key, ids)
  if #ids == 0 then return {} end
  return call('HMGET', key, unpack(ids))
end

-- The member of a PENDING job among those that wait out a delay, or for a time.
local function waitingMember(isDelayed, type, priority, standing, runAfter)
  if isDelayed then return delayedMember(runAfter, type, priority, standing) end
  return scheduledMember(type, priority, standing)
end

-- Puts a PENDING job among those that wait: until a time or, if that is a delay, until a time that is steady, as a retry or not.
local function putWaiting(isDelayed, ends, type, priority, createdAt, id, runAfter, isRetry)
  local key, score = scheduleOf(isDelayed), format('%d', ends)
  call('ZADD', key, score, waitingMember(isDelayed, type, priority, placeOf(createdAt, id), runAfter))
  if isRetry then call('ZADD', ${key("retrying")}, score, id) end
  due(isDelayed and ends + setAhead or ends)
end

local function forgetEmptyType(type)
  if call('EXISTS', entries .. type) == 0 and call('SREM', ${key("ready_types")}, type) == 1 then
    gone[#gone + 1] = type
  end
end

${KEY_LINES}
-- Puts a PENDING job in the ready line of its type or, for so many ms, among those that wait: as a retry, or not.
local function put(type, priority, createdAt, id, runAfter, wait, isRetry)
  if wait > 0 then
    putWaiting(true, steady + wait, type, priority, createdAt, id, runAfter, isRetry)
    return
  end
  local name = keyLines() and keyed.nameOf(id)
  if name then
    keyed.gather(name, type, readyScore(priority, runAfter), placeOf(createdAt, id))
    keyed.addGathered()
    return
  end
  local entry = placeOf(createdAt, id)
  if keyed then keyed.leaveEntry(type, entry) end
  call('ZADD', ${key("ready")} .. type, readyScore(priority, runAfter), entry)
  call('SADD', ${key("ready_types")}, type)
  markReady(type)
end

-- These jobs begin or end: they expire no more.
local function outlive(ids)
  if call('EXISTS', ${key("expiring")}, ${key("expiring_after")}) == 0 then return end
  callMany('ZREM', ${key("expiring")}, ids)
  callMany('ZREM', ${key("expiring_after")}, ids)
end

-- Takes a PENDING job out of its line. Returns until when it waited there, whether that is a delay, and whether that is one before a
-- retry; nil: it was ready.
local function leaveLine(type, priority, createdAt, id, runAfter)
  local standing = placeOf(createdAt, id)
  for turn = 1, 2 do
    local isDelayed = turn == 2
    local key, member = scheduleOf(isDelayed), waitingMember(isDelayed, type, priority, standing, runAfter)
    local ends = call('ZSCORE', key, member)
    if ends then
      call('ZREM', key, member)
      return tonumber(ends), isDelayed, isDelayed and call('ZREM', ${key("retrying")}, id) == 1
    end
  end
  local name = keyLines() and keyed.nameOf(id)
  if name then keyed.remove(name, type, {standing}) else call('ZREM', ${key("ready")} .. type, standing) end
  return nil
end

-- A ready job left the line of its type: it may have been the last.
local function afterLeaving(type)
  if keyed then keyed.left(type) else forgetEmptyType(type) end
end

-- Removes a PENDING job from its line: it begins or ends.
local function unput(type, priority, createdAt, id, runAfter)
  outlive({id})
  if not leaveLine(type, priority, createdAt, id, runAfter) then afterLeaving(type) end
end

-- Makes up to max scheduled jobs ready that are due. Returns how many.
local function promote(max)
  -- Mostly there are none: one look is enough then.
  if call('EXISTS', ${key("scheduled")}, ${key("delayed")}) == 0 then return 0 end
  local lines, count = {}, 0
  for turn = 1, 2 do
    local isDelayed = turn == 2
    local key, upTo = scheduleOf(isDelayed)
    local found = call('ZRANGEBYSCORE', key, '-inf', upTo, 'WITHSCORES', 'LIMIT', 0, max - count)
    local members, jobs, ids = {}, {}, {}
    for at = 1, #found, 2 do
      local runAfter, type, priority, standing = ofScheduled(isDelayed, found[at], found[at + 1])
      members[#members + 1] = found[at]
      jobs[#members] = {type = type, score = readyScore(priority, runAfter), standing = standing}
      ids[#members] = idOfPlace(standing)
    end
    local names = #ids > 0 and keyLines() and keyed.namesOf(ids) or {}
    for at, job in ipairs(jobs) do
      if names[at] then
        keyed.gather(names[at], job.type, job.score, job.standing)
      else
        local line = lines[job.type] or {}
        lines[job.type] = line
        line[#line + 1] = job.score
        line[#line + 1] = job.standing
      end
    end
    callMany('ZREM', key, members)
    if isDelayed and #members > 0 then call('ZREMRANGEBYSCORE', ${key("retrying")}, '-inf', steady) end
    count = count + #members
  end
  if count == 0 then return 0 end
  for type, line in pairs(lines) do
    callMany('ZADD', ${key("ready")} .. type, line)
    call('SADD', ${key("ready_types")}, type)
    markReady(type)
  end
  if keyed then keyed.addGathered() end
  return count
end
`;
