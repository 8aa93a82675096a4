import { lua } from "./prelude.js";

/**
 * Leases ready jobs of a queue: of the asked types always the best head.
 *
 * ARGV[7] most jobs, [8] lease ms, [9] worker, [10] start of the tokens, [11..] types.
 * Answers of each job its spec; `E` and its errors, where it has some; and its record, without the kind.
 */
export const LEASE = lua`
local reply = {}
local max, leaseMs, worker, nonce = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
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
  local members = call('ZRANGE', line.key, 0, max - 1)
  for at, member in ipairs(members) do chosen[at] = idOfPlace(member) end
  if #members > 0 then taken[1] = {line = line, members = members} end
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
local changed, leases, tails = {}, {}, {}
local until_ = now + leaseMs
for at, id in ipairs(chosen) do
  local spec, raw = specs[at], states[at]
  local head, limits, settled, tail, hasErrors
  if raw then
    local s = readState(raw)
    s.status, s.deliveries, s.revision, s.updatedAt, s.startedAt = RUNNING, s.deliveries + 1, s.revision + 1, now, now
    s.worker, s.percent, s.message = worker, '', ''
    head, limits, settled, tail, hasErrors = headText(s), s.limits .. s.kind, s.settled, tailText(s), s.error ~= ''
  else
    local createdAt, type = sub(spec, 1, 13), typeOfSpec(spec)
    head = '10' .. sub(spec, 29, 30) .. '00000000010000' .. '000000002' .. createdAt .. nowText .. sub(spec, 14, 28)
      .. nowText .. '0000000000000'
    limits, settled, tail = sub(spec, 31, 55) .. '0', '', tails[type]
    if not tail then
      tail = cjson.encode({type, worker, '', '', ''})
      tails[type] = tail
    end
  end
  changed[at * 2 - 1] = id
  changed[at * 2] = head .. limits .. nonce .. at .. '|' .. settled .. '\n' .. tail
  leases[at * 2 - 1] = until_
  leases[at * 2] = id
  local text = head .. id .. ' ' .. tail
  records[at] = '0' .. text
  reply[#reply + 1] = spec
  if hasErrors then reply[#reply + 1] = 'E' .. call('HGET', base .. 'e', id) end
  reply[#reply + 1] = text
end
callMany('HSET', base .. 's', changed)
callMany('ZADD', base .. 'l', leases)
due(until_)
return finish(reply)
`;
