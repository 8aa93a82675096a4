import { code, compose, idLetter, key, meta, number, text, width, write } from "../layout/lua.js";
import { lua } from "./lua.js";
import { ANSWER_TTL_MS, APPEND, LOG_MESSAGE, messageHead, TYPES_WORD } from "./parts/prelude.js";
import { READY_SCORE } from "./parts/waiting.js";

/**
 * The part of ENQUEUE that comes before everything else: it creates a single job that is ready at once and has neither a request id nor a
 * key, in a queue that asks nothing of its jobs. A single caller waits for each of its creates, so that the fixed cost of a script is all of
 * its cost.
 */
export const LEAN_CREATE = lua`
if exists and memo and isRepeat == '0' and ARGV[7] == '1' and ARGV[9] == '1' and (ARGV[8] == 'c' or find(ARGV[8], '^c|%x$'))
  and not find(ARGV[10], '|', 1, true) and not ${meta("requires")} and tonumber(${meta("max_depth")} or 0) == 0 then
${TYPES_WORD}${APPEND}${READY_SCORE}
local id, spec = ARGV[10], ARGV[11]
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
local position, stamp = append(1)
local message = ${messageHead({ count: "1", at: "nowText", due_in: "'-1'", flags: "'r.'", ready: "ready" })} .. '\n' .. ${compose("creation", { kind: code("kind", "created"), priority: "priority", run_after: "nowLong" })} .. id .. ' ' .. json .. '\n'
${LOG_MESSAGE}
call('PUBLISH', channel, message)
-- In MessagePack: the time, as a text, and the answer, that nothing was created before in the only group.
call('SET', ${key("answers")} .. memo, callNumber .. ' \146\173' .. nowText .. '\145\144', 'PX', '${ANSWER_TTL_MS}')
return {now, position, -1, {{}}, counted, ready}
end
`;
