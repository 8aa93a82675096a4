import { UNIQUE } from "../layout/features.js";
import { code, key, meta, number, rest, text, width, write } from "../layout/lua.js";
import { LEASE_BY_KEYS } from "./key-lines/lease-by-keys.js";
import { FIRST_LEASE } from "./lean-lease.js";
import { lua } from "./lua.js";

/** Most polls that a queue remembers. */
const MAX_LEASE_CALLS = 10_000;

/** For how long a token is known to lease none, ms: no call waits in Redis for so long. */
const VOID_MS = 600_000;

/** Jobs that are read at first, and then at most, before their bytes are looked at: those that were read in vain cost time. */
const FIRST_PART = 4;
const PART = 16;

/** Most jobs that have expired and are cancelled before others are leased. */
const MAX_EXPIRED = 100;

/** Shared start of the scripts that know the leases of an earlier call. */
const RECALL = lua`
-- The leases of these jobs with a token that are still held: '=', then of each the job (answerJob), token and ms left.
local function recall(jobs, token)
  local reply = {'='}
  for _, id in ipairs(jobs) do
    if isHeld(call('HGET', ${key("states")}, id), token) then
      answerJob(reply, id)
      reply[#reply + 1] = token
      reply[#reply + 1] = math.max(0, tonumber(call('ZSCORE', ${key("leases")}, id) or steady) - steady)
    end
  end
  return reply
end

-- The jobs that a poll leased with a token; nil when it leased none yet.
local function leasedBy(token)
  local text = call('HGET', ${key("lease_calls")}, token)
  if not text then return nil end
  local jobs = {}
  for id in string.gmatch(text, '[^,]+') do jobs[#jobs + 1] = id end
  return jobs
end

-- Remembers what a poll leased with a token, for so many ms; of too many those are forgotten that end first.
local function rememberLeases(token, jobs, ms)
  local old = call('ZRANGEBYSCORE', ${key("lease_call_ends")}, '-inf', steady, 'LIMIT', 0, 100)
  local over = call('ZCARD', ${key("lease_call_ends")}) - ${MAX_LEASE_CALLS}
  if #old == 0 and over > 0 then old = call('ZRANGE', ${key("lease_call_ends")}, 0, math.min(over, 100) - 1) end
  callMany('HDEL', ${key("lease_calls")}, old)
  callMany('ZREM', ${key("lease_call_ends")}, old)
  call('HSET', ${key("lease_calls")}, token, table.concat(jobs, ','))
  call('ZADD', ${key("lease_call_ends")}, steady + ms, token)
end
`;

/**
 * Reads the leases of a poll. ARGV[7] their token. When none is held, no call with this token leases any more. Returns what
 * LEASE does for a repeat.
 */
export const RECALL_LEASES = lua`
${RECALL}
if not exists then return finish({'='}) end
local reply = recall(leasedBy(ARGV[7]) or {}, ARGV[7])
if #reply == 1 then rememberLeases(ARGV[7], {}, ${VOID_MS}) end
return finish(reply)
`;

/**
 * Gives back the leases of a call whose answer was lost for good, as if it had never been; from then on that call leases none.
 * ARGV[7] their token. Returns how many.
 */
export const GIVE_BACK = lua`
local count = 0
for _, id in ipairs(again or {}) do
  local s = heldState(id, ARGV[7], '')
  if s then
    if keyLines() then keyed.giveBack(id) end
    s.deliveries = s.deliveries - 1
    endLease(id, s, '', ${code("settled_by", "nothing")})
    if s.cancel_requested == 1 then endCanceled(id, s) else requeue(id, s) end
    if s.deliveries == 0 and s.status == PENDING then
      expireAgain(id, s)
      takeAgain(id, s)
    end
    count = count + 1
  end
end
if rate then rate.refund(count) end
remember({})
return finish({count})
`;

/**
 * Leases ready jobs of a queue, in its order over all of the requested types.
 *
 * ARGV[7] most jobs, [8] lease ms, [9] worker, [10] token of all of these leases, [11] bytes after which no more are
 * leased (empty: no limit), [12] 1 to remember them by their token, for polls with a request id, else empty, [13..] types.
 * With a memo, the jobs are remembered there.
 * Returns the message, which holds the records of jobs that it found expired, then those of the jobs; for each job its spec and its
 * errors (or empty); and a last
 * 1 when the byte limit was reached. For a repeat instead: `=`, and for each lease still held seven values: five of the
 * job, as `answerJob` gives them, the token, and ms left.
 */
export const LEASE = lua`
${RECALL}
local reply = {'', message = 1}
local max, leaseMs, worker, token, maxBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10], tonumber(ARGV[11]) or math.huge
local isPoll = ARGV[12] == '1'
if isPoll and exists then again = leasedBy(token) end
if again then return finish(recall(again, token)) end
if not exists or ${meta("paused")} == '1' then return finish(reply) end
-- Mostly there is nothing that waits for a time: one look is enough then.
local hasTimes = call('EXISTS', ${key("scheduled")}, ${key("delayed")}, ${key("expiring")}, ${key("expiring_after")}) > 0
if hasTimes then
  local expired = expire(${MAX_EXPIRED}, {})
  if expired > 0 then
    trim(64)
    due(now)
  end
  -- Of too many the rest goes first: none of them may be handed out.
  if expired == ${MAX_EXPIRED} then
    isReady = true
    return finish(reply)
  end
  if promote(1000) == 1000 then due(now) end
end
if maxConcurrency > 0 then max = math.min(max, maxConcurrency - call('ZCARD', ${key("leases")})) end
if rate then max = math.min(max, rate.free()) end
if max <= 0 then return finish(reply) end

-- These jobs have started: what they have of their unique keys is their holds, if that was the end of their uniqueness.
local function begun(ids)
  local held, over = {}, {}
  for at, claim in ipairs(readMany(${key("unique_of")}, ids)) do
    if claim and ${text("claim", "reason", "claim")} == ${code("reason", "STARTED")} then
      if ${number("claim", "until", "claim")} > steady then
        held[#held + 1] = ids[at]
        held[#held + 1] = restOf(claim)
      else
        over[#over + 1] = ids[at]
      end
    end
  end
  callMany('HSET', ${key("unique_of")}, held)
  if #over > 0 then letGo(over) end
end

local lines, chosen = {}, {}

-- Each line is read in parts; the best of the heads of all lines is taken until there are enough.
local part = math.min(max, 32)
local function fill(line)
  line.found = call('ZRANGE', line.ready, line.from, line.from + part - 1, 'WITHSCORES')
  line.from = line.from + part
  line.at = 1
end

local function isBefore(a, b)
  local scoreA, scoreB = tonumber(a.found[a.at + 1]), tonumber(b.found[b.at + 1])
  if scoreA ~= scoreB then return scoreA < scoreB end
  return a.found[a.at] < b.found[b.at]
end

local asked = {}
for at = 13, #ARGV do
  local type = ARGV[at]
  if not asked[type] then
    asked[type] = true
    local key = entries .. type
    local ready = #ARGV == 13 and 1 or call('ZCARD', key)
    if ready > 0 then lines[#lines + 1] = {ready = key, type = type, from = 0, members = {}} end
  end
end

-- Jobs are read in parts, and those are taken that are not too many bytes: of a part that is, the rest was read in vain, unless all are to
-- be taken.
local specs, states, bytes, isFull = {}, {}, 0, false
local function take(ids, areAll)
  local someSpecs, someStates = readMany(${key("specs")}, ids), readMany(${key("states")}, ids)
  for at, id in ipairs(ids) do
    local taken = #chosen + 1
    chosen[taken], specs[taken], states[taken] = id, someSpecs[at], someStates[at]
    bytes = bytes + JOB_BYTES + #someSpecs[at]
    -- Only a job that ran before has errors.
    if someStates[at] then bytes = bytes + call('HSTRLEN', ${key("errors")}, id) end
    if bytes >= maxBytes then
      isFull = true
      if not areAll then return at end
    end
  end
  return #ids
end

-- How many jobs to read next: few at first, then as many as there may be room for if they are like those before.
local function nextPart()
  local most = math.min(max - #chosen, #chosen == 0 and ${FIRST_PART} or ${PART})
  if #chosen == 0 then return most end
  return math.max(1, math.min(most, math.ceil((maxBytes - bytes) * #chosen / bytes)))
end

${LEASE_BY_KEYS}
if keyLines() then
  leaseByKeys()
elseif #lines == 1 then
  local line = lines[1]
  local members = call('ZRANGE', line.ready, 0, max - 1)
  local at = 0
  while at < #members and not isFull do
    local ids = {}
    for i = at + 1, math.min(at + nextPart(), #members) do ids[#ids + 1] = idOfPlace(members[i]) end
    at = at + take(ids)
  end
  if at > 0 then
    -- Not ZPOPMIN, which answers what is known already: half of its cost, and as much again to make a table of it.
    call('ZREMRANGEBYRANK', line.ready, 0, at - 1)
    forgetEmptyType(line.type)
  end
else
  local open = {}
  for _, line in ipairs(lines) do
    fill(line)
    if #line.found > 0 then open[#open + 1] = line end
  end
  while #chosen < max and #open > 0 and not isFull do
    local ids, picks = {}, {}
    local part = nextPart()
    while #ids < part and #open > 0 do
      local best = 1
      for at = 2, #open do
        if isBefore(open[at], open[best]) then best = at end
      end
      local line = open[best]
      local member = line.found[line.at]
      ids[#ids + 1] = idOfPlace(member)
      picks[#picks + 1] = {line = line, member = member}
      line.at = line.at + 2
      if line.at > #line.found then fill(line) end
      if #line.found == 0 then table.remove(open, best) end
    end
    for at = 1, take(ids) do
      local members = picks[at].line.members
      members[#members + 1] = picks[at].member
    end
  end
  for _, line in ipairs(lines) do
    if #line.members > 0 then
      callMany('ZREM', line.ready, line.members)
      forgetEmptyType(line.type)
    end
  end
end
if isFull then reply[#chosen * 2 + 2] = 1 end
if #chosen == 0 then return finish(reply) end
if hasTimes then outlive(chosen) end
-- What is left waits for a slot: no more of these types is ready.
if rate and rate.took(#chosen) then
  for _, line in ipairs(lines) do gone[#gone + 1] = line.type end
end
if needs('${UNIQUE}') then begun(chosen) end
if isPoll then rememberLeases(token, chosen, leaseMs) else remember(chosen) end

local changed, leases, begins, tails = {}, {}, {}, {}
local nowText = ${write("head", "updated_at", "now")}
local lock = ${code("settled_by", "nothing")} .. token .. '|\n'
local ends = format('%d', steady + leaseMs)

local function tailOf(type)
  local tail = tails[type]
  if not tail then
    local text = cjson.encode({type = type, worker = worker})
    tail = {text = text, last = endOfRecord(text)}
    tails[type] = tail
  end
  return tail
end

-- Specs created together have the same start, up to their type: what follows from it is computed once.
local last
local function beginOf(spec)
  if last and find(spec, last.text, 1, true) == 1 then return last end
  local text = sub(spec, 1, ${width("spec")} + ${number("spec", "type_length", "spec")})
  last = begins[text]
  if not last then
    local createdAt = ${text("spec", "created_at", "spec")}
    local stamp = nowText < createdAt and createdAt or nowText
    local head = ${FIRST_LEASE}
    local tail = tailOf(sub(text, ${rest("spec")}))
    last = {
      text = text, state = head .. lock .. tail.text,
      first = ${code("kind", "changed")} .. head, last = tail.last,
    }
    begins[text] = last
  end
  return last
end

for at, id in ipairs(chosen) do
  local spec, raw = specs[at], states[at]
  local errors
  if raw then
    local s = readState(raw)
    s.status, s.deliveries, s.revision, s.updated_at = RUNNING, s.deliveries + 1, s.revision + 1, math.max(now, s.updated_at)
    s.started_at = s.updated_at
    s.tail.worker, s.tail.percent, s.tail.message = worker, nil, nil
    s.token = token
    local tail = tailText(s)
    changed[at * 2] = stateText(s, tail)
    addRecord(${code("kind", "changed")} .. headText(s), id, endOfRecord(tail))
    errors = s.tail.error and call('HGET', ${key("errors")}, id)
  else
    local begin = beginOf(spec)
    changed[at * 2] = begin.state
    addRecord(begin.first, id, begin.last)
  end
  changed[at * 2 - 1] = id
  leases[at * 2 - 1] = ends
  leases[at * 2] = id
  reply[at * 2] = spec
  reply[at * 2 + 1] = errors or ''
end
callMany('HSET', ${key("states")}, changed)
callMany('ZADD', ${key("leases")}, leases)
due(now + leaseMs)
return finish(reply)
`;
