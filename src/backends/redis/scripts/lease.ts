import { code, compose, key, meta, number, rest, text, width } from "../layout/lua.js";
import { CODES } from "../layout/table.js";
import { lua } from "./lua.js";

/** Shared start of the scripts that answer the repeat of a lease call. */
const RECALL = lua`
-- The leases of a remembered call that are still held: '=', then of each the job (answerJob), token and ms left.
local function recall(key)
  local reply = {'='}
  local memo = call('GET', key)
  if not memo then return reply end
  memo = cjson.decode(memo)
  if memo.ends_at <= now then return reply end
  for _, id in ipairs(memo.jobs) do
    if isHeld(call('HGET', ${key("states")}, id), memo.token) then
      answerJob(reply, id)
      reply[#reply + 1] = memo.token
      reply[#reply + 1] = math.max(0, tonumber(call('ZSCORE', ${key("leases")}, id) or now) - now)
    end
  end
  return reply
end
`;

/** Reads the leases of an earlier call. ARGV[7] its worker and request id. Returns what LEASE does for a repeat. */
export const RECALL_LEASES = lua`
${RECALL}
return answer(recall(${key("lease_calls")} .. ARGV[7]))
`;

/**
 * Leases ready jobs of a queue, in its order over all of the requested types.
 *
 * ARGV[7] most jobs, [8] lease ms, [9] worker, [10] token of all of these leases, [11] bytes after which no more are
 * leased (empty: no limit), [12] worker and request id, so that a repeat gets the same leases (empty: none), [13..]
 * types.
 * Returns the message, which holds the records of the jobs; for each job its spec and its errors (or empty); and a last
 * 1 when the byte limit was reached. For a repeat instead: `=`, and for each lease still held seven values: five of the
 * job, as `answerJob` gives them, the token, and ms left.
 */
export const LEASE = lua`
${RECALL}
local reply = {'', message = 1}
local max, leaseMs, worker, token, maxBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10], tonumber(ARGV[11])
local memoKey = ARGV[12] ~= '' and ${key("lease_calls")} .. ARGV[12]
if memoKey and exists then
  local again = recall(memoKey)
  if #again > 1 then return finish(again) end
end
if not exists or ${meta("paused")} == '1' then return finish(reply) end
if promote(1000) == 1000 then due(now) end
if maxConcurrency > 0 then max = math.min(max, maxConcurrency - call('ZCARD', ${key("leases")})) end
if max <= 0 then return finish(reply) end

local lines, chosen = {}, {}

-- Each line is read in parts; the best of the heads of all lines is taken until there are enough.
local part = math.min(max, 32)
local function fill(line)
  line.found = call('ZRANGE', line.key, line.from, line.from + part - 1, 'WITHSCORES')
  line.from = line.from + part
  line.at = 1
end

local function isBefore(a, b)
  local scoreA, scoreB = tonumber(a.found[a.at + 1]), tonumber(b.found[b.at + 1])
  if scoreA ~= scoreB then return scoreA < scoreB end
  return a.found[a.at] < b.found[b.at]
end

local asked = {}
for at = 13, #ARGV do
  local type = ARGV[at]
  if not asked[type] then
    asked[type] = true
    local key = ${key("ready")} .. type
    local ready = #ARGV == 13 and 1 or call('ZCARD', key)
    if ready > 0 then lines[#lines + 1] = {key = key, type = type, from = 0, members = {}} end
  end
end
if #lines == 1 and not maxBytes then
  local popped = call('ZPOPMIN', lines[1].key, max)
  for at = 1, #popped, 2 do chosen[#chosen + 1] = idOfPlace(popped[at]) end
  if #popped > 0 then forgetEmptyType(lines[1].type) end
else
  local open = {}
  for _, line in ipairs(lines) do
    fill(line)
    if #line.found > 0 then open[#open + 1] = line end
  end
  local bytes, isFull = 0, false
  while #chosen < max and #open > 0 and not isFull do
    local best = 1
    for at = 2, #open do
      if isBefore(open[at], open[best]) then best = at end
    end
    local line = open[best]
    local member = line.found[line.at]
    local id = idOfPlace(member)
    chosen[#chosen + 1] = id
    line.members[#line.members + 1] = member
    if maxBytes then
      bytes = bytes + 200 + call('HSTRLEN', ${key("specs")}, id) + call('HSTRLEN', ${key("errors")}, id)
      isFull = bytes >= maxBytes
    end
    line.at = line.at + 2
    if line.at > #line.found then fill(line) end
    if #line.found == 0 then table.remove(open, best) end
  end
  for _, line in ipairs(lines) do
    if #line.members > 0 then
      callMany('ZREM', line.key, line.members)
      forgetEmptyType(line.type)
    end
  end
  if isFull then reply[#chosen * 2 + 2] = 1 end
end
if #chosen == 0 then return finish(reply) end
if memoKey then
  call('SET', memoKey, cjson.encode({ends_at = now + leaseMs, token = token, jobs = chosen}), 'PX', leaseMs)
end

local specs, states = readMany(${key("specs")}, chosen), readMany(${key("states")}, chosen)
local changed, leases, begins, tails = {}, {}, {}, {}
local lock = ${code("settled_by", "nothing")} .. token .. '|\n'
local ends = format('%d', now + leaseMs)

local function tailOf(type)
  local tail = tails[type]
  if not tail then
    local text = cjson.encode({type = type, worker = worker})
    tail = {text = text, last = endOfRecord(text)}
    tails[type] = tail
  end
  return tail
end

-- Specs created together have the same start, up to their type: what follows from it is computed once.
local last
local function beginOf(spec)
  if last and find(spec, last.text, 1, true) == 1 then return last end
  local text = sub(spec, 1, ${width("spec")} + ${number("spec", "type_length", "spec")})
  last = begins[text]
  if not last then
    local head = ${compose("head", {
      status: CODES.status.RUNNING,
      priority: text("spec", "priority", "spec"),
      deliveries: 1,
      revision: 2,
      created_at: text("spec", "created_at", "spec"),
      updated_at: "nowText",
      run_after: text("spec", "run_after", "spec"),
      started_at: "nowText",
    })}
    local tail = tailOf(sub(text, ${rest("spec")}))
    last = {
      text = text, state = head .. lock .. tail.text,
      first = ${code("kind", "changed")} .. head, last = tail.last,
    }
    begins[text] = last
  end
  return last
end

for at, id in ipairs(chosen) do
  local spec, raw = specs[at], states[at]
  local errors
  if raw then
    local s = readState(raw)
    s.status, s.deliveries, s.revision, s.updated_at, s.started_at = RUNNING, s.deliveries + 1, s.revision + 1, now, now
    s.tail.worker, s.tail.percent, s.tail.message = worker, nil, nil
    s.token = token
    local tail = tailText(s)
    changed[at * 2] = stateText(s, tail)
    record(${code("kind", "changed")} .. headText(s), id, endOfRecord(tail))
    errors = s.tail.error and call('HGET', ${key("errors")}, id)
  else
    local begin = beginOf(spec)
    changed[at * 2] = begin.state
    record(begin.first, id, begin.last)
  end
  changed[at * 2 - 1] = id
  leases[at * 2 - 1] = ends
  leases[at * 2] = id
  reply[at * 2] = spec
  reply[at * 2 + 1] = errors or ''
end
callMany('HSET', ${key("states")}, changed)
callMany('ZADD', ${key("leases")}, leases)
due(now + leaseMs)
return finish(reply)
`;
