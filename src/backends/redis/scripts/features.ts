import { lua } from "./lua.js";
import { REDIS_TIME } from "./script.js";

/**
 * Returns the node ids of the live servers that do not know a feature. KEYS[1] `nodes`, [2] `node_features`. ARGV[1]
 * feature.
 */
export const NODES_LACKING = lua`
local function clock()
  ${REDIS_TIME}
end
local lacking = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%d', clock()), '+inf')) do
  local known = ',' .. (redis.call('HGET', KEYS[2], node) or '') .. ','
  if not string.find(known, ',' .. ARGV[1] .. ',', 1, true) then lacking[#lacking + 1] = node end
end
return lacking
`;
