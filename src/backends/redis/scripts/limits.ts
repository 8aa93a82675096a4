import { KEYS } from "../layout/features.js";
import { key, metaName } from "../layout/lua.js";
import { lua } from "./lua.js";

/**
 * Lua: what holds back jobs of the queue whose time has come. `heldBack(due)` tells how many of its so many due jobs limits hold back
 * now. A limit that is new adds what it holds back here.
 */
export const LIMITS_OF_QUEUE = lua`
-- How many of them wait for other jobs of their keys.
local function heldByKeys()
  return needs('${KEYS}') and tonumber(call('HGET', KEYS[1], ${metaName("held")}) or 0) or 0
end

local function heldBack(due)
  if due > 0 and maxConcurrency > 0 and call('ZCARD', ${key("leases")}) >= maxConcurrency then return due end
  if due > 0 and rate and rate.nextSlot() then return due end
  return due > 0 and heldByKeys() or 0
end
`;
