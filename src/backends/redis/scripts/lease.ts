import { lua } from "./prelude.js";

/**
 * Leases ready jobs of a queue: of the asked types always the best head.
 *
 * ARGV[7] most jobs, [8] lease ms, [9] worker, [10] token of them all, [11..] types.
 * Answers the message with the records of the jobs; and of each job its spec, and its errors or nothing.
 */
export const LEASE = lua`
local reply = {'', message = 1}
local max, leaseMs, worker, token = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
if not exists or meta[4] == '1' then return finish(reply) end
if promote(1000) == 1000 then due(now) end
if maxConcurrency > 0 then max = math.min(max, maxConcurrency - call('ZCARD', base .. 'l')) end
if max <= 0 then return finish(reply) end

local lines, chosen, taken = {}, {}, {}

-- Each line is read in parts; the best head of all lines is taken until there are enough.
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
for at = 11, #ARGV do
  local type = ARGV[at]
  if not asked[type] then
    asked[type] = true
    local key = base .. 'r:' .. type
    local ready = #ARGV == 11 and 1 or call('ZCARD', key)
    if ready > 0 then lines[#lines + 1] = {key = key, type = type, from = 0} end
  end
end
if #lines == 1 then
  local line = lines[1]
  local popped = call('ZPOPMIN', line.key, max)
  for at = 1, #popped, 2 do chosen[#chosen + 1] = idOfPlace(popped[at]) end
  if #popped > 0 then taken[1] = {line = line, members = {}} end
  lines = {}
end
for _, line in ipairs(lines) do fill(line) end
while #chosen < max and #lines > 0 do
  local best = 1
  for at = 2, #lines do
    if isBefore(lines[at], lines[best]) then best = at end
  end
  local line = lines[best]
  local member = line.found[line.at]
  chosen[#chosen + 1] = idOfPlace(member)
  if not line.members then
    line.members = {}
    taken[#taken + 1] = {line = line, members = line.members}
  end
  line.members[#line.members + 1] = member
  line.at = line.at + 2
  if line.at > #line.found then fill(line) end
  if #line.found == 0 then table.remove(lines, best) end
end
if #chosen == 0 then return finish(reply) end
for _, each in ipairs(taken) do
  callMany('ZREM', each.line.key, each.members)
  forgetEmptyType(each.line.type)
end

local specs, states = readMany(base .. 'j', chosen), readMany(base .. 's', chosen)
local changed, leases, tails, begins = {}, {}, {}, {}
local lock = '0' .. token .. '|\n'
local ends = format('%d', now + leaseMs)

-- Jobs that were created together begin alike: what is made of that is made once.
local function beginOf(spec)
  local text = sub(spec, 1, 70)
  local begin = begins[text]
  if not begin then
    begin = {
      head = '10' .. sub(spec, 29, 30) .. '00000000010000' .. '000000002' .. sub(spec, 1, 13) .. nowText .. sub(spec, 14, 28)
        .. nowText .. '0000000000000',
      typeEnd = 70 + tonumber(sub(spec, 68, 70)),
    }
    begins[text] = begin
  end
  return begin
end

for at, id in ipairs(chosen) do
  local spec, raw = specs[at], states[at]
  local head, tail, errors
  if raw then
    local s = readState(raw)
    s.status, s.deliveries, s.revision, s.updatedAt, s.startedAt = RUNNING, s.deliveries + 1, s.revision + 1, now, now
    s.worker, s.percent, s.message = worker, '', ''
    head, tail = headText(s), tailText(s)
    changed[at * 2] = head .. s.kind .. token .. '|' .. s.settled .. '\n' .. tail
    errors = s.error ~= '' and call('HGET', base .. 'e', id)
  else
    local begin = beginOf(spec)
    local type = sub(spec, 71, begin.typeEnd)
    head, tail = begin.head, tails[type]
    if not tail then
      tail = cjson.encode({type, worker, '', '', ''})
      tails[type] = tail
    end
    changed[at * 2] = head .. lock .. tail
  end
  changed[at * 2 - 1] = id
  leases[at * 2 - 1] = ends
  leases[at * 2] = id
  record('0', head, id, tail)
  reply[at * 2] = spec
  reply[at * 2 + 1] = errors or ''
end
callMany('HSET', base .. 's', changed)
callMany('ZADD', base .. 'l', leases)
due(now + leaseMs)
return finish(reply)
`;
