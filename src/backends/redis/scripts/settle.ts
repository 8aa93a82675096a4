import { MAX_JITTER } from "../../../model/backoff.js";
import { lua } from "./lua.js";

/**
 * RUNNING to DONE for the current token.
 *
 * ARGV[7..] for each job: id, token, result (as `writeResult` in layout.ts writes it; empty: none).
 * Returns one text with a line for each job: the letter of `whyNot` in states.ts when the token is not the current one,
 * else what `settled` there returns.
 */
export const COMPLETE = lua`
local ids, outcomes, results = {}, {}, {}
for at = 7, #ARGV, 3 do ids[#ids + 1] = ARGV[at] end
local states = exists and readMany(base .. 's', ids) or {}
local ended, changed, finished, types, heads, done = {}, {}, {}, {}, {}, 0

-- States of jobs leased together have the same head: what follows from it is computed once.
local last
local function headOf(raw)
  if last and find(raw, last.old, 1, true) == 1 then return last end
  local old = sub(raw, 1, 94)
  last = heads[old]
  if not last then
    last = {
      old = old,
      text = '20' .. sub(raw, 3, 18) .. format('%09d', tonumber(sub(raw, 19, 27)) + 1) .. sub(raw, 28, 40)
        .. nowText .. sub(raw, 54, 81) .. nowText,
      outcome = 'A 2 ' .. format('%d', now - tonumber(sub(raw, 69, 81))) .. ' ',
    }
    heads[old] = last
  end
  return last
end

local function typeOf(tail)
  local type = types[tail]
  if not type then
    local text = cjson.decode(tail)[1]
    type = {member = ':' .. text, json = cjson.encode(text)}
    types[tail] = type
  end
  return type
end

for at, id in ipairs(ids) do
  local token, result = ARGV[at * 3 + 5], ARGV[at * 3 + 6]
  -- A job that was given twice is settled already the second time.
  local raw = ended[id] or states[at]
  if isHeld(raw, token) then
    local tail = sub(raw, find(raw, '\n', 96 + #token, true) + 1)
    local head, type = headOf(raw), typeOf(tail)
    local text = head.text .. '1|' .. token .. '\n' .. tail
    ended[id] = text
    done = done + 1
    changed[done * 2 - 1], changed[done * 2] = id, text
    finished[done] = 'D' .. nowText .. id .. type.member
    record('0', head.text, id, tail)
    if result ~= '' then
      results[#results + 1] = id
      results[#results + 1] = result
    end
    outcomes[at] = head.outcome .. type.json
  else
    outcomes[at] = whyNot(raw, token, '1')
  end
end
if #changed > 0 then
  local leases = {}
  for at = 1, #changed, 2 do leases[#leases + 1] = changed[at] end
  callMany('HSET', base .. 's', changed)
  callMany('HSET', base .. 'o', results)
  callMany('ZREM', base .. 'l', leases)
  callMany('RPUSH', base .. 'f', finished)
  countFinished(#finished, 0, 0)
  call('HINCRBY', KEYS[1], 'a', #finished)
  if maxConcurrency > 0 then isReady = true end
  due(now + ttl)
  trim(math.max(64, #leases * 2))
end
return finish({table.concat(outcomes, '\n')})
`;

/**
 * RUNNING through FAILED to PENDING or DEAD for the current token; to CANCELED when a cancel was requested.
 *
 * ARGV[7..] for each job: id, token, error, error cut for the list of attempts and cut for the log (each empty: same as
 * the one before), and when to retry: `b` and a random number, 0 to 1 (by the job's backoff), `n` (never), or `+ms`.
 * Returns what COMPLETE does.
 */
export const FAIL = lua`
local outcomes = {}
for at = 7, #ARGV, 6 do
  local id, token, whole, retry = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 5]
  local entry = ARGV[at + 3] ~= '' and ARGV[at + 3] or whole
  local start = ARGV[at + 4] ~= '' and ARGV[at + 4] or entry
  local s, why = held(id, token, '2')
  if s then
    noteError(id, s, whole, entry, start)
    endLease(id, s, token, '2')
    if s.cancel == 1 then
      endCanceled(id, s)
    else
      step(id, s, FAILED)
      local mode, value = sub(retry, 1, 1), tonumber(sub(retry, 2))
      local limits = sub(call('HGET', base .. 'j', id), 31, 55)
      if mode == 'n' or s.retries >= tonumber(sub(limits, 1, 3)) then
        bury(id, s)
      else
        s.retries = s.retries + 1
        local wait = value
        if mode == 'b' then
          -- Same as backoffDelay of the model: only the script knows the retry count.
          wait = math.min(tonumber(sub(limits, 4, 14)) * 2 ^ (s.retries - 1), tonumber(sub(limits, 15, 25)))
          wait = floor(wait + wait * ${MAX_JITTER} * value)
        end
        s.runAfter = now + wait
        requeue(id, s)
      end
    end
    outcomes[#outcomes + 1] = settled(s)
  else
    outcomes[#outcomes + 1] = why
  end
end
trim(64)
return finish({table.concat(outcomes, '\n')})
`;

/**
 * RUNNING to PENDING for the current token, at the job's old place in line; to CANCELED when a cancel was requested.
 *
 * ARGV[7..] for each job: id, token. Returns what COMPLETE does.
 */
export const RELEASE = lua`
local outcomes = {}
for at = 7, #ARGV, 2 do
  local id, token = ARGV[at], ARGV[at + 1]
  local s, why = held(id, token, '3')
  if s then
    endLease(id, s, token, '3')
    if s.cancel == 1 then endCanceled(id, s) else requeue(id, s) end
    outcomes[#outcomes + 1] = settled(s)
  else
    outcomes[#outcomes + 1] = why
  end
end
trim(64)
return finish({table.concat(outcomes, '\n')})
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
  local raw = exists and call('HGET', base .. 's', id)
  if isHeld(raw, token) then
    local isCanceled = sub(raw, 2, 2) == '1'
    if ARGV[at + 3] ~= '' then
      local s = readState(raw)
      s.percent, s.message = ARGV[at + 3], ARGV[at + 4]
      step(id, s, RUNNING)
      save(id, s)
    end
    if leaseMs ~= '' and not isCanceled then call('ZADD', base .. 'l', 'XX', 'GT', now + tonumber(leaseMs), id) end
    local ends = tonumber(call('ZSCORE', base .. 'l', id) or now)
    outcomes[#outcomes + 1] = (isCanceled and 'C ' or 'O ') .. format('%d', math.max(0, ends - now))
  else
    outcomes[#outcomes + 1] = raw and 'L' or 'N'
  end
end
return finish({table.concat(outcomes, '\n')})
`;
