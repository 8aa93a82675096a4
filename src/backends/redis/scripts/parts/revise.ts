import { key, number, rest, width } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** The part of the prelude that changes what a PENDING job was created with. */
export const REVISE = lua`
-- A job expires at a time ("=ms" since 1970, "+ms" from now; empty: never), and no longer as before.
local function expireAt(id, ends)
  outlive({id})
  if ends == '' then return end
  local ms, isTimed = tonumber(sub(ends, 2)), sub(ends, 1, 1) == '='
  call('ZADD', isTimed and ${key("expiring")} or ${key("expiring_after")}, format('%d', isTimed and ms or steady + ms), id)
  due(isTimed and ms or now + ms)
end

-- A spec, from its priority on, whose ttl counts from a creation this many ms ago (below 0: TIME has stepped back behind it).
local function withTtlSince(spec, ms)
  local from = ${rest("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")}
  local newline = find(spec, '\n', from, true)
  local extras = cjson.decode(sub(spec, from, newline - 1))
  extras.ttl = extras.ttl + ms
  return sub(spec, 1, from - 1) .. cjson.encode(extras) .. sub(spec, newline)
end

-- The key in a spec from its priority on; nil: it has none.
local function keyOfSpec(spec)
  local from = ${rest("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")}
  if sub(spec, from, from) == '\n' then return nil end
  local extras = sub(spec, from, find(spec, '\n', from, true) - 1)
  return string.match(extras, '^{"key":"([^"\\]+)"') or cjson.decode(extras).key
end

-- Gives a PENDING job another spec (from its priority on; nil: as before), another time ("=ms" since 1970, "+ms" from now; nil: it
-- goes on with what it waits for), and a time to expire (see expireAt; nil: as before), in one change. It keeps its id, its creation
-- and its request id. The caller changes in s what else is to be different, retry_count for instance, before.
local function revise(id, s, spec, when, ends)
  local before = s.tail.type
  local waits, isDelayed, isRetry = leaveLine(before, s.priority, s.created_at, id, s.run_after)
  if spec then
    local type = sub(spec, ${rest("spec", "priority")}, ${width("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")})
    if ends and sub(ends, 1, 1) == '+' then spec = withTtlSince(spec, now - s.created_at) end
    local old = call('HGET', ${key("specs")}, id)
    call('HSET', ${key("specs")}, id, sub(old, 1, ${width("spec") - width("spec", "priority")}) .. spec)
    if type ~= before then
      call('ZREM', ${key("index")}, standingOf(s.created_at, id, before))
      call('ZADD', ${key("index")}, '0', standingOf(s.created_at, id, type))
    end
    s.priority, s.tail.type = ${number("spec", "priority", "spec", "priority")}, type
    local name = keyOfSpec(spec)
    if keyLines(name ~= nil) then keyed.setName(id, name) end
  end
  if when then
    local ms = tonumber(sub(when, 2))
    isDelayed, isRetry = sub(when, 1, 1) == '+', false
    s.run_after = isDelayed and now + ms or ms
    waits = s.run_after > now and (isDelayed and steady + ms or ms)
  end
  if ends then expireAt(id, ends) end
  step(id, s, PENDING)
  save(id, s)
  if waits then putWaiting(isDelayed, waits, s.tail.type, s.priority, s.created_at, id, s.run_after, isRetry)
  else put(s.tail.type, s.priority, s.created_at, id, s.run_after, 0) end
  -- Only now: a type that is gone for a moment would be told as taken.
  afterLeaving(before)
end
`;
