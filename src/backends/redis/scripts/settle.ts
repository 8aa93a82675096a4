import { lua } from "./prelude.js";

/**
 * RUNNING to DONE for the current token.
 *
 * ARGV[7..] of each job: id, token, result (kind and content; empty: none).
 * Answers of each: `N`, `L`, `C`, `R`, or `A|C status duration type`.
 */
export const COMPLETE = lua`
local reply = {}
local count = 0
for at = 7, #ARGV, 3 do
  local id, token, result = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local state, why = held(id, token, 1)
  if state then
    endLease(id, state, token)
    state[3] = 1
    if result ~= '' then call('HSET', base .. 'o', id, result) end
    endJob(id, state, DONE)
    count = count + 1
    insert(reply, settled(state))
  else
    insert(reply, why)
  end
end
if count > 0 then trim(math.max(64, count * 2)) end
return finish(reply)
`;

/**
 * RUNNING through FAILED to PENDING or DEAD for the current token; to CANCELED if that was asked for.
 *
 * ARGV[7..] of each job: id, token, error, error for the list and for the log (empty: the same), and when to retry:
 * `b` and a random number from 0 to 1 (by its backoff), `n` (never), `+ms`.
 * Answers as COMPLETE.
 */
export const FAIL = lua`
local reply = {}
for at = 7, #ARGV, 6 do
  local id, token, whole, retry = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 5]
  local entry = ARGV[at + 3] ~= '' and ARGV[at + 3] or whole
  local start = ARGV[at + 4] ~= '' and ARGV[at + 4] or entry
  local state, why = held(id, token, 2)
  if state then
    local shown = state[8]
    noteError(id, state, whole, entry, start)
    endLease(id, state, token)
    state[3] = 2
    if shown[8] == 1 then
      endJob(id, state, CANCELED)
    else
      step(id, state, FAILED)
      local mode, value = string.sub(retry, 1, 1), string.sub(retry, 2)
      if mode == 'n' or shown[5] >= state[5] then
        bury(id, state)
      else
        shown[5] = shown[5] + 1
        local wait
        if mode == '+' then
          wait = tonumber(value)
        else
          -- backoffDelay of the core, once more: the retry count is known here only.
          wait = math.min(state[6] * 2 ^ (shown[5] - 1), state[7])
          wait = math.floor(wait + wait * 0.4 * tonumber(value))
        end
        shown[10] = now + wait
        giveBack(id, state)
      end
    end
    insert(reply, settled(state))
  else
    insert(reply, why)
  end
end
trim(64)
return finish(reply)
`;

/**
 * RUNNING to PENDING for the current token, at its old place; to CANCELED if that was asked for.
 *
 * ARGV[7..] of each job: id, token. Answers as COMPLETE.
 */
export const RELEASE = lua`
local reply = {}
for at = 7, #ARGV, 2 do
  local id, token = ARGV[at], ARGV[at + 1]
  local state, why = held(id, token, 3)
  if state then
    endLease(id, state, token)
    state[3] = 3
    if state[8][8] == 1 then endJob(id, state, CANCELED) else giveBack(id, state) end
    insert(reply, settled(state))
  else
    insert(reply, why)
  end
end
trim(64)
return finish(reply)
`;

/**
 * Moves the end of leases and stores progress, for the current token.
 *
 * ARGV[7..] of each job: id, token, lease ms (empty: leave it), percent (empty: no progress), message.
 * Answers of each: `O` (ok), `R` (cancel requested) or `L`, and in how many ms the lease ends.
 */
export const EXTEND = lua`
local reply = {}
for at = 7, #ARGV, 5 do
  local id, token, leaseMs = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local state, why = held(id, token, 0)
  if state then
    local shown = state[8]
    if ARGV[at + 3] ~= '' then
      shown[15], shown[16] = ARGV[at + 3], ARGV[at + 4]
      save(id, state, step(id, state, RUNNING))
    end
    if leaseMs ~= '' and shown[8] == 0 then call('ZADD', base .. 'l', 'XX', 'GT', now + tonumber(leaseMs), id) end
    insert(reply, shown[8] == 1 and 'R' or 'O')
    insert(reply, math.max(0, tonumber(call('ZSCORE', base .. 'l', id) or now) - now))
  else
    insert(reply, why == 'N' and 'N' or 'L')
    insert(reply, 0)
  end
end
return finish(reply)
`;
