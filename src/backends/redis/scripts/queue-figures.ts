import { KEYS } from "../layout/features.js";
import { key } from "../layout/lua.js";
import { lua } from "./lua.js";
import { LIMITS_OF_QUEUE } from "./parts/pending.js";

/** Most types of which a snapshot looks for the oldest ready job: each takes some 30 us. */
const FEW_TYPES = 16;

/** Lines of keys in which is looked for the oldest ready job: as many of any keys, and as many of those that come next, by type. */
const FEW_LINES = 50;
const FEW_TURNS = 10;

/** Most types that are known of a queue; of more, some at random. */
const MAX_READY_TYPES = 1000;

/**
 * Lua: `oldestReady(types)` is the earliest run_after of the jobs in the lines of these types, those that are held back too; nil when
 * there is none. Of more keys than a few it may miss one that is held back, or stands behind others of its key.
 */
const OLDEST_READY = lua`
-- The earliest run_after of a line, or one that is known already.
local function oldestOf(line, oldest)
  local low = '-inf'
  while true do
    -- The first job of each priority level is its oldest.
    local head = call('ZRANGEBYSCORE', line, low, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #head == 0 then return oldest end
    local priority, runAfter = ofScore(tonumber(head[2]))
    if not oldest or runAfter < oldest then oldest = runAfter end
    if not byPriority then return oldest end
    low = format('%.0f', (11 - priority) * LEVEL)
  end
end

local function oldestReady(types)
  local oldest
  local looks = ${FEW_LINES}
  for _, type in ipairs(types) do
    if not byTurns then oldest = oldestOf(${key("ready")} .. type, oldest) end
    -- What a key has behind its first job may be older.
    if keyLines() and byPriority and looks > 0 then
      for _, entry in ipairs(call('ZRANGE', entries .. type, 0, math.min(looks, ${FEW_TURNS}) - 1)) do
        local line = keyed.lineOfEntry(entry, type)
        if line then oldest = oldestOf(line, oldest) end
        looks = looks - 1
      end
    end
  end
  for _, line in ipairs(keyLines() and keyed.someLines(${FEW_LINES}) or {}) do oldest = oldestOf(line, oldest) end
  return oldest
end
`;

/** Lua: `typesInLine()` lists the types of which jobs have had their time come, those too of which all are held back. */
const TYPES_IN_LINE = lua`
local function heldTypes()
  return needs('${KEYS}') and call('HLEN', ${key("held_types")}) or 0
end

local function typesInLine()
  local types = call('SMEMBERS', ${key("ready_types")})
  if heldTypes() == 0 then return types end
  local known = {}
  for _, type in ipairs(types) do known[type] = true end
  for _, type in ipairs(call('HKEYS', ${key("held_types")})) do
    if not known[type] then types[#types + 1] = type end
  end
  return types
end
`;

/** Shared start of the scripts that return a queue with its settings and figures. Reads only. */
export const SNAPSHOT = lua`
${OLDEST_READY}
${LIMITS_OF_QUEUE}
${TYPES_IN_LINE}
-- How long the oldest ready job of these types, or of those that are due and not ready yet, has been ready; -1: there is none.
local function oldestAge(types)
  local oldest = oldestReady(types)
  for turn = 1, 2 do
    local key, upTo = scheduleOf(turn == 2)
    local head = call('ZRANGEBYSCORE', key, '-inf', upTo, 'WITHSCORES', 'LIMIT', 0, 1)
    if #head > 0 then
      local runAfter = ofScheduled(turn == 2, head[1], head[2])
      if not oldest or runAfter < oldest then oldest = runAfter end
    end
  end
  return oldest and math.max(0, now - oldest) or -1
end

-- The queue: its meta and its figures, both as names and values, and the first types that have ready jobs. Of many types none is
-- looked at: READY_TYPES and OLDEST tell the rest.
local function snapshot()
  local steadily = '(' .. format('%.0f', steady)
  local delayed = call('ZCOUNT', ${key("delayed")}, steadily, '+inf')
  -- Never more than are delayed: an older server may have taken some of these away.
  local retrying = delayed > 0 and math.min(delayed, call('ZCOUNT', ${key("retrying")}, steadily, '+inf')) or 0
  local scheduled = call('ZCOUNT', ${key("scheduled")}, '(' .. format('%.0f', now), '+inf') + delayed - retrying
  local due = waiting() - scheduled - retrying
  local limited = heldBack(due)
  local many = call('SCARD', ${key("ready_types")}) + heldTypes()
  local types = {}
  if many <= ${FEW_TYPES} then many, types = 0, typesInLine() end
  local slot = rate and due > 0 and due > heldByKeys() and rate.nextSlotAt()
  local figures = {
    'ready', due - limited, 'scheduled', scheduled, 'retrying', retrying, 'limited', limited, 'running', call('ZCARD', ${key("leases")}),
    'dead', call('ZCARD', ${key("dead")}), 'done', archive.done, 'oldest_ready_age', oldestAge(types), 'many_types', many,
    'next_slot_at', slot or 0,
  }
  table.sort(types)
  return {call('HGETALL', KEYS[1]), figures, types}
end
`;

/** Returns the queue (`snapshot`); an empty list when there is no such queue. */
export const SHOW_QUEUE = lua`
${SNAPSHOT}
return answer(exists and snapshot() or {})
`;

/** Returns the types that have jobs in line; of very many, some of them that have ready ones. */
export const READY_TYPES = lua`
${TYPES_IN_LINE}
if call('SCARD', ${key("ready_types")}) + heldTypes() > ${MAX_READY_TYPES} then
  return answer(call('SRANDMEMBER', ${key("ready_types")}, ${MAX_READY_TYPES}))
end
return answer(typesInLine())
`;

/** Returns the earliest run_after of the ready jobs of these types, ARGV[7..]; an empty list when there is none. */
export const OLDEST = lua`
${OLDEST_READY}
return answer({oldestReady({unpack(ARGV, 7)})})
`;

/** Returns how many ready jobs there are of each of these types, ARGV[7..]. */
export const COUNT_READY = lua`
local counts = {}
for at = 7, #ARGV do
  counts[at - 6] = call('ZCARD', entries .. ARGV[at])
  if needs('${KEYS}') then counts[at - 6] = counts[at - 6] + (call('HGET', ${key("behind")}, ARGV[at]) or 0) end
end
return answer(counts)
`;
