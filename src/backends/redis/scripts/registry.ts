import { MAX_NODE_ID } from "../../../model/ids.js";
import { lua } from "./lua.js";

/**
 * Enters a queue in the list of queues. KEYS[1] `queues`, [2] `gone`. ARGV[1] name, [2] created at, [3] weight,
 * [4] channel. An entry of the same queue gets the new weight.
 */
export const ENTER_QUEUE = lua`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[4], ARGV[1] .. ' 0 0 0 0 -1 q. -\n')
return 1
`;

/**
 * Takes a queue out of the list, unless a new one of its name was entered meanwhile; its log is kept for a while.
 * KEYS as above. ARGV[1] name, [2] created at, [3] channel, [4] ms that the log is kept.
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
 * Leases a node id, or keeps it. KEYS[1] `nodes`, a zset of `<node>` by the end of its lease, and KEYS[2] `owners`, a
 * hash of node to owner. ARGV[1] owner, [2] node to keep (empty: any), [3] lease ms.
 * A node id that was never used goes first, then the one that has been free for longest. Answers it, or -1.
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
return tonumber(node)
`;

/** Gives a node id back. KEYS as above. ARGV[1] owner, [2] node. */
export const RELEASE_NODE = lua`
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000, ARGV[2])
return 1
`;

/** Reads the version of the layout, or sets it where there is none. KEYS[1] `schema`. ARGV[1] this program's version. */
export const CHECK_SCHEMA = lua`
redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])
`;
