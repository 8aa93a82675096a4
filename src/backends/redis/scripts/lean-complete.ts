import { code, compose, idLetter, key, meta, metaName, number, rest, text, write } from "../layout/lua.js";
import { CODES } from "../layout/table.js";
import { lua } from "./lua.js";
import { JOB_BYTES, SIZE_LETTERS } from "./parts/finished.js";
import { ANSWER_TTL_MS, APPEND, LOG_MESSAGE, messageHead, PUBLISH } from "./parts/prelude.js";
import { IS_HELD } from "./parts/settling.js";

/** Most jobs that are completed this way: of more the fixed cost of a call is not the most. */
const MOST = 4;

/** Lua: the head of a job that is DONE, from its state `raw`, and its last `stamp`. */
export const DONE_HEAD = compose(
  "head",
  {
    status: CODES.status.DONE,
    cancel_requested: 0,
    revision: write("head", "revision", `${number("head", "revision", "raw")} + 1`),
    updated_at: "stamp",
    finished_at: "stamp",
  },
  { raw: "raw" },
);

/**
 * The part of COMPLETE that comes before everything else: it completes few jobs, all with their current token and without an error of
 * an earlier attempt, when nothing is to be deleted for them and nothing else in the queue matters. Workers that have little to do
 * complete each job as it ends, so that the fixed cost of a script is most of its cost.
 */
export const LEAN_COMPLETE = lua`
if exists and memo and isRepeat == '0' and #ARGV <= ${6 + 3 * MOST} and not ${meta("requires")} and maxConcurrency == 0
  and (${meta("removed")} or '0') == '0' then
${IS_HELD}${SIZE_LETTERS}
local ids, seen, types, letters, isPlain, bytes = {}, {}, {}, {}, true, 0
for at = 7, #ARGV, 3 do ids[#ids + 1] = ARGV[at] end
local states = call('HMGET', ${key("states")}, unpack(ids))
for at, id in ipairs(ids) do
  local raw, token = states[at], ARGV[at * 3 + 5]
  -- One that is given twice is settled already the second time.
  isPlain = isPlain and not seen[id] and isHeld(raw, token)
  if not isPlain then break end
  seen[id] = true
  local tail = cjson.decode(sub(raw, find(raw, '\n', ${rest("state")} + #token, true) + 1))
  isPlain, types[at] = tail.error == nil, tail.type
  letters[at] = sizeLetter(${JOB_BYTES} + call('HSTRLEN', ${key("specs")}, id) + #ARGV[at * 3 + 6])
  bytes = bytes + sizeOfLetter(letters[at])
end
local first = isPlain and call('LINDEX', ${key("finished")}, 0)
local oldest = first and ${number("finished", "finished_at", "first")} or steady
local maxJobs, maxBytes = string.match(maxCompleted, '^(%d+) (%d+)$')
local done, canceled = (${meta("done")} or 0) + #ids, tonumber(${meta("canceled")} or 0)
local kept = math.max(0, (${meta("completed_bytes")} or 0) + bytes)
if isPlain and done + canceled <= tonumber(maxJobs) and kept <= tonumber(maxBytes) and oldest + ttl > steady then
${APPEND}${PUBLISH}
local nowText = ${write("head", "updated_at", "now")}
local steadyText = setAhead == 0 and nowText or ${write("finished", "finished_at", "steady")}
local changed, results, leases, finished = {${key("states")}}, {${key("results")}}, {${key("leases")}}, {${key("finished")}}
local outcomes, records = {}, {'', '\n'}
for at, id in ipairs(ids) do
  local raw, token, result = states[at], ARGV[at * 3 + 5], ARGV[at * 3 + 6]
  local tail = sub(raw, find(raw, '\n', ${rest("state")} + #token, true) + 1)
  local updatedAt = ${text("head", "updated_at", "raw")}
  local stamp = nowText < updatedAt and updatedAt or nowText
  local head = ${DONE_HEAD}
  changed[at * 2], changed[at * 2 + 1] = id, head .. ${code("settled_by", "complete")} .. '|' .. token .. '\n' .. tail
  if result ~= '' then results[#results + 1], results[#results + 2] = id, result end
  leases[at + 1] = id
  finished[at + 1] = letters[at] .. steadyText .. ${write("standing", "created_at", number("head", "created_at", "raw"))} .. ${idLetter("#id")} .. id .. ':' .. types[at]
  records[at * 3], records[at * 3 + 1], records[at * 3 + 2] = ${code("kind", "changed")} .. head, id, ' ' .. tail .. '\n'
  outcomes[at] = format('A %d %d ', DONE, math.max(0, now - ${number("head", "started_at", "raw")})) .. cjson.encode(types[at])
end
local reply = {table.concat(outcomes, '\n')}
call('SET', ${key("answers")} .. memo, callNumber .. ' ' .. cmsgpack.pack({now, reply}), 'PX', '${ANSWER_TTL_MS}')
call('HSET', unpack(changed))
if #results > 1 then call('HSET', unpack(results)) end
call('ZREM', unpack(leases))
call('RPUSH', unpack(finished))
local recent, since = string.match(${meta("recent_bytes")} or '', '^(%d+) (%d+)$')
if steady >= tonumber(since or 0) then recent = math.max(0, (recent or 0) + bytes) end
call('HSET', KEYS[1], ${metaName("done")}, done, ${metaName("canceled")}, canceled, ${metaName("removed")}, 0,
  ${metaName("completed_bytes")}, kept, ${metaName("recent_bytes")}, format('%d %d', recent, since or 0))
call('HINCRBY', KEYS[1], ${metaName("completed")}, #ids)
local position, stamp = append(#ids)
records[1] = ${messageHead({
  ...{ count: "#ids", at: "nowText", due_in: "ttl", flags: "'.'", ready: "'-'" },
  completed: "format('%d,', kept) .. oldest",
})}
local message = table.concat(records)
${LOG_MESSAGE}
return {now, position, tonumber(ttl), reply, counted, '-', publish(message)}
end
end
`;
