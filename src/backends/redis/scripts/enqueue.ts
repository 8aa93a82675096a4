import { lua } from "./prelude.js";

/**
 * Creates jobs in one queue, group by group; each group whole or not at all.
 *
 * ARGV[7] how many groups; then of each: `c` create, `a` create again after a lost answer, `f` create whatever the depth,
 * `d` only check; how many jobs; and of each job three: id; when and for which request: empty (now, none), or `+ms` from
 * now or `=ms` since 1970, a bar, and the request id; the spec from its priority on.
 * Answers of each group `F` and max_depth (full), `N` (no such queue) or a list of the jobs that existed already, each its
 * position in the group and the job.
 */
export const ENQUEUE = lua`
local reply = {}
local maxDepth = tonumber(meta[3] or 0)
local depth = 0
if maxDepth > 0 then
  depth = call('HLEN', base .. 'j') - call('ZCARD', base .. 'l') - call('ZCARD', base .. 'd') - call('ZCARD', base .. 'f')
end
local added, indexed, scheduled, lines, requests, owners, known = {}, {}, {}, {}, {}, {}, {}
local nowLong = format('%015d', now)
local nowPlace = format('%011x', now)
local letters = {}

local function ownerOf(request)
  if known[request] == nil then known[request] = call('HGET', base .. 'q', request) end
  return known[request]
end

local function requestOf(at)
  local when = ARGV[at + 1]
  if when == '' then return '' end
  return sub(when, find(when, '|', 1, true) + 1)
end

local function create(at, request)
  local id, when, spec = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local type = sub(spec, 43, 42 + tonumber(sub(spec, 40, 42)))
  local line = lines[type]
  if not line then
    line = {json = ' ' .. cjson.encode(type), suffix = ':' .. type, ready = {}}
    lines[type] = line
  end
  local letter = letters[#id]
  if not letter then
    letter = string.char(96 + #id)
    letters[#id] = letter
  end
  local priority = sub(spec, 1, 2)
  local runAfter, runAfterText = now, nowLong
  if when ~= '' then
    local ms = tonumber(sub(when, 2, find(when, '|', 1, true) - 1))
    runAfter = sub(when, 1, 1) == '+' and now + ms or ms
    runAfterText = format('%015d', runAfter)
  end
  local count = #added
  added[count + 1] = id
  added[count + 2] = nowText .. runAfterText .. spec
  indexed[count + 1] = 0
  indexed[count + 2] = letter .. id .. line.suffix
  if runAfter > now then
    scheduled[#scheduled + 1] = runAfter
    scheduled[#scheduled + 1] = priority .. nowPlace .. letter .. id .. line.suffix
    due(runAfter)
  else
    local ready = line.ready
    local size = #ready
    ready[size + 1] = readyScore(tonumber(priority), runAfter)
    ready[size + 2] = nowPlace .. letter .. id
  end
  records[#records + 1] = '2' .. priority .. runAfterText .. id .. line.json
  if request ~= '' then
    requests[#requests + 1] = request
    requests[#requests + 1] = id
    owners[#owners + 1] = id
    owners[#owners + 1] = request
    known[request] = id
  end
  depth = depth + 1
end

local at = 8
for group = 1, tonumber(ARGV[7]) do
  local mode, count = ARGV[at], tonumber(ARGV[at + 1])
  local first, last = at + 2, at + 2 + (count - 1) * 3
  at = last + 3
  if not exists then
    reply[group] = 'N'
  else
    local fresh, seen = 0, {}
    if maxDepth > 0 then
      for job = first, last, 3 do
        local request = requestOf(job)
        local isNew = request == '' or (not ownerOf(request) and not seen[request])
        if mode == 'a' and call('HEXISTS', base .. 'j', ARGV[job]) == 1 then isNew = false end
        seen[request] = true
        if isNew then fresh = fresh + 1 end
      end
    end
    if fresh > 0 and depth + fresh > maxDepth and mode ~= 'f' then
      reply[group] = 'F' .. maxDepth
    else
      local old = {}
      reply[group] = old
      if mode ~= 'd' then
        for job = first, last, 3 do
          local request = requestOf(job)
          local owner = request ~= '' and ownerOf(request)
          local isThere = mode == 'a' and call('HEXISTS', base .. 'j', ARGV[job]) == 1
          if owner and owner ~= ARGV[job] then old[#old + 1] = {(job - first) / 3, owner}
          elseif not owner and not isThere then create(job, request) end
        end
      end
    end
  end
end

callMany('HSET', base .. 'j', added)
callMany('ZADD', base .. 'i', indexed)
callMany('ZADD', base .. 'z', scheduled)
for type, line in pairs(lines) do
  if #line.ready > 0 then
    callMany('ZADD', base .. 'r:' .. type, line.ready)
    call('SADD', base .. 't', type)
    isReady = true
  end
end
callMany('HSET', base .. 'q', requests)
callMany('HSET', base .. 'w', owners)

-- Jobs that existed already are read last: some were created by this very call.
for group, old in ipairs(reply) do
  if type(old) == 'table' then
    local jobs = {}
    for _, entry in ipairs(old) do
      jobs[#jobs + 1] = entry[1]
      answerJob(jobs, entry[2])
    end
    reply[group] = jobs
  end
end
return finish(reply)
`;
