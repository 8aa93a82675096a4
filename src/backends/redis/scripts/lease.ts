import { lua } from "./prelude.js";

/**
 * Leases ready jobs of a queue: of the asked types always the best head.
 *
 * ARGV[7] most jobs, [8] lease ms, [9] worker, [10] start of the tokens, [11..] types.
 * Answers of each job: id, what it was created with, what is shown of it, its errors.
 */
export const LEASE = lua`
local reply = {}
local max, leaseMs, worker, nonce = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
if not exists or meta[4] == '1' then return finish(reply) end
if promote(1000) == 1000 then due(now) end
if maxConcurrency > 0 then max = math.min(max, maxConcurrency - call('ZCARD', base .. 'l')) end
if max <= 0 then return finish(reply) end

-- Each line is read in parts of this size; the best head of all lines is taken until there are enough.
local part = math.min(max, 32)
local lines, chosen, taken = {}, {}, {}

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
    local line = {key = base .. 'r:' .. type, type = type, from = 0}
    if #ARGV == 11 then part = max end
    fill(line)
    if #line.found > 0 then insert(lines, line) end
  end
end
while #chosen < max and #lines > 0 do
  local best = 1
  for at = 2, #lines do
    if isBefore(lines[at], lines[best]) then best = at end
  end
  local line = lines[best]
  local member = line.found[line.at]
  insert(chosen, idOfPlace(member))
  taken[line.key] = taken[line.key] or {type = line.type}
  insert(taken[line.key], member)
  line.at = line.at + 2
  if line.at > #line.found then fill(line) end
  if #line.found == 0 then table.remove(lines, best) end
end
if #chosen == 0 then return finish(reply) end
for key, members in pairs(taken) do
  callMany('ZREM', key, members)
  forgetEmptyType(members.type)
end

local specs, states = readMany(base .. 'j', chosen), readMany(base .. 's', chosen)
local changed, leases = {}, {}
for at, id in ipairs(chosen) do
  local state = states[at] and cjson.decode(states[at]) or firstState(specs[at])
  local shown = state[8]
  state[1] = nonce .. at
  shown[6], shown[11], shown[13], shown[15], shown[16] = shown[6] + 1, now, worker, '', ''
  local text = step(id, state, RUNNING)
  insert(changed, id)
  insert(changed, stateText(state, text))
  insert(leases, now + leaseMs)
  insert(leases, id)
  insert(reply, id)
  insert(reply, specs[at])
  insert(reply, text)
  insert(reply, shown[14] ~= '' and call('HGET', base .. 'e', id) or '')
end
callMany('HSET', base .. 's', changed)
callMany('ZADD', base .. 'l', leases)
due(now + leaseMs)
return finish(reply)
`;
