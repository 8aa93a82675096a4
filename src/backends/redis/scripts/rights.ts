import { lua } from "./lua.js";

/**
 * Tries each command that scripts and calls use, and returns those that the user may not run. Nothing is changed: a key of another type,
 * or one that does not exist, makes all of them fail or do nothing, and rights are checked before that. KEYS[1] `schema`, a string; [2]
 * `queues`; [3] a key that does not exist. ARGV[1] channel, [2] what KEYS[1] has.
 */
export const CHECK_RIGHTS = lua`
local text, none = KEYS[1], KEYS[3]
local missing = {}
local function try(command, ...)
  local answer = redis.pcall(command, ...)
  local problem = type(answer) == 'table' and answer.err
  if not problem then return end
  if string.find(problem, 'The user executing the script', 1, true) or string.find(problem, 'NOPERM', 1, true)
    or string.find(problem, 'ACL failure', 1, true) then
    missing[#missing + 1] = command
  end
end
try('EXISTS', text)
try('GET', text)
try('HDEL', text, 'f')
try('HEXISTS', text, 'f')
try('HGET', text, 'f')
try('HGETALL', KEYS[2])
try('HINCRBY', text, 'f', 1)
try('HKEYS', text)
try('HLEN', text)
try('HMGET', text, 'f')
try('HRANDFIELD', text)
try('HSCAN', text, 0)
try('HSET', text, 'f', 'v')
try('HSTRLEN', text, 'f')
try('LINDEX', text, 0)
try('LRANGE', text, 0, 0)
try('LTRIM', text, 0, 0)
try('PERSIST', text)
try('PEXPIRE', none, 1)
try('PTTL', none)
try('PUBLISH', ARGV[1], '')
try('RPUSH', text, 'v')
try('SADD', text, 'v')
try('SCARD', text)
try('SET', text, ARGV[2], 'NX')
try('SMEMBERS', text)
try('SRANDMEMBER', text)
try('SREM', text, 'v')
try('TIME')
try('UNLINK', none)
try('XADD', text, '*', 'f', 'v')
try('XRANGE', text, '-', '+', 'COUNT', 1)
try('ZADD', text, 1, 'm')
try('ZCARD', text)
try('ZCOUNT', text, 0, 0)
try('ZMSCORE', text, 'm')
try('ZPOPMIN', text)
try('ZRANGE', text, 0, 0)
try('ZRANGEBYSCORE', text, 0, 0)
try('ZREM', text, 'm')
try('ZREMRANGEBYRANK', text, 0, 0)
try('ZREMRANGEBYSCORE', text, 0, 0)
try('ZRANGEBYLEX', text, '-', '+')
try('ZREVRANGEBYLEX', text, '+', '-')
try('ZREVRANGEBYSCORE', text, 0, 0)
try('ZSCORE', text, 'm')
return missing
`;
