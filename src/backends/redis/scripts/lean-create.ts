import { AUTOMATIC_PREFIX, MAX_REQUEST_IDS, REQUEST_ID_TTL_MS, WITH_JOB_MS } from "../../../model/job/request-id.js";
import { code, compose, idLetter, key, meta, number, text, width, write } from "../layout/lua.js";
import { lua } from "./lua.js";
import { ANSWER_TTL_MS, APPEND, LOG_MESSAGE, messageHead, PUBLISH, TYPES_WORD } from "./parts/prelude.js";
import { FORGETTING } from "./parts/request-ids.js";
import { READY_SCORE } from "./parts/waiting.js";

/**
 * The part of ENQUEUE that comes before everything else: it creates a single job that is ready at once and has no key, in a queue that
 * asks nothing of its jobs. A single caller waits for each of its creates, so that the fixed cost of a script is all of its cost. Its
 * request id, if it has one, is not known yet, and none is to be forgotten.
 */
export const LEAN_CREATE = lua`
local id, digest, request = false, nil, nil
if exists and memo and isRepeat == '0' and ARGV[7] == '1' and ARGV[9] == '1' and (ARGV[8] == 'c' or find(ARGV[8], '^cr?|?%x?$'))
  and not ${meta("requires")} and tonumber(${meta("max_depth")} or 0) == 0 then
  id = ARGV[10]
  if find(id, '|', 1, true) then
    id, digest, request = string.match(id, '^(%d+)|%+0|([^|]*)|(.+)$')
    if request and (call('HEXISTS', ${key("requests")}, request) == 1 or (micros or 0) % ${FORGETTING} == 0
      and (call('ZCARD', ${key("request_ends")}) >= ${MAX_REQUEST_IDS} or call('ZCOUNT', ${key("request_ends")}, '-inf', steady) > 0)) then
      id = nil
    end
  end
end
if id then
${TYPES_WORD}${APPEND}${PUBLISH}${READY_SCORE}
local spec = ARGV[11]
local priority = ${text("spec", "priority", "spec", "priority")}
local type = sub(spec, ${width("spec", "priority") + 1}, ${width("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")})
local ready = typesWord({type})
-- Most types are written alike everywhere.
local json = ready == type and '{"type":"' .. type .. '"}' or cjson.encode({type = type})
local nowText, nowLong = ${write("head", "updated_at", "now")}, ${write("spec", "run_after", "now")}
local standing = ${compose("place", { created_at: write("place", "created_at", "now"), id_length: idLetter("#id") })} .. id
call('HSET', ${key("specs")}, id, ${compose("spec", { created_at: "nowText", run_after: "nowLong" }, { before: "priority" })} .. spec)
call('ZADD', ${key("index")}, '0', standing .. ':' .. type)
call('ZADD', ${key("ready")} .. type, readyScore(tonumber(priority), now), standing)
call('SADD', ${key("ready_types")}, type)
local isOwn = false
if request then
  isOwn = find(request, '${AUTOMATIC_PREFIX}', 1, true) ~= 1
  call('HSET', ${key("requests")}, request, ${compose("created", { created_at: "nowText", run_after: "nowLong" })} .. id .. ' ' .. digest)
  call('ZADD', ${key("request_ends")}, format('%d', steady + ${REQUEST_ID_TTL_MS} + (isOwn and ${WITH_JOB_MS} or 0)), request)
  if isOwn then call('HSET', ${key("requests_of_jobs")}, id, request) end
end
local position, stamp = append(1)
local message = ${messageHead({ count: "1", at: "nowText", due_in: "'-1'", flags: "'r.'", ready: "ready" })} .. '\n' .. ${compose("creation", { kind: code("kind", "created"), priority: "priority", run_after: "nowLong" })} .. id .. ' ' .. json .. '\n'
${LOG_MESSAGE}
local untold = publish(message)
-- In MessagePack: the time, as a text, and the answer, that nothing was created before in the only group. A repeat of a create with a
-- request id of a client's own making finds what that created.
if not request or isOwn then
call('SET', ${key("answers")} .. memo, callNumber .. ' \146\173' .. nowText .. '\145\144', 'PX', '${ANSWER_TTL_MS}')
end
return {now, position, -1, {{}}, counted, ready, untold}
end
`;
