import { LIMITS } from "../../../../model/common/limits.js";
import { code, key, number, rest, text } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** Bytes of jobs that one script call reads, about, to see whether they match: 1 MB takes Redis about 1 ms. */
const READ_BYTES = 524_288;

/**
 * Lua: `matches(id, type, createdAt, raw)` tells whether a job is chosen by the filter in `match`, JSON as `filterText` of
 * filter-text.ts writes it. Needs `PENDING` of pending.ts. `isSpent()`: so much was read that this call should end. The matcher of the
 * core does the same.
 */
export const FILTER = lua`
local function setOf(list)
  if not list then return nil end
  local set = {}
  for _, each in ipairs(list) do set[each] = true end
  return set
end

local types, statuses, numbers, keys = setOf(match.types), setOf(match.statuses), setOf(match.numbers), setOf(match.keys)
local pendings = setOf(match.pendings)
local isTimed = match.finishedAfter or match.finishedBefore
local looksAtTail = match.worker or match.errorContains or match.errorEquals or match.errorGroup
local spent = 0

local function isSpent()
  return spent > ${READ_BYTES}
end

-- The start of an error with each number and id in it as #: as errorGroupOf of the core.
local UUID = string.gsub('8-4-4-4-12', '%d+', function(count) return string.rep('%x', tonumber(count)) end)
UUID = string.gsub(UUID, '-', '%%-')
local function groupOf(start)
  local error = string.gsub(start, UUID, '#')
  return (string.gsub(error, '%w[%w.]*', function(word)
    if find(word, '%d') then return '#' .. string.match(word, '%.*$') end
  end))
end

-- The whole last error, of which start is known.
local function wholeError(id, start)
  if #start < ${LIMITS.changeErrorLength} then return start end
  local raw = call('HGET', ${key("errors")}, id)
  if not raw then return start end
  spent = spent + #raw
  return cjson.decode(raw).error
end

local function isLike(id, raw)
  local tail = raw and cjson.decode(sub(raw, find(raw, '\n', ${rest("state")}, true) + 1)) or {}
  spent = spent + (raw and #raw or 0)
  if match.worker and tail.worker ~= match.worker then return false end
  local start = tail.error or ''
  if match.errorGroup and groupOf(start) ~= match.errorGroup then return false end
  if match.errorEquals and wholeError(id, start) ~= match.errorEquals then return false end
  return not match.errorContains or find(wholeError(id, start), match.errorContains, 1, true) ~= nil
end

local function isMade(id)
  spent = spent + call('HSTRLEN', ${key("specs")}, id)
  local spec = call('HGET', ${key("specs")}, id)
  if not spec then return false end
  local from = ${rest("spec")} + ${number("spec", "type_length", "spec")}
  local newline = find(spec, '\n', from, true)
  if newline == from then return false end
  local extras = cjson.decode(sub(spec, from, newline - 1))
  if match.schedule and extras.schedule ~= match.schedule then return false end
  local metadata = extras.metadata or {}
  for name, value in pairs(match.metadata or {}) do
    if metadata[name] ~= value then return false end
  end
  return true
end

-- createdAt and raw, the state, are read when they are needed and not given.
local function matches(id, type, createdAt, raw)
  if types and not types[type] then return false end
  if numbers and not numbers[id] then return false end
  if keys and not keys[call('HGET', ${key("keys")}, id) or ''] then return false end
  local hasRaw = raw ~= nil
  local function state()
    if not hasRaw then raw, hasRaw = call('HGET', ${key("states")}, id), true end
    return raw
  end
  if match.createdAfter or match.createdBefore then
    local at = createdAt or ${number("state", "created_at", "state()")}
    if match.createdAfter and at < match.createdAfter then return false end
    if match.createdBefore and at >= match.createdBefore then return false end
  end
  if statuses then
    local digit = state() and ${text("state", "status", "raw")} or ${code("status", "PENDING")}
    if not statuses[digit] then return false end
  end
  if match.cancelRequested ~= nil then
    local isRequested = (state() and ${number("state", "cancel_requested", "raw")} or 0) == 1
    if isRequested ~= match.cancelRequested then return false end
  end
  if isTimed then
    local at = state() and ${number("state", "finished_at", "raw")} or 0
    if at == 0 then return false end
    if match.finishedAfter and at < match.finishedAfter then return false end
    if match.finishedBefore and at >= match.finishedBefore then return false end
  end
  if looksAtTail and not isLike(id, state()) then return false end
  if pendings then
    -- createdAt is given but for dead jobs.
    local function spec()
      spent = spent + call('HSTRLEN', ${key("specs")}, id)
      return call('HGET', ${key("specs")}, id)
    end
    if not pendings[sub(pendingOf(id, type, createdAt, spec, state()), 1, 1)] then return false end
  end
  return not (match.metadata or match.schedule) or isMade(id)
end
`;
