import { MAX_NODE_ID } from "../../../model/ids.js";
import { lua } from "./lua.js";

/**
 * Adds a queue to the list of queues, or updates its weight. KEYS[1] `queues`, [2] `gone`. ARGV[1] name, [2] created
 * at, ms since 1970, [3] weight, [4] channel.
 */
export const ENTER_QUEUE = lua`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[4], ARGV[1] .. ' 0 0 0 0 -1 q. -\n')
return 1
`;

/**
 * Removes a queue from the list, unless its entry is of a newer queue of the same name; notes until when its log is
 * kept. KEYS as above. ARGV[1] name, [2] created at, [3] channel, [4] ms that the log is kept.
 */
export const LEAVE_QUEUE = lua`
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.match(entry, '^[^:]*') ~= ARGV[2] then return 0 end
local time = redis.call('TIME')
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', time[1] * 1000)
redis.call('ZADD', KEYS[2], time[1] * 1000 + tonumber(ARGV[4]), ARGV[1])
redis.call('PUBLISH', ARGV[3], ARGV[1] .. ' 0 0 0 0 -1 q. -\n')
return 1
`;

/**
 * Leases a node id, or renews its lease. KEYS[1] `nodes`, a zset of node ids by the end of their lease, [2] `owners`, a
 * hash of node id to owner, and [3] `node_features`, a hash of node id to the features that its server knows. ARGV[1]
 * owner, [2] node id to renew (empty: any), [3] lease ms, [4] features, with commas.
 * Prefers a node id that was never used, then the one that has been free for longest. Returns it, or -1 for none.
 */
export const LEASE_NODE = lua`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local node = ARGV[2]
if node ~= '' then
  local owner = redis.call('HGET', KEYS[2], node)
  local ends = redis.call('ZSCORE', KEYS[1], node)
  if owner and owner ~= ARGV[1] and ends and tonumber(ends) > now then return -1 end
else
  local used = redis.call('ZCARD', KEYS[1])
  if used <= ${MAX_NODE_ID} then
    for try = 0, ${MAX_NODE_ID} do
      if not redis.call('ZSCORE', KEYS[1], try) then
        node = try
        break
      end
    end
  else
    local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
    if tonumber(oldest[2]) > now then return -1 end
    node = oldest[1]
  end
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), node)
redis.call('HSET', KEYS[2], node, ARGV[1])
redis.call('HSET', KEYS[3], node, ARGV[4])
return tonumber(node)
`;

/** Ends the lease of a node id. KEYS as above. ARGV[1] owner, [2] node id. */
export const RELEASE_NODE = lua`
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000, ARGV[2])
return 1
`;

/** Returns the version of the layout; sets it first if there is none. KEYS[1] `schema`. ARGV[1] our own version. */
export const CHECK_SCHEMA = lua`
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
`;
