import { code, compose, idLetter, key, meta, number, text, width, write } from "../layout/lua.js";
import { lua } from "./lua.js";

/**
 * Creates jobs in one queue, group by group; each group completely or not at all.
 *
 * ARGV[7] number of groups, [8] 1 when the call is repeated after a lost answer. Then for each group: `c` create, `f`
 * create whatever the depth, or `d` only check; number of jobs; and for each job two arguments. The first is the id
 * alone, for a job that is ready now and has no request id, else `<id>|<when>|<request id>`, where <when> is `+ms` from
 * now or `=ms` since 1970. The second is the spec from its priority on.
 *
 * Returns for each group: `N` (no such queue), `F` and max_depth (full), or a list of the jobs that existed already,
 * each as its position in the group and the job (`answerJob`).
 */
export const ENQUEUE = lua`
local reply = {}
local maxDepth = tonumber(${meta("max_depth")} or 0)
local depth = 0
if maxDepth > 0 then
  depth = waiting()
end
local added, indexed, scheduled, lines, requests, owners, known = {}, {}, {}, {}, {}, {}, {}
local nowLong = ${write("spec", "run_after", "now")}
local nowTimes = ${compose("spec", { created_at: "nowText", run_after: "nowLong" }, { before: "priority" })}
local nowPlace = ${write("place", "created_at", "now")}
local letters, begins, entry = {}, {}, 0

local function ownerOf(request)
  if known[request] == nil then known[request] = call('HGET', ${key("jobs_of_requests")}, request) end
  return known[request]
end

-- Id, when and request id from an argument; the last two are nil when it has only the id.
local function partsOf(text)
  local bar = find(text, '|', 1, true)
  if not bar then return text end
  local second = find(text, '|', bar + 1, true)
  local request = sub(text, second + 1)
  return sub(text, 1, bar - 1), sub(text, bar + 1, second - 1), request ~= '' and request or nil
end

local function lineOf(type)
  local line = lines[type]
  if not line then
    line = {json = ' ' .. cjson.encode({type = type}) .. '\n', suffix = ':' .. type, ready = {}, size = 0}
    lines[type] = line
  end
  return line
end

-- Specs of one program mostly have the same start, up to their type: what follows from it is computed once.
local last
local function beginOf(spec)
  if last and find(spec, last.text, 1, true) == 1 then return last end
  local length = ${width("spec", "priority")}
  local text = sub(spec, 1, length + ${number("spec", "type_length", "spec", "priority")})
  last = begins[text]
  if not last then
    local priority = ${text("spec", "priority", "spec", "priority")}
    last = {
      text = text, priority = priority, score = readyScore(tonumber(priority), now),
      record = ${compose("creation", { kind: code("kind", "created"), priority: "priority", run_after: "nowLong" })},
      line = lineOf(sub(text, length + 1)),
    }
    begins[text] = last
  end
  return last
end

local function create(id, when, request, spec)
  local begin = beginOf(spec)
  local line = begin.line
  local letter = letters[#id]
  if not letter then
    letter = ${idLetter("#id")}
    letters[#id] = letter
  end
  local runAfter, times, score, record = now, nowTimes, begin.score, begin.record
  if when then
    local ms = tonumber(sub(when, 2))
    runAfter = sub(when, 1, 1) == '+' and now + ms or ms
    local runAfterText = ${write("spec", "run_after", "runAfter")}
    times = ${compose("spec", { created_at: "nowText", run_after: "runAfterText" }, { before: "priority" })}
    record = ${compose("creation", { kind: code("kind", "created"), priority: "begin.priority", run_after: "runAfterText" })}
    score = readyScore(tonumber(begin.priority), runAfter)
  end
  added[entry + 1], added[entry + 2] = id, times .. spec
  indexed[entry + 1], indexed[entry + 2] = '0', ${compose("member", { id_length: "letter" })} .. id .. line.suffix
  entry = entry + 2
  if runAfter > now then
    scheduled[#scheduled + 1] = format('%d', runAfter)
    scheduled[#scheduled + 1] = ${compose("scheduled_member", { priority: "begin.priority" })}
      .. ${compose("place", { created_at: "nowPlace", id_length: "letter" })} .. id .. line.suffix
    due(runAfter)
  else
    local ready, at = line.ready, line.size
    ready[at + 1], ready[at + 2] = score, ${compose("place", { created_at: "nowPlace", id_length: "letter" })} .. id
    line.size = at + 2
  end
  records[size + 1], records[size + 2], records[size + 3] = record, id, line.json
  size = size + 3
  count = count + 1
  if request then
    requests[#requests + 1] = request
    requests[#requests + 1] = id
    owners[#owners + 1] = id
    owners[#owners + 1] = request
    known[request] = id
  end
  depth = depth + 1
end

local isRepeat = ARGV[8] == '1'

local function isThere(id)
  return isRepeat and call('HEXISTS', ${key("specs")}, id) == 1
end

local at = 9
for group = 1, tonumber(ARGV[7]) do
  local mode, jobs = ARGV[at], tonumber(ARGV[at + 1])
  local first, last = at + 2, at + 2 + (jobs - 1) * 2
  at = last + 2
  if not exists then
    reply[group] = 'N'
  else
    local fresh, seen = 0, {}
    if maxDepth > 0 then
      for job = first, last, 2 do
        local id, _, request = partsOf(ARGV[job])
        local isNew = not request or (not ownerOf(request) and not seen[request])
        if isThere(id) then isNew = false end
        if request then seen[request] = true end
        if isNew then fresh = fresh + 1 end
      end
    end
    if fresh > 0 and depth + fresh > maxDepth and mode ~= 'f' then
      reply[group] = 'F' .. maxDepth
    else
      local old = {}
      reply[group] = old
      if mode ~= 'd' then
        for job = first, last, 2 do
          local id, when, request = partsOf(ARGV[job])
          local owner = request and ownerOf(request)
          if owner and owner ~= id then old[#old + 1] = {(job - first) / 2, owner}
          elseif not owner and not isThere(id) then create(id, when, request, ARGV[job + 1]) end
        end
      end
    end
  end
end

callMany('HSET', ${key("specs")}, added)
callMany('ZADD', ${key("index")}, indexed)
callMany('ZADD', ${key("scheduled")}, scheduled)
for type, line in pairs(lines) do
  if #line.ready > 0 then
    callMany('ZADD', ${key("ready")} .. type, line.ready)
    call('SADD', ${key("ready_types")}, type)
    isReady = true
  end
end
callMany('HSET', ${key("jobs_of_requests")}, requests)
callMany('HSET', ${key("requests_of_jobs")}, owners)

-- Jobs that existed already are read last, as some may have been created by this very call.
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
