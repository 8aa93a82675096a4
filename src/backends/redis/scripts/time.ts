import { metaName } from "../layout/lua.js";
import { lua } from "./lua.js";

/**
 * A difference between the TIME of Redis and a server's own clock that counts as none, ms: they drift apart, and an
 * answer tells its time only to within its round trip. No lease is shorter.
 */
export const TOLERANCE_MS = 1000;

/**
 * Lua that goes on by the TIME that was expected. The argument `told` is the TIME that the caller expects, by its own clock
 * since it looked last (empty: any); and, after a step of TIME, a blank, by how many ms more TIME was set ahead than the
 * queue counted when the caller looked, a blank, and what it counted then.
 *
 * Returns `T` alone and does nothing when TIME is another: the clock of Redis was set, or the call was slow. The caller
 * knows more from the answer, and calls again. Needs `now`, `counted`, `setAhead`, `steady`, and `exists`.
 */
function keepTime(told: string): string {
  return lua`
local expected = tonumber(${told})
if not expected and ${told} ~= '' then
  local time, more, before = string.match(${told}, '^(%-?%d*) (%-?%d+) (%-?%d+)$')
  expected = tonumber(time)
  -- Unless another server has told it by now.
  if exists and tonumber(before) == counted then
    setAhead = counted + tonumber(more)
    steady = now - setAhead
  end
end
if expected and (now - expected > ${TOLERANCE_MS} or expected - now > ${TOLERANCE_MS}) then return {now, 0, -1, 'T', counted} end
`;
}

/** The second part of every script that runs on a queue. */
export const KEEP_TIME = keepTime("ARGV[6]");

/** The third part of every such script that writes: the queue counts what TIME was set ahead. */
export const COUNT_TIME = lua`
if setAhead ~= counted then
  counted = setAhead
  call('HSET', KEYS[1], ${metaName("clock_ahead")}, counted)
end
`;

/** Start of a script on the keys for all queues: `steady`, by the count in the key `ahead`. `told`: see above. */
export const sharedTime = (ahead: string, told: string): string => lua`
local function clock()
  @NOW@
end
local now, exists = clock(), true
local counted = tonumber(redis.call('GET', ${ahead}) or 0)
local setAhead, steady = counted, now - counted
${keepTime(told)}
if setAhead ~= counted then
  counted = setAhead
  redis.call('SET', ${ahead}, counted)
end
`;
