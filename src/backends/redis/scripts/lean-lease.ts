import { code, compose, key, meta, rest, text, write } from "../layout/lua.js";
import { CODES } from "../layout/table.js";
import { lua } from "./lua.js";
import { JOB_BYTES } from "./parts/finished.js";
import { ANSWER_TTL_MS, APPEND, LOG_MESSAGE, messageHead, PUBLISH, TYPES_WORD } from "./parts/prelude.js";

/** Most jobs that are leased this way: of more the fixed cost of a call is not the most. */
const MOST = 4;

/** Most types that are looked at for that: the rest of the script looks at them again if it is no use. */
const MOST_TYPES = 16;

/** Lua: the head of a job that is leased for the first time, from its `spec`, `createdAt` in it, and the `stamp` of the lease. */
export const FIRST_LEASE = compose("head", {
  status: CODES.status.RUNNING,
  priority: text("spec", "priority", "spec"),
  deliveries: 1,
  revision: 2,
  created_at: "createdAt",
  updated_at: "stamp",
  run_after: text("spec", "run_after", "spec"),
  started_at: "stamp",
});

/**
 * The part of LEASE that comes before everything else: it leases all ready jobs when these are few and of one type, none of them ran
 * before, and nothing else in the queue matters. Whoever has idle workers leases each job as it comes, so that the fixed cost of a script is most of
 * its cost.
 */
export const LEAN_LEASE = lua`
if exists and memo and isRepeat == '0' and #ARGV <= ${12 + MOST_TYPES} and not ${meta("requires")} and not byTurns and ${meta("paused")} ~= '1' and maxConcurrency == 0
  and call('EXISTS', ${key("scheduled")}, ${key("delayed")}) == 0 then
local type, ids, isMixed
for at = 13, #ARGV do
  -- One more than may be: these are all only if that is not there.
  local found = call('ZRANGE', entries .. ARGV[at], 0, ${MOST})
  if #found > 0 then
    isMixed = ids
    if isMixed then break end
    type, ids = ARGV[at], found
  end
end
if not ids then return {now, 0, -1, {''}, counted, '-'} end
local specs, states, isPlain, bytes = nil, nil, not isMixed and #ids <= ${MOST} and #ids <= tonumber(ARGV[7]), 0
if isPlain then
  for at, place in ipairs(ids) do ids[at] = sub(place, ${rest("place")}) end
  specs, states = call('HMGET', ${key("specs")}, unpack(ids)), call('HMGET', ${key("states")}, unpack(ids))
  for at, spec in ipairs(specs) do
    isPlain, bytes = isPlain and not states[at], bytes + ${JOB_BYTES} + #spec
  end
end
if isPlain and bytes < (tonumber(ARGV[11]) or math.huge) then
${TYPES_WORD}${APPEND}${PUBLISH}
local leaseMs, token = tonumber(ARGV[8]), ARGV[10]
call('UNLINK', entries .. type)
local gone = '-'
if call('SREM', ${key("ready_types")}, type) == 1 then gone = typesWord({type}) end
call('SET', ${key("answers")} .. memo, callNumber .. ' ' .. cmsgpack.pack({now, ids}), 'PX', '${ANSWER_TTL_MS}')
local nowText, ends = ${write("head", "updated_at", "now")}, format('%d', steady + leaseMs)
local tail = cjson.encode({type = type, worker = ARGV[9]})
local lock, last = ${code("settled_by", "nothing")} .. token .. '|\n' .. tail, ' ' .. tail .. '\n'
local reply, changed, leases, records = {''}, {${key("states")}}, {${key("leases")}}, {'', '\n'}
for at, id in ipairs(ids) do
  local spec = specs[at]
  local createdAt = ${text("spec", "created_at", "spec")}
  local stamp = nowText < createdAt and createdAt or nowText
  local head = ${FIRST_LEASE}
  changed[at * 2], changed[at * 2 + 1] = id, head .. lock
  leases[at * 2], leases[at * 2 + 1] = ends, id
  reply[at * 2], reply[at * 2 + 1] = spec, ''
  records[at * 3], records[at * 3 + 1], records[at * 3 + 2] = ${code("kind", "changed")} .. head, id, last
end
call('HSET', unpack(changed))
call('ZADD', unpack(leases))
local position, stamp = append(#ids)
records[1] = ${messageHead({
  ...{ count: "#ids", at: "nowText", due_in: "leaseMs", flags: "'.'", ready: "'-'" },
  gone: "gone",
})}
local message = table.concat(records)
${LOG_MESSAGE}
reply[1] = message
return {now, position, leaseMs, reply, counted, '-', publish(message) and 1}
end
end
`;
