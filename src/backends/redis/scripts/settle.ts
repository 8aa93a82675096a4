import { DEFAULT_MULTIPLIER, MAX_JITTER } from "../../../model/job/backoff.js";
import { UNIQUE } from "../layout/features.js";
import { code, key, metaName, number, rest, text, write } from "../layout/lua.js";
import { DONE_HEAD } from "./lean-complete.js";
import { lua } from "./lua.js";

const MAKE_ROOM = lua`
local wanted, room = 0, archive.bytes
for at = 9, #ARGV, 3 do wanted = wanted + #ARGV[at] end
if wanted > 0 then trim(64, math.max(0, archive.bytes - wanted)) end
room = room - archive.bytes
`;

const LEAVE_OUT = lua`
    if #result > room then
      result = ''
      local tail = cjson.decode(sub(state, find(state, '\n', 1, true) + 1))
      tail.dropped = true
      tail = cjson.encode(tail)
      state, last = sub(state, 1, find(state, '\n', 1, true)) .. tail, endOfRecord(tail)
    end
    room = room - #result
`;

/**
 * RUNNING to DONE for the current token.
 *
 * ARGV[7..] for each job: id, token, result (as `writeResult` in codec.ts writes it; empty: none).
 * Returns one text with a line for each job: the letter of `whyNot` in settling.ts when the token is not the current one,
 * else what `settled` there returns.
 */
const completeScript = (isFull: boolean): string => lua`
if again then return repeated(again) end
local ids, outcomes, results = {}, {}, {}
for at = 7, #ARGV, 3 do ids[#ids + 1] = ARGV[at] end
local states = exists and readMany(${key("states")}, ids) or {}
local ended, changed, finished, types, ends, done = {}, {}, {}, {}, {}, 0
local nowText = ${write("head", "updated_at", "now")}
local steadyText = setAhead == 0 and nowText or ${write("finished", "finished_at", "steady")}

local function typeOf(tail)
  local type = types[tail]
  if not type then
    local known = cjson.decode(tail)
    type = {member = ':' .. known.type, json = cjson.encode(known.type), last = endOfRecord(tail), hasErrors = known.error ~= nil}
    types[tail] = type
  end
  return type
end

-- States of jobs leased together are the same text: what follows from it is computed once. Nil when the token is not the
-- current one.
local function endOf(raw, token)
  local known = ends[raw]
  if known and known.token == token then return known end
  if not isHeld(raw, token) then return nil end
  local tail = sub(raw, find(raw, '\n', ${rest("state")} + #token, true) + 1)
  local type = typeOf(tail)
  local updatedAt = ${text("head", "updated_at", "raw")}
  local stamp = nowText < updatedAt and updatedAt or nowText
  local head = ${DONE_HEAD}
  known = {
    token = token,
    state = head .. ${code("settled_by", "complete")} .. '|' .. token .. '\n' .. tail,
    first = ${code("kind", "changed")} .. head, last = type.last, member = type.member, hasErrors = type.hasErrors,
    middle = steadyText .. ${write("standing", "created_at", number("head", "created_at", "raw"))},
    outcome = format('A %d %d ', DONE, math.max(0, now - ${number("head", "started_at", "raw")})) .. type.json,
  }
  ends[raw] = known
  return known
end

${isFull ? MAKE_ROOM : ""}
-- What these jobs have of their unique keys; those that hold them no more, and those that their holds keep.
local claims = exists and needs('${UNIQUE}') and readMany(${key("unique_of")}, ids) or {}
local over, rests, held, entries = {}, {}, {}, 0
local letters, sizes, bytes = {}, {}, 0
for at, id in ipairs(ids) do
  local token, result = ARGV[at * 3 + 5], ARGV[at * 3 + 6]
  -- A job that was given twice is settled already the second time.
  local raw = ended[id] or states[at]
  local known = raw and endOf(raw, token)
  if known then
    local state, last = known.state, known.last
${isFull ? LEAVE_OUT : ""}
    ended[id] = state
    done = done + 1
    changed[done * 2 - 1], changed[done * 2] = id, state
    local size = JOB_BYTES + call('HSTRLEN', ${key("specs")}, id) + #result
    if known.hasErrors then size = size + call('HSTRLEN', ${key("errors")}, id) end
    local letter = letters[size]
    if not letter then
      letter = sizeLetter(size)
      letters[size], sizes[letter] = letter, sizeOfLetter(letter)
    end
    bytes = bytes + sizes[letter]
    local claim = claims[at]
    local ends = claim and ${number("claim", "until", "claim")} or 0
    if ends > steady then
      rests[#rests + 1], rests[#rests + 2] = id, restOf(claim)
      held[#held + 1], held[#held + 2] = format('%d', ends), id
      due(ends + setAhead)
    else
      if claim then over[#over + 1] = id end
      entries = entries + 1
      finished[entries] = letter .. known.middle .. idKey(id) .. known.member
    end
    addRecord(known.first, id, last)
    if result ~= '' then
      results[#results + 1] = id
      results[#results + 1] = result
    end
    outcomes[at] = known.outcome
  else
    outcomes[at] = whyNot(raw, token, ${code("settled_by", "complete")})
  end
end
if #changed > 0 then
  local leases = {}
  for at = 1, #changed, 2 do leases[#leases + 1] = changed[at] end
  callMany('HSET', ${key("states")}, changed)
  callMany('HSET', ${key("results")}, results)
  callMany('ZREM', ${key("leases")}, leases)
  if keyLines() then keyed.ended(leases) end
  callMany('RPUSH', ${key("finished")}, finished)
  countBytes(bytes, steady)
  countFinished(done, 0, 0)
  call('HINCRBY', KEYS[1], ${metaName("completed")}, done)
  if #over > 0 then letGo(over) end
  callMany('HSET', ${key("unique_of")}, rests)
  callMany('ZADD', ${key("unique_kept")}, held)
  if maxConcurrency > 0 then isReady = true end
  due(now + ttl)
  trim(math.max(64, #leases * 2))
end
return finish(remember({table.concat(outcomes, '\n')}))
`;

/** See above. Refused when the memory of Redis is full. */
export const COMPLETE = completeScript(false);

/**
 * The same for a Redis whose memory is full: the oldest finished jobs of the queue go for the new results; a result that has no room
 * then is left out, and the job says so.
 */
export const COMPLETE_FULL = completeScript(true);

/**
 * RUNNING through FAILED to PENDING or DEAD for the current token; to CANCELED when a cancel was requested.
 *
 * ARGV[7..] for each job: id, token, error, error cut for the list of attempts and cut for the log (each empty: same as
 * the one before), and when to retry: `b` and a random number, 0 to 1 (by the job's backoff), `n` (never), or `+ms`.
 * Returns what COMPLETE does.
 */
export const FAIL = lua`
-- Same as backoffDelay of the model: only the script knows the retry count.
local function delayOf(spec, retry)
  local delay, max, multiplier = ${number("spec", "base_delay", "spec")}, ${number("spec", "max_delay", "spec")}, ${DEFAULT_MULTIPLIER}
  local extras = ${rest("spec")} + ${number("spec", "type_length", "spec")}
  if sub(spec, extras, extras) ~= '\n' then
    local backoff = cjson.decode(sub(spec, extras, find(spec, '\n', extras, true) - 1)).backoff
    local delays = backoff and backoff.delays
    if delays then return delays[math.min(retry, #delays)] end
    multiplier = backoff and tonumber(backoff.multiplier) or multiplier
  end
  for _ = 2, retry do
    if delay >= max then break end
    delay = delay * multiplier
  end
  return math.min(delay, max)
end
if again then return repeated(again) end
local outcomes = {}
for at = 7, #ARGV, 6 do
  local id, token, whole, retry = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 5]
  local entry = ARGV[at + 3] ~= '' and ARGV[at + 3] or whole
  local start = ARGV[at + 4] ~= '' and ARGV[at + 4] or entry
  local s, why = heldState(id, token, ${code("settled_by", "fail")})
  if s then
    noteError(id, s, whole, entry, start)
    endLease(id, s, token, ${code("settled_by", "fail")})
    if s.cancel_requested == 1 then
      endCanceled(id, s)
    else
      step(id, s, FAILED)
      local mode, value = sub(retry, 1, 1), tonumber(sub(retry, 2))
      local spec = call('HGET', ${key("specs")}, id)
      if mode == 'n' or s.retry_count >= ${number("spec", "max_retries", "spec")} then
        bury(id, s)
      else
        s.retry_count = s.retry_count + 1
        local wait = value
        if mode == 'b' then
          wait = delayOf(spec, s.retry_count)
          wait = floor(wait + wait * ${MAX_JITTER} * value)
        end
        s.run_after = now + wait
        requeue(id, s, wait, true)
      end
    end
    outcomes[#outcomes + 1] = settled(s)
  else
    outcomes[#outcomes + 1] = why
  end
end
trim(64)
trimDead(64)
return finish(remember({table.concat(outcomes, '\n')}))
`;

/**
 * RUNNING to PENDING for the current token, at the job's old place in line or after a delay; to CANCELED when a cancel was
 * requested. A lease that counts as lost may be one too many: then to DEAD.
 *
 * ARGV[7..] for each job: id, token, MAX_LOST_LEASES when it counts as lost (empty: it does not), ms until it is ready again (empty:
 * at once, in its old place). Returns what COMPLETE does.
 */
export const RELEASE = lua`
if again then return repeated(again) end
local outcomes = {}
for at = 7, #ARGV, 4 do
  local id, token, maxLost, wait = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local s, why = heldState(id, token, ${code("settled_by", "release")})
  if s then
    local isPoison = maxLost and countLost(id, s, maxLost)
    isWorkers = isWorkers or maxLost ~= nil
    endLease(id, s, token, ${code("settled_by", "release")})
    if s.cancel_requested == 1 then endCanceled(id, s)
    elseif isPoison then bury(id, s)
    else
      if wait then s.run_after = now + wait end
      requeue(id, s, wait)
    end
    outcomes[#outcomes + 1] = settled(s)
  else
    outcomes[#outcomes + 1] = why
  end
end
trim(64)
trimDead(64)
return finish(remember({table.concat(outcomes, '\n')}))
`;

/**
 * Extends leases and stores progress, for the current token. Never shortens a lease; with a cancel requested, stores
 * progress only.
 *
 * ARGV[7..] for each job: id, token, lease ms (empty: do not extend), percent (empty: no progress), message.
 * Returns one text with a line for each job: `N` (unknown or never leased), `L` (lease lost), or `O` (ok) or `C`
 * (cancel requested), a blank, and ms until the lease ends.
 */
export const EXTEND = lua`
local outcomes = {}
for at = 7, #ARGV, 5 do
  local id, token, leaseMs = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local raw = exists and call('HGET', ${key("states")}, id)
  if isHeld(raw, token) then
    local isCanceled = ${text("state", "cancel_requested", "raw")} == '1'
    if ARGV[at + 3] ~= '' then
      local s = readState(raw)
      s.tail.percent, s.tail.message = ARGV[at + 3], ARGV[at + 4]
      step(id, s, RUNNING)
      save(id, s)
    end
    if leaseMs ~= '' and not isCanceled then call('ZADD', ${key("leases")}, 'XX', 'GT', steady + tonumber(leaseMs), id) end
    local ends = tonumber(call('ZSCORE', ${key("leases")}, id) or steady)
    outcomes[#outcomes + 1] = (isCanceled and 'C ' or 'O ') .. format('%d', math.max(0, ends - steady))
  else
    outcomes[#outcomes + 1] = raw and 'L' or 'N'
  end
end
return finish({table.concat(outcomes, '\n')})
`;
