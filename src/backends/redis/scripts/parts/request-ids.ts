import { AUTOMATIC_PREFIX, MAX_REQUEST_IDS } from "../../../../model/job/request-id.js";
import { key, rest } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** Of jobs created alone, one in about so many looks whether there are request ids to forget; then more than that go. */
export const FORGETTING = 16;

/** The part of the prelude that forgets request ids. */
export const REQUEST_IDS = lua`
-- Whether a client made it by itself for its own repeats.
local function isAutomatic(request)
  return find(request, '${AUTOMATIC_PREFIX}', 1, true) == 1
end

-- Forgets up to max of the request ids that have had their time, and those that are too many.
local function forgetRequests(max)
  local old = call('ZRANGEBYSCORE', ${key("request_ends")}, '-inf', steady, 'LIMIT', 0, max)
  callMany('ZREM', ${key("request_ends")}, old)
  local over = call('ZCARD', ${key("request_ends")}) - ${MAX_REQUEST_IDS}
  if over > 0 then
    local popped = call('ZPOPMIN', ${key("request_ends")}, over)
    for at = 1, #popped, 2 do old[#old + 1] = popped[at] end
  end
  if #old == 0 then return end
  local jobs = {}
  for at, made in ipairs(readMany(${key("requests")}, old)) do
    -- The job that a create met has a request id of its own.
    if made and not find(made, '![kr]$') then
      jobs[#jobs + 1] = sub(made, ${rest("created")}, find(made, ' ', ${rest("created")}, true) - 1)
    end
  end
  callMany('HDEL', ${key("requests")}, old)
  callMany('HDEL', ${key("requests_of_jobs")}, jobs)
end
`;
