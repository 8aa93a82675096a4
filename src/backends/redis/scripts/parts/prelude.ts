import { RETENTION } from "../../layout/features.js";
import {
  compose,
  idLetter,
  key,
  meta,
  metaName,
  number,
  QUEUE_BASE,
  READ_META,
  rest,
  STATUS_LOCALS,
  words,
  write,
} from "../../layout/lua.js";
import { KEY_LINES } from "../key-lines/key-lines.js";
import { lua } from "../lua.js";
import { RATES } from "./rates.js";
import { STATES } from "./states.js";

/** How long the answer of a call is remembered for its repeat, ms. */
const ANSWER_TTL_MS = 600_000;

/**
 * Most bytes of an answer that is remembered. Answers to many jobs are far smaller: jobs are read again for a repeat. What is
 * larger is a job whose cancel is answered, and a repeat changes nothing.
 */
const MAX_ANSWER_BYTES = 65_536;

/** Digits of a stamp. */
export const STAMP_WIDTH = 16;

/** Most types that a message names. */
export const MAX_TYPES = 100;

/** Start of the error with which a script refuses a queue that needs a feature; its name follows. */
export const UPGRADE_REQUIRED = "UPGRADE_REQUIRED ";

/**
 * The first part of every script that runs on a queue.
 *
 * KEYS[1] is the queue's `meta`; the other keys are derived from it (table.ts). ARGV[1..6]: queue, channel, changes kept in
 * the log, COMPLETE_JOB_TTL in ms, MAX_COMPLETED_JOBS, a blank and MAX_COMPLETED_BYTES, and what KEEP_TIME reads; the script's own arguments begin at ARGV[7]. A call
 * whose answer is to be remembered has behind the queue a blank, the name of the memo, the number of the call, and 1 when it
 * is repeated after a lost answer (0: it is not).
 * Every script returns the time, ms since 1970; the position of the log after it (0: it logged nothing); ms until
 * something new is due (-1: nothing); a list of its own, which the comment of the script describes; what the queue counts
 * as `clock_ahead`, but for the answer of an earlier try: its time is that of then; and, but for those that only read, the
 * types of which jobs may be ready, as in a message.
 *
 * Keys, fields and the texts that jobs are stored as are described in ../layout/table.ts, which also makes the Lua that
 * knows their places. Texts begin with numbers of fixed width, so that a step can replace some and copy the rest.
 */
export const PRELUDE = lua`
local base, queue, channel = ${QUEUE_BASE}, ARGV[1], ARGV[2]
local memo, callNumber, isRepeat
if string.find(queue, ' ', 1, true) then
  queue, memo, callNumber, isRepeat = string.match(queue, '^(%S+) (%S+) (%S+) (%S+)$')
end
-- Numbers as texts: only those that a call reckons with are converted.
local kept, ttl, maxCompleted = ARGV[3], ARGV[4], ARGV[5]
-- Of DEAD jobs, as texts; false: there is no limit.
local deadTtl, maxDead = false, false
local call, sub, find, format, floor = redis.call, string.sub, string.find, string.format, math.floor
${STATUS_LOCALS}
-- Width of a priority level in scores: it holds every ms from the year 1 on. EPOCH is the start of 1970 in it.
local LEVEL, EPOCH = 140737488355328, 62135596800000

local function clock()
  @NOW@
end
local now, micros = clock()
local meta = ${READ_META}
if ${meta("requires")} then
  local known = @FEATURES@
  for feature in string.gmatch(${meta("requires")}, '[^,]+') do
    if not known[feature] then return redis.error_reply('${UPGRADE_REQUIRED}' .. feature) end
  end
  if find(${meta("requires")}, '${RETENTION}', 1, true) then
    local own = call('HMGET', KEYS[1], ${metaName("completed_ttl")}, ${metaName("max_completed")}, ${metaName("dead_ttl")}, ${metaName("max_dead")})
    ttl, deadTtl, maxDead = own[1] or ttl, own[3], own[4]
    if own[2] then maxCompleted = own[2] .. string.match(maxCompleted, ' .*') end
  end
end
local exists = ${meta("ordering")} and not ${meta("deleting")}
local byPriority, byTurns = ${meta("ordering")} ~= 'RUN_AFTER', ${meta("ordering")} == 'FAIR'
-- Start of the keys with what may be leased of a type.
local entries = byTurns and ${key("turns")} or ${key("ready")}
-- Leases, waits and retention end by a time that only passes: TIME less what servers found it was set ahead. The queue
-- has counted some of that.
local counted = ${meta("clock_ahead")} and tonumber(${meta("clock_ahead")}) or 0
local setAhead, steady = counted, now - counted
local maxConcurrency = tonumber(${meta("max_concurrency")} or 0)

-- What this call did; finish logs and publishes it. The message is a line about the call, then the records.
local records, size, count, position, isReady, isQueue, isWorkers, dueAt, sweeper = {'', '\n'}, 2, 0, 0, false, false, false, nil, '-'

-- The types of which jobs have become ready. With isReady those of all types that there are may be leased.
local readyTypes = {}
local function markReady(type)
  readyTypes[type] = true
end

-- The types of which no job is ready any more.
local gone = {}

-- What the message tells of the finished jobs.
local completed = '-'

-- Types as a word of the message.
local function typesWord(types)
  if #types > ${MAX_TYPES} then return '*' end
  if #types == 0 then return '-' end
  table.sort(types)
  for at, type in ipairs(types) do
    types[at] = string.gsub(type, '[^%w_%.%-]', function(char) return format('%%%02X', string.byte(char)) end)
  end
  return table.concat(types, ',')
end

local function allReady()
  if call('SCARD', ${key("ready_types")}) > ${MAX_TYPES} then return '*' end
  return typesWord(call('SMEMBERS', ${key("ready_types")}))
end

local function readyWord()
  if isReady then return allReady() end
  local types = {}
  for type in pairs(readyTypes) do types[#types + 1] = type end
  return typesWord(types)
end

-- What keyLines made, false when the queue has no use for it; nil: nobody has asked.
local keyed

-- Whether the queue needs a feature, and: it needs it from now on.
local function needs(feature)
  return find(',' .. (${meta("requires")} or '') .. ',', ',' .. feature .. ',', 1, true) ~= nil
end
local function need(feature)
  if needs(feature) then return end
  local required = ${meta("requires")} or ''
  ${meta("requires")} = (required == '' and '' or required .. ',') .. feature
  call('HSET', KEYS[1], ${metaName("requires")}, ${meta("requires")})
  keyed = keyed or nil
end

-- Something becomes due at this time, ms since 1970.
local function due(at)
  if not dueAt or at < dueAt then dueAt = at end
end

${RATES}
-- Appends so many changes to the log. Returns its position and its stamp after that: the microseconds of TIME, but always
-- more than the one before, so that the stamps of a log rise though TIME may step back. A text: see readyScore.
local function append(count)
  local before = call('HMGET', ${key("log_position")}, 'changes', 'stamp')
  local after, stamp = (before[1] or 0) + count, now * 1000 + (micros or 0)
  local last = before[2] and tonumber(sub(before[2], 1, ${STAMP_WIDTH}))
  if last and last >= stamp then stamp = last + 1 end
  local text, number = format('%0${STAMP_WIDTH}d', stamp), format('%d', after)
  call('HSET', ${key("log_position")}, 'changes', number, 'stamp', text .. ' ' .. number)
  return after, text
end

-- Ends a writing script. Lua hashes every new string: the message is made once, for log, channel and answer.
local function finish(reply)
  if keyed then keyed.flush() end
  local message, ready, stamp = '', readyWord(), '-'
  if rate and ready ~= '-' and rate.holds() then ready = '-' end
  local dueIn = dueAt and math.max(0, dueAt - now) or -1
  if count > 0 or ready ~= '-' or isQueue or dueAt or sweeper ~= '-' or completed ~= '-' then
    if count > 0 then position, stamp = append(count) end
    local flags = (ready ~= '-' and 'r' or '') .. (isQueue and 'q' or '') .. (isWorkers and 'w' or '') .. '.'
    records[1] = ${words({
      queue: "queue",
      epoch: `${meta("epoch")} or 0`,
      position: "position",
      count: "count",
      at: "now",
      due_in: "dueIn",
      flags: "flags",
      sweeper: "sweeper",
      ready: "ready",
      gone: "typesWord(gone)",
      from: "memo and string.match(memo, '^[^.]+') or '-'",
      stamp: "stamp",
      completed: "completed",
    })}
    message = table.concat(records)
    if count > 0 then
      call('XADD', ${key("log")}, 'MINID', '~', math.max(0, position - kept + 1), position .. '-0', 'm', message)
    end
    call('PUBLISH', channel, message)
  end
  if reply.message then reply[reply.message] = message end
  return {now, position, dueIn, reply, counted, ready}
end

-- The answer of the try before, when this call is a repeat and that one was run.
local again, answeredAt
if isRepeat == '1' then
  local kept = call('GET', ${key("answers")} .. memo)
  if kept and find(kept, callNumber .. ' ', 1, true) == 1 then
    local before = cmsgpack.unpack(sub(kept, #callNumber + 2))
    answeredAt, again = before[1], before[2]
  end
end

-- Remembers the answer until the next call with this memo: the server then has this one. None that is large, but what is to be
-- told in its place, if anything.
local function remember(reply, short)
  if memo then
    local text = cmsgpack.pack({now, reply})
    if #text > ${MAX_ANSWER_BYTES} and short then text = cmsgpack.pack({now, short}) end
    if #text <= ${MAX_ANSWER_BYTES} then
      call('SET', ${key("answers")} .. memo, callNumber .. ' ' .. text, 'PX', ${ANSWER_TTL_MS})
    end
  end
  return reply
end

-- Ends a repeat with the answer of the try before.
local function repeated(reply)
  return {answeredAt, tonumber(call('HGET', ${key("log_position")}, 'changes') or 0), -1, reply}
end

-- Ends a script that only reads.
local function answer(reply)
  return {now, 0, -1, reply, counted}
end

-- An id as text that sorts like its number.
local function idKey(id)
  return ${idLetter("#id")} .. id
end

-- The place of a job among those of the same score: by creation, then id.
local function place(createdAt, id)
  return ${compose("place", { created_at: write("place", "created_at", "createdAt"), id_length: idLetter("#id") })} .. id
end

local function idOfPlace(text)
  return sub(text, ${rest("place")})
end

-- A job by creation, with its type.
local function standing(createdAt, id, type)
  return place(createdAt, id) .. ':' .. type
end

local function createdAtOfPlace(text)
  return ${number("place", "created_at", "text")}
end

-- Score of a ready job. A text: converting a number would take Redis as long as the command itself.
local function readyScore(priority, runAfter)
  if byPriority then return format('%d', (10 - priority) * LEVEL + runAfter + EPOCH) end
  return format('%d', (runAfter + EPOCH) * 16 + 10 - priority)
end

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
  call('ZADD', key, score, waitingMember(isDelayed, type, priority, place(createdAt, id), runAfter))
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
    keyed.gather(name, type, readyScore(priority, runAfter), place(createdAt, id))
    keyed.addGathered()
    return
  end
  call('ZADD', ${key("ready")} .. type, readyScore(priority, runAfter), place(createdAt, id))
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
  local standing = place(createdAt, id)
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

${STATES}`;
