import { MAX_NODE_ID } from "../../../model/queue/ids.js";
import { lua } from "./lua.js";

/**
 * Shared start of the scripts that change the list of queues. KEYS[1] `queues`, [2] `gone`, [3] `listed`. ARGV[1] name,
 * [2] channel. The notice has, in its second line, the number of the change and what it was: `+<created at>:<weight>`,
 * or `-<until when its log is kept>`, ms since 1970, 0 for one that has none.
 */
const TELL = lua`
local name, channel = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function tell(change)
  -- A list that was lost must not count on from numbers that servers have heard.
  local number = string.format('%.0f', tonumber(redis.call('GET', KEYS[3]) or now) + 1)
  redis.call('SET', KEYS[3], number)
  local line = name .. ' 0 0 0 ' .. string.format('%.0f', now) .. ' -1 q. -'
  redis.call('PUBLISH', channel, line .. '\n' .. number .. ' ' .. change .. '\n')
  return number
end
`;

/**
 * Adds a queue to the list of queues, or updates its weight. ARGV[3] created at, ms since 1970, [4] weight. Returns the
 * number of the change.
 */
export const ENTER_QUEUE = lua`
${TELL}
local entry = ARGV[3] .. ':' .. ARGV[4]
redis.call('HSET', KEYS[1], name, entry)
redis.call('ZREM', KEYS[2], name)
return tell('+' .. entry)
`;

/**
 * Adds the entry `0:1` for a queue that is not in the list: it is about to be created or deleted. Whoever begins that may
 * die; the others then find it by this entry. Returns the number of the change; empty when the queue is in the list.
 */
export const ANNOUNCE_QUEUE = lua`
${TELL}
if redis.call('HEXISTS', KEYS[1], name) == 1 then return '' end
redis.call('HSET', KEYS[1], name, '0:1')
return tell('+0:1')
`;

/**
 * Removes a queue from the list, unless its entry is of another queue of the same name; notes until when its log is
 * kept. ARGV[3] created at, [4] ms that the log is kept, 0 for a queue that has none. Returns the number of the change;
 * empty when there was nothing to do.
 */
export const LEAVE_QUEUE = lua`
${TELL}
local entry, kept = redis.call('HGET', KEYS[1], name), tonumber(ARGV[4])
local stamp = entry and string.match(entry, '^[^:]*')
if entry and stamp ~= ARGV[3] and stamp ~= '0' then return '' end
if not entry and (kept == 0 or redis.call('ZSCORE', KEYS[2], name)) then return '' end
redis.call('HDEL', KEYS[1], name)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if kept == 0 then return tell('-0') end
local ends = string.format('%.0f', now + kept)
redis.call('ZADD', KEYS[2], ends, name)
return tell('-' .. ends)
`;

/**
 * Reads the list of queues. KEYS as above. Returns the number of its last change (empty: it never changed), the time, ms
 * since 1970, and the content of `queues` and, with scores, of `gone`.
 */
export const READ_LIST = lua`
local time = redis.call('TIME')
return {redis.call('GET', KEYS[3]) or '', time[1] * 1000 + math.floor(time[2] / 1000), redis.call('HGETALL', KEYS[1]),
  redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')}
`;

/**
 * Leases a node id, or renews its lease. KEYS[1] `nodes`, a zset of node ids by the end of their lease, [2] `owners`, a
 * hash of node id to owner, [3] `node_features`, a hash of node id to the features that its server knows, and [4]
 * `node_taken`, a hash of node id to what the workers of its server take. ARGV[1] owner, [2] node id to renew (empty: any),
 * [3] lease ms, [4] features, with commas, [5] what its workers take.
 * Prefers a node id that was never used, then the one that has been free for longest. Returns it, or -1 for none; and the
 * time, ms since 1970.
 */
export const LEASE_NODE = lua`
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local node = ARGV[2]
if node ~= '' then
  local owner = redis.call('HGET', KEYS[2], node)
  local ends = redis.call('ZSCORE', KEYS[1], node)
  if owner and owner ~= ARGV[1] and ends and tonumber(ends) > now then return {-1, now} end
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
    if tonumber(oldest[2]) > now then return {-1, now} end
    node = oldest[1]
  end
end
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[3]), node)
redis.call('HSET', KEYS[2], node, ARGV[1])
redis.call('HSET', KEYS[3], node, ARGV[4])
redis.call('HSET', KEYS[4], node, ARGV[1] .. ' ' .. ARGV[5])
return {tonumber(node), now}
`;

/**
 * Returns what the workers of other live servers take, as each has written it; `?` for one that has not, as an older one. KEYS[1]
 * `nodes`, [2] `owners`, [3] `node_taken`. ARGV[1] our own name as owner.
 */
export const READ_TAKEN = lua`
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local taken = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
  local owner = redis.call('HGET', KEYS[2], node) or ''
  if owner ~= ARGV[1] then
    local text = redis.call('HGET', KEYS[3], node) or ''
    local isOwn = string.sub(text, 1, #owner + 1) == owner .. ' '
    taken[#taken + 1] = isOwn and string.sub(text, #owner + 2) or '?'
  end
end
return taken
`;

/** Ends the lease of a node id. KEYS as above. ARGV[1] owner, [2] node id. */
export const RELEASE_NODE = lua`
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000, ARGV[2])
return 1
`;

/**
 * Returns the version of the layout and the name of the store; sets both first if there is none. KEYS[1] `schema`, [2]
 * `store`. ARGV[1] our own version, [2] a random name.
 */
export const CHECK_SCHEMA = lua`
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local version = redis.call('GET', KEYS[1])
-- Data of another version are not ours to write to.
if version == ARGV[1] then redis.call('SET', KEYS[2], ARGV[2], 'NX') end
return {version, redis.call('GET', KEYS[2]) or ''}
`;

/**
 * Makes a server the one that tells the figures of queues, or keeps it so, unless another one is. KEYS[1] `figures_teller`. ARGV[1] its
 * name, [2] for how long, ms. Returns whether it is.
 */
export const CLAIM_FIGURES = lua`
local teller = redis.call('GET', KEYS[1])
if teller and teller ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`;

/** Ends that. KEYS[1] as above. ARGV[1] its name. */
export const LEAVE_FIGURES = lua`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[1])
`;
