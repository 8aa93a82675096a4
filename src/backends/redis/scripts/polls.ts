import { lua } from "./lua.js";
import { sharedTime } from "./time.js";

/** Most polls that are remembered; beyond that, those that end first are forgotten. */
const MAX_POLLS = 10_000;

/**
 * Claims a poll for a place where it leases.
 *
 * KEYS[1] `polls`, [2] `poll_ends`, [3] `clock_ahead`. ARGV[1] the poll, [2] what its record has as far as the caller knows
 * (empty: none), [3] the new record (empty: none is written), [4] ms that it is remembered, [5] what it is told of TIME.
 * Returns what the scripts of queues do (prelude.ts): with what the record has when that is something else, or an empty list.
 */
export const CLAIM_POLL = lua`
local function forget(polls)
  if #polls == 0 then return end
  redis.call('HDEL', KEYS[1], unpack(polls))
  redis.call('ZREM', KEYS[2], unpack(polls))
end
local base = string.sub(KEYS[1], 1, -#'polls' - 1)
${sharedTime("KEYS[3]", "ARGV[5]")}
local function answer(reply)
  return {now, 0, -1, reply, counted}
end
forget(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', steady, 'LIMIT', 0, 100))
local ends = redis.call('ZSCORE', KEYS[2], ARGV[1])
local kept = ends and tonumber(ends) > steady and redis.call('HGET', KEYS[1], ARGV[1]) or ''
if kept ~= ARGV[2] then return answer({kept}) end
if ARGV[3] == '' then return answer({}) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], steady + tonumber(ARGV[4]), ARGV[1])
local over = redis.call('ZCARD', KEYS[2]) - ${MAX_POLLS}
if over > 0 then forget(redis.call('ZRANGE', KEYS[2], 0, math.min(over, 100) - 1)) end
return answer({})
`;
