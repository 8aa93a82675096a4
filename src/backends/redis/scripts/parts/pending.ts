import { KEYS } from "../../layout/features.js";
import { code, key, meta, metaName, number, text } from "../../layout/lua.js";
import { HELD_CODES, PENDING_CODES } from "../../layout/pending-codes.js";
import { FULL_KEY } from "../key-lines/known-keys.js";
import { lua } from "../lua.js";

/**
 * Lua: what holds back jobs of the queue whose time has come. `heldByKeys()` tells how many stand in line whose keys run as many as they
 * may; `limitOfQueue(byKeys)` is, with so many of these, the letter of the limit that holds back all jobs of the queue now, nil when
 * none does; `heldBack(due)` tells how many of its so many due jobs limits hold back.
 */
export const LIMITS_OF_QUEUE = lua`
local function heldByKeys()
  return needs('${KEYS}') and tonumber(call('HGET', KEYS[1], ${metaName("held")}) or 0) or 0
end

local function limitOfQueue(byKeys)
  -- Those that their keys hold back wait for no slot.
  local hasSlot = not rate or not rate.nextSlot() or (byKeys > 0 and call('EXISTS', ${key("ready_types")}) == 0)
  if not hasSlot then return '${HELD_CODES.RATE_LIMIT}' end
  if maxConcurrency > 0 and call('ZCARD', ${key("leases")}) >= maxConcurrency then return '${HELD_CODES.MAX_CONCURRENCY}' end
end

local function heldBack(due)
  if due == 0 then return 0 end
  local byKeys = heldByKeys()
  return limitOfQueue(byKeys) and due or byKeys
end
`;

/**
 * Lua: what PENDING jobs wait for. `pendingOf(id, type, createdAt, spec, raw)` is a letter of `PENDING_CODES` and, where something holds
 * back a job whose time has come, one of `HELD_CODES`; empty for a job that is not PENDING. createdAt as a place has it; raw: its
 * state, empty or false when it has none; spec: a function that returns its spec, which is asked only when it matters.
 *
 * `answerRead(give, reply, id)` adds a job as give does, which is answerJob or answerBasic, and that as its sixth value.
 */
export const PENDING = lua`
${LIMITS_OF_QUEUE}
-- What is the same for all jobs of the queue is looked at once. Mostly nothing waits for a time: what is PENDING is due then.
local hasTimes, limit, hasKeys, fullKeys
local function lookAtQueue()
  if keyed then keyed.flush() end
  hasTimes = call('EXISTS', ${key("scheduled")}, ${key("delayed")}) > 0
  limit = limitOfQueue(heldByKeys())
  hasKeys, fullKeys = needs('${KEYS}'), {}
end

-- The letter of the limit that holds back a job whose time has come; nil: none does.
local function limitOf(id)
  if limit then return limit end
  local name = hasKeys and call('HGET', ${key("keys")}, id)
  if not name then return nil end
  if fullKeys[name] == nil then
    fullKeys[name] = tonumber(call('ZSCORE', ${key("running_keys")}, name) or 0) >= ${FULL_KEY}
  end
  return fullKeys[name] and '${HELD_CODES.MAX_CONCURRENCY_PER_KEY}' or nil
end

local function isInLine(id, type, standing)
  local name = hasKeys and (call('HGET', ${key("keys")}, id) or (byTurns and ''))
  local line = name and ${key("line")} .. format('%03d', #name) .. name .. type or ${key("ready")} .. type
  return call('ZSCORE', line, standing)
end

-- Whether a job waits for its time: the letter of how; nil: it is due.
local function waitsFor(id, type, createdAt, spec, raw)
  local standing = placeOf(createdAt, id)
  if isInLine(id, type, standing) then return nil end
  local priority, runAfter
  if raw then
    priority, runAfter = ${number("state", "priority", "raw")}, ${number("state", "run_after", "raw")}
  else
    local spec = spec()
    priority, runAfter = ${number("spec", "priority", "spec")}, ${number("spec", "run_after", "spec")}
  end
  for turn = 1, 2 do
    local isDelayed = turn == 2
    local key, upTo = scheduleOf(isDelayed)
    local ends = call('ZSCORE', key, waitingMember(isDelayed, type, priority, standing, runAfter))
    if ends then
      if tonumber(ends) <= upTo then return nil end
      return isDelayed and call('ZSCORE', ${key("retrying")}, id) and '${PENDING_CODES.RETRYING}' or '${PENDING_CODES.SCHEDULED}'
    end
  end
end

local function pendingOf(id, type, createdAt, spec, raw)
  if raw == '' then raw = false end
  if raw and ${text("state", "status", "raw")} ~= ${code("status", "PENDING")} then return '' end
  if hasTimes == nil then lookAtQueue() end
  local waits = hasTimes and waitsFor(id, type, createdAt, spec, raw)
  if waits then return waits end
  local limit = limitOf(id)
  local held = ${meta("paused")} == '1' and '${HELD_CODES.PAUSED}' or limit or ''
  return (limit and '${PENDING_CODES.LIMITED}' or '${PENDING_CODES.READY}') .. held
end

local function answerRead(give, reply, id)
  local at = #reply
  give(reply, id)
  local spec, raw = reply[at + 2], reply[at + 3]
  reply[at + 6] = spec == '' and ''
    or pendingOf(id, typeOfSpec(spec), ${number("spec", "created_at", "spec")}, function() return spec end, raw)
end
`;
