import { UNIQUE } from "../../layout/features.js";
import { key, number, rest } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** The part of the prelude that buries jobs, and deletes the DEAD ones that are too many or too old. */
export const DEAD_LETTERS = lua`
-- When a DEAD job died, in steady time. Of one that an older server buried, as if TIME had been set before that only.
local function diedAt(s)
  return s.tail.died or s.finished_at - setAhead
end

-- The DEAD job with so many before it: its id, member, and state; nil: there is none.
local function oldestDead(at)
  local member = call('ZRANGE', ${key("dead")}, at, at)[1]
  if not member then return nil end
  local id = sub(member, ${rest("member")}, find(member, ':', 1, true) - 1)
  return {id = id, member = member, state = stateOf(id)}
end

-- By how many there are more DEAD jobs than may be kept.
local function deadOver()
  return maxDead and call('ZCARD', ${key("dead")}) - maxDead or 0
end

-- Deletes up to max DEAD jobs that are too many or too old, those that died first, and logs that. Returns how many.
local function trimDead(max)
  if not deadTtl and not maxDead then return 0 end
  local over, ids, members, dead = deadOver(), {}, {}, {}
  while #ids < max do
    local oldest = oldestDead(#ids)
    if not oldest then break end
    local s = oldest.state
    if #ids >= over and not (deadTtl and diedAt(s) + deadTtl <= steady) then break end
    local at = #ids + 1
    ids[at], members[at], dead[at] = oldest.id, standingOf(s.created_at, oldest.id, s.tail.type), oldest.member
    deleted(oldest.id, s)
  end
  callMany('ZREM', ${key("dead")}, dead)
  drop(ids, members)
  return #ids
end

-- RUNNING or FAILED to DEAD. What is left of the hold of its unique key is kept for a replay.
local function bury(id, s)
  if needs('${UNIQUE}') then
    local claim = call('HGET', ${key("unique_of")}, id)
    local ends = claim and ${number("claim", "until", "claim")} or 0
    s.tail.hold = ends > steady and ends or nil
    letGo({id})
  end
  s.finished_at, s.tail.died = math.max(now, s.updated_at), steady
  if deadTtl then due(now + deadTtl) end
  step(id, s, DEAD)
  save(id, s)
  call('ZADD', ${key("dead")}, s.finished_at, idKey(id) .. ':' .. s.tail.type)
end
`;
