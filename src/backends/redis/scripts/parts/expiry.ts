import { EXPIRED } from "../../../../model/job/job.js";
import { key } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** The part of the prelude that cancels jobs that have expired. */
export const EXPIRIES = lua`
-- Cancels up to max jobs that have expired. Returns how many it examined; told gets five values of each, as SWEEP answers them.
local function expire(max, told)
  local count = 0
  for turn = 1, 2 do
    local key = turn == 1 and ${key("expiring")} or ${key("expiring_after")}
    local ids = call('ZRANGEBYSCORE', key, '-inf', turn == 1 and now or steady, 'LIMIT', 0, max - count)
    callMany('ZREM', key, ids)
    for _, id in ipairs(ids) do
      local s = stateOf(id)
      -- What began or ended is no longer among them, unless a server did that which does not know them.
      if s and s.status == PENDING and s.deliveries == 0 then
        unput(s.tail.type, s.priority, s.created_at, id, s.run_after)
        s.tail.error = '${EXPIRED}'
        endCanceled(id, s)
        for _, each in ipairs({s.status, s.tail.type, id, 0, ''}) do told[#told + 1] = each end
      end
    end
    count = count + #ids
  end
  return count
end

-- A job that went back to its beginning expires again. What of a ttl is left is told by the stamp of its creation.
local function expireAgain(id, s)
  local given = extrasOf(call('HGET', ${key("specs")}, id))
  if not given then return end
  local ends = given.expires_at or (given.ttl and s.created_at + given.ttl)
  if not ends then return end
  if given.ttl then call('ZADD', ${key("expiring_after")}, format('%d', ends - setAhead), id)
  else call('ZADD', ${key("expiring")}, format('%d', ends), id) end
  due(ends)
end
`;
