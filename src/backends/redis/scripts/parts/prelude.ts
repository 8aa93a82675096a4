import { RETENTION } from "../../layout/features.js";
import { key, meta, metaName, QUEUE_BASE, READ_META, STATUS_LOCALS, words } from "../../layout/lua.js";
import { lua } from "../lua.js";
import { DEAD_LETTERS } from "./dead.js";
import { EXPIRIES } from "./expiry.js";
import { FINISHED } from "./finished.js";
import { RATES } from "./rates.js";
import { REQUEST_IDS } from "./request-ids.js";
import { REVISE } from "./revise.js";
import { SETTLING } from "./settling.js";
import { STATES } from "./states.js";
import { WAITING } from "./waiting.js";

/** How long the answer of a call is remembered for its repeat, ms. */
export const ANSWER_TTL_MS = 600_000;

/**
 * Most bytes of an answer that is remembered. Answers to many jobs are far smaller: jobs are read again for a repeat. What is
 * larger is a job whose cancel is answered, and a repeat changes nothing.
 */
const MAX_ANSWER_BYTES = 65_536;

/** Digits of a stamp. */
const STAMP_WIDTH = 16;

/** Most types that a message names. */
export const MAX_TYPES = 100;

/** Start of the error with which a script refuses a queue that needs a feature; its name follows. */
export const UPGRADE_REQUIRED = "UPGRADE_REQUIRED ";

/**
 * The first part of every script that runs on a queue: what a call knows from the start. The rest of the script stands in a function
 * within it (see queueScript).
 *
 * KEYS[1] is the queue's `meta`; the other keys are derived from it (table.ts). ARGV[1..6]: queue, channel, changes kept in
 * the log, COMPLETE_JOB_TTL in ms, MAX_COMPLETED_JOBS, a blank and MAX_COMPLETED_BYTES, and what KEEP_TIME reads; the script's own
 * arguments begin at ARGV[7]. A call whose answer is to be remembered has behind the queue a blank, the name of the memo, the number of
 * the call, and 1 when it is repeated after a lost answer (0: it is not).
 * Every script returns the time, ms since 1970; the position of the log after it (0: it logged nothing); ms until
 * something new is due (-1: nothing); a list of its own, which the comment of the script describes; what the queue counts
 * as `clock_ahead`, but for the answer of an earlier try: its time is that of then; and, but for those that only read, the
 * types of which jobs may be ready, as in a message; and the message, or the place in the list where it is, when it was not published, as
 * nobody else would hear it (see PUBLISH).
 *
 * Keys, fields and the texts that jobs are stored as are described in ../layout/table.ts, which also makes the Lua that
 * knows their places. Texts begin with numbers of fixed width, so that a step can replace some and copy the rest.
 */
export const GROUND = lua`
local base, queue = ${QUEUE_BASE}, ARGV[1]
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
`;

/** Types as a word of the message. A single one is mostly written as it is. */
export const TYPES_WORD = lua`
local function typesWord(types)
  if #types > ${MAX_TYPES} then return '*' end
  if #types == 0 then return '-' end
  if #types == 1 and not find(types[1], '[^%w_%.%-]') then return types[1] end
  table.sort(types)
  for at, type in ipairs(types) do
    types[at] = string.gsub(type, '[^%w_%.%-]', function(char) return format('%%%02X', string.byte(char)) end)
  end
  return table.concat(types, ',')
end
`;

/**
 * Appends so many changes to the log. Returns its position and its stamp after that: the microseconds of TIME, but always
 * more than the one before, so that the stamps of a log rise though TIME may step back. A text: see readyScore.
 */
export const APPEND = lua`
local function append(count)
  local before = call('HMGET', ${key("log_position")}, 'changes', 'stamp')
  local after, stamp = (before[1] or 0) + count, now * 1000 + (micros or 0)
  local last = before[2] and tonumber(sub(before[2], 1, ${STAMP_WIDTH}))
  if last and last >= stamp then stamp = last + 1 end
  local text, number = format('%0${STAMP_WIDTH}d', stamp), format('%d', after)
  call('HSET', ${key("log_position")}, 'changes', number, 'stamp', text .. ' ' .. number)
  return after, text
end
`;

/**
 * Lua: the line about the call that a message begins with. What is not given is that of a call with a memo that logged something, and swept,
 * finished and emptied nothing.
 */
export function messageHead(
  own: Pick<Parameters<typeof words>[0], "count" | "at" | "due_in" | "flags" | "ready"> &
    Partial<Parameters<typeof words>[0]>,
): string {
  return words({
    ...{ queue: "queue", epoch: `${meta("epoch")} or 0`, position: "position", stamp: "stamp" },
    ...{ sweeper: "'-'", gone: "'-'", from: "string.match(memo, '^[^.]+')", completed: "'-'" },
    ...own,
  });
}

/** Appends the message to the log, which then stands at `position`. */
export const LOG_MESSAGE = lua`call('XADD', ${key("log")}, 'MINID', '~', math.max(0, position - kept + 1), position .. '-0', 'm', message)`;

/**
 * Publishes a message, unless the caller alone would hear it, as most often: it returns the message then, which goes with the answer. For
 * that the caller names, behind the channel, one that only it hears, and the key of the node ids. Without these it is published. All
 * servers have a node id before they subscribe; subscribers are counted too, for a server that is late to renew it. These alone would
 * not do: a proxy may subscribe for several servers.
 */
export const PUBLISH = lua`
local function publish(message)
  local channel, own, nodes = string.match(ARGV[2], '^(%S+) (%S+) (%S+)$')
  if own and redis.pcall('ZCOUNT', nodes, now, '+inf') == 1 then
    local hear = redis.pcall('PUBSUB', 'NUMSUB', channel, own)
    if hear[2] == 1 and hear[4] == 1 then return message end
  end
  call('PUBLISH', channel or ARGV[2], message)
end
`;

/** The second part: what the scripts have in common. */
export const PRELUDE = lua`
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

${TYPES_WORD}
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
  local required = ${meta("requires")}
  return required and find(',' .. required .. ',', ',' .. feature .. ',', 1, true) ~= nil
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
${APPEND}
${PUBLISH}
-- Ends a writing script. Lua hashes every new string: the message is made once, for log, channel and answer.
local function finish(reply)
  if keyed then keyed.flush() end
  local message, ready, stamp, untold = '', readyWord(), '-', nil
  if rate and ready ~= '-' and rate.holds() then ready = '-' end
  local dueIn = dueAt and math.max(0, dueAt - now) or -1
  if count > 0 or ready ~= '-' or isQueue or dueAt or sweeper ~= '-' or completed ~= '-' then
    if count > 0 then position, stamp = append(count) end
    local flags = (ready ~= '-' and 'r' or '') .. (isQueue and 'q' or '') .. (isWorkers and 'w' or '') .. '.'
    records[1] = ${messageHead({
      ...{ count: "count", at: "now", due_in: "dueIn", flags: "flags", ready: "ready" },
      ...{ sweeper: "sweeper", gone: "typesWord(gone)", completed: "completed" },
      from: "memo and string.match(memo, '^[^.]+') or '-'",
    })}
    message = table.concat(records)
    if count > 0 then
      ${LOG_MESSAGE}
    end
    untold = publish(message)
  end
  if reply.message then
    reply[reply.message] = message
    untold = untold and reply.message
  end
  return {now, position, dueIn, reply, counted, ready, untold}
end

-- The answer of the try before, when this call is a repeat and that one was run.
local again, answeredAt
if isRepeat == '1' then
  local kept = call('GET', ${key("answers")} .. memo)
  if kept and find(kept, callNumber .. ' ', 1, true) == 1 then
    local before = cmsgpack.unpack(sub(kept, #callNumber + 2))
    answeredAt, again = tonumber(before[1]), before[2]
  end
end

-- Remembers the answer until the next call with this memo: the server then has this one. None that is large, but what is to be
-- told in its place, if anything.
local function remember(reply, short)
  if memo then
    local text = cmsgpack.pack({now, reply})
    if #text > ${MAX_ANSWER_BYTES} and short then text = cmsgpack.pack({now, short}) end
    if #text <= ${MAX_ANSWER_BYTES} then
      call('SET', ${key("answers")} .. memo, callNumber .. ' ' .. text, 'PX', '${ANSWER_TTL_MS}')
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

${WAITING}
${STATES}
${REQUEST_IDS}
${FINISHED}
${DEAD_LETTERS}
${EXPIRIES}
${SETTLING}
${REVISE}`;
