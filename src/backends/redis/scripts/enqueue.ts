import { REQUEST_ID_TTL_MS, WITH_JOB_MS } from "../../../model/job/request-id.js";
import { DEFAULTS, EXPIRY, KEYS, UNIQUE } from "../layout/features.js";
import { code, compose, idLetter, key, meta, metaName, number, rest, text, width, write } from "../layout/lua.js";
import { lua } from "./lua.js";
import { FORGETTING } from "./parts/request-ids.js";
import { HOLDERS, LOOK_FOR_HOLDER, MEET, MEET_OR_CREATE } from "./parts/unique.js";
import { FIRING, STALE_OR_SKIPPED } from "./schedules.js";

/** The letters by which a group of creates says what its jobs need. */
export const NEEDED = { x: EXPIRY, k: KEYS, u: UNIQUE } as const;

/** Lua for ENQUEUE: creates a job of a group. */
const CREATE = lua`            create(id, when, digest, request, spec)
            lastId = id
`;

/**
 * Creates jobs in one queue, group by group; each group completely or not at all.
 *
 * ARGV[7] number of groups. Then for each group: `c` create, `f` create whatever the depth and the request ids, or `d` only
 * check, with an `r` behind it when some job has a request id, a letter of `NEEDED` for
 * each feature that some job needs, an `s` when the queue may need these from now on, and a bar and what its jobs leave open, bits of
 * `OPEN`, a hex digit for each or one for all; number of jobs; and for each job two
 * arguments, or three when there is a `u` among the letters. The first is the id alone, for a job that is ready now,
 * has no request id and does not expire, else `<id>|<when>|<digest>|<request id>`, where <when> is `+ms` from now or `=ms` since 1970
 * and, if it expires, a comma and the same of that. The second is the spec from its priority on. The third is empty, or what it is the
 * only one of: `k` keep, `p` replace or `r` refuse, how its `claim` begins, ms of its hold, a blank, and the key.
 *
 * Returns for each group: `N` (no such queue), `U` (the queue would need a feature), `F` and max_depth (full), `R` and the position of a
 * job whose request id was used for another content, `E`, the position of a job whose unique key is held, a blank and the id of the job
 * that holds it (none: it is one of the same group), or a list of what was created before: of each the position in the group, `created`,
 * and the job (`answerJob`; with an empty spec when it is gone). Behind them, when the queue gives its jobs anything:
 * `default_max_retries`, a blank, `default_timeout`, a blank, `default_ttl`, a blank, and `default_backoff`, each empty when it is not
 * set.
 */
export const ENQUEUE = creation("plain");

/** The same for groups of which some jobs are unique: a script of its own, so that other creates do not pay for it. */
export const ENQUEUE_UNIQUE = creation("unique");

/**
 * The same for groups that schedules make: a script of its own, so that other creates do not pay for it. Behind the number of jobs
 * of a group is what the schedule does (see FIRING). Such a group may be answered `M` (the schedule is not as it was read) or `K` (it
 * moved on without its jobs, as they overlap), too.
 */
export const FIRE = creation("fired");

/** What is created: `plain`: no job is unique. */
function creation(kind: "plain" | "unique" | "fired"): string {
  const fired = (text: string) => (kind === "fired" ? text : "");
  const unique = (text: string, otherwise = "") => (kind === "plain" ? otherwise : text);
  return lua`
-- What the queue gives jobs that leave it open; nil: nothing.
local defaults
if needs('${DEFAULTS}') then
  local own = call('HMGET', KEYS[1], ${metaName("default_max_retries")}, ${metaName("default_timeout")}, ${metaName("default_backoff")},
    ${metaName("default_ttl")})
  if own[1] or own[2] or own[3] or own[4] then
    defaults = {
      text = (own[1] or '') .. ' ' .. (own[2] or '') .. ' ' .. (own[4] or '') .. ' ' .. (own[3] or ''),
      ttl = own[4],
      retries = own[1] and ${write("spec", "max_retries", "own[1]")}, timeout = own[2] and ${write("spec", "timeout", "own[2]")},
    }
    if own[3] then
      local backoff = cjson.decode(own[3])
      defaults.backoff = ${write("spec", "base_delay", "backoff.base")} .. ${write("spec", "max_delay", "backoff.max")}
      defaults.more = backoff.more
    end
  end
end

-- When a job may run, with what is said of its expiry then; and that, as extras name it. As givenByQueue of the core.
local function withDefaultTtl(when)
  when = when or '+0'
  local isTimed, ms = sub(when, 1, 1) == '=', tonumber(sub(when, 2))
  if isTimed and ms > now then return format('%s,=%d', when, ms + defaults.ttl), 'expires_at', ms + defaults.ttl end
  local ttl = (isTimed and 0 or ms) + defaults.ttl
  return format('%s,+%d', when, ttl), 'ttl', ttl
end

-- A spec with what the queue gives it in place of what it leaves open, and when its job may run and expires.
local function withDefaults(spec, open, when)
  local retries, backoff = ${text("spec", "max_retries", "spec", "priority")},
    ${text("spec", "base_delay", "spec", "priority")} .. ${text("spec", "max_delay", "spec", "priority")}
  local timeout = ${text("spec", "timeout", "spec", "priority")}
  local from = ${rest("spec", "priority")} + ${number("spec", "type_length", "spec", "priority")}
  local newline = find(spec, '\n', from, true)
  local extras = sub(spec, from, newline - 1)
  if open % 2 == 1 then retries = defaults.retries or retries end
  if open % 8 >= 4 then timeout = defaults.timeout or timeout end
  local hasBackoff, hasTtl = open % 4 >= 2 and defaults.backoff, open >= 8 and defaults.ttl
  if hasBackoff then backoff = defaults.backoff end
  if hasTtl or hasBackoff and (extras ~= '' or defaults.more) then
    local all = extras == '' and {} or cjson.decode(extras)
    if hasBackoff then all.backoff = defaults.more end
    if hasTtl then
      local name, ends
      when, name, ends = withDefaultTtl(when)
      all[name] = ends
    end
    extras = next(all) and cjson.encode(all) or ''
  end
  return ${text("spec", "priority", "spec", "priority")} .. retries .. backoff .. timeout
    .. sub(spec, ${width("spec", "priority") - width("spec", "payload_kind") + 1}, from - 1) .. extras .. sub(spec, newline), when
end

-- What was created before is read last, as some may have been created by this very call.
local function withJobs(reply)
  for group, old in ipairs(reply) do
    if type(old) == 'table' then
      local jobs = {}
      for _, entry in ipairs(old) do
        jobs[#jobs + 1] = entry[1]
        jobs[#jobs + 1] = entry[2]
        answerJob(jobs, entry[3])
      end
      reply[group] = jobs
    end
  end
  return reply
end
if again then return repeated(withJobs(again)) end
local reply = {}
local maxDepth = tonumber(${meta("max_depth")} or 0)
local depth = 0
if maxDepth > 0 then
  depth = waiting()
end
local expiring, expiringAfter = {}, {}
${unique(HOLDERS)}local added, indexed, scheduled, delayed, lines, requests, ends, owners, known = {}, {}, {}, {}, {}, {}, {}, {}, {}
-- The keys of jobs that have one, and whether some of the group have.
local keysOfJobs, hasKeys = {}, false
local nowText = ${write("head", "updated_at", "now")}
local nowLong = ${write("spec", "run_after", "now")}
local nowTimes = ${compose("spec", { created_at: "nowText", run_after: "nowLong" }, { before: "priority" })}
local nowPlace = ${write("place", "created_at", "now")}
local letters, begins, entry = {}, {}, 0

-- What a request id created, from its record.
local function readCreated(made)
  local blank = find(made, ' ', ${rest("created")}, true)
  local digest, met = string.match(sub(made, blank + 1), '^([^!]*)(.*)$')
  return {record = made, id = sub(made, ${rest("created")}, blank - 1), digest = digest, met = met}
end

-- The same, if it is known still.
local function stillKnown(request, record)
  local made = readCreated(record)
  local ends = tonumber(call('ZSCORE', ${key("request_ends")}, request) or 0)
  -- When its time is over it is known as long as its job only.
  return (ends % ${WITH_JOB_MS} > steady
    or (made.met == '' and not isAutomatic(request) and call('HEXISTS', ${key("specs")}, made.id) == 1)) and made
end

-- What a request id created: its record, id, and digest; false when it is not known.
local function createdWith(request)
  local found = known[request]
  if type(found) == 'string' then
    -- By this very call.
    found = readCreated(found)
    known[request] = found
  elseif found == nil then
    local record = call('HGET', ${key("requests")}, request)
    found = record and stillKnown(request, record)
    known[request] = found
  end
  return found
end

-- Looks for many request ids at once: nearly all are new.
local function lookForAll(asked)
  local some = {}
  for _, request in ipairs(asked) do
    if request ~= '' and known[request] == nil then some[#some + 1] = request end
  end
  for at, record in ipairs(readMany(${key("requests")}, some)) do
    known[some[at]] = record and stillKnown(some[at], record)
  end
end

-- Id, when, digest and request id from an argument; only the id when it has no more. No when: now.
local function partsOf(text)
  local bar = find(text, '|', 1, true)
  if not bar then return text end
  local second = find(text, '|', bar + 1, true)
  local third = find(text, '|', second + 1, true)
  local when, request = sub(text, bar + 1, second - 1), sub(text, third + 1)
  return sub(text, 1, bar - 1), when ~= '+0' and when or nil, sub(text, second + 1, third - 1), request ~= '' and request or nil
end

local function lineOf(type)
  local line = lines[type]
  if not line then
    line = {type = type, json = ' ' .. cjson.encode({type = type}) .. '\n', suffix = ':' .. type, ready = {}, size = 0}
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

-- Writes the jobs that were created so far.
local function write()
  callMany('HSET', ${key("specs")}, added)
  callMany('ZADD', ${key("index")}, indexed)
  callMany('ZADD', ${key("scheduled")}, scheduled)
  callMany('ZADD', ${key("delayed")}, delayed)
  callMany('ZADD', ${key("expiring")}, expiring)
  callMany('ZADD', ${key("expiring_after")}, expiringAfter)
  ${unique("writeClaims()")}
  callMany('HSET', ${key("keys")}, keysOfJobs)
  if keyed then keyed.addGathered() end
  for type, line in pairs(lines) do
    if #line.ready > 0 then
      callMany('ZADD', ${key("ready")} .. type, line.ready)
      call('SADD', ${key("ready_types")}, type)
      markReady(type)
    end
  end
end

-- Remembers what a request id created, or what its create met.
local requestEnd = format('%d', steady + ${REQUEST_ID_TTL_MS})
local function rememberRequest(request, id, made, digest, isWithJob)
  requests[#requests + 1] = request
  requests[#requests + 1] = made
  ends[#ends + 1] = isWithJob and format('%d', steady + ${REQUEST_ID_TTL_MS + WITH_JOB_MS}) or requestEnd
  ends[#ends + 1] = request
  if isWithJob then
    owners[#owners + 1] = id
    owners[#owners + 1] = request
  end
  known[request] = made
end

local function create(id, when, digest, request, spec${unique(", unique")})
  local begin = beginOf(spec)
  local line = begin.line
  local letter = letters[#id]
  if not letter then
    letter = ${idLetter("#id")}
    letters[#id] = letter
  end
  local runAfter, times, score, record = now, nowTimes, begin.score, begin.record
  local name = hasKeys and keyOfSpec(spec)
  if name then
    keysOfJobs[#keysOfJobs + 1] = id
    keysOfJobs[#keysOfJobs + 1] = name
  end
  local isDelayed, runAfterText
  if when then
    local comma = find(when, ',', 1, true)
    local ms = tonumber(sub(when, 2, comma and comma - 1))
    if comma then
      local ends = tonumber(sub(when, comma + 2))
      local isTimed = sub(when, comma + 1, comma + 1) == '='
      local list = isTimed and expiring or expiringAfter
      list[#list + 1] = format('%d', isTimed and ends or steady + ends)
      list[#list + 1] = id
      due(isTimed and ends or now + ends)
    end
    isDelayed = sub(when, 1, 1) == '+'
    runAfter = isDelayed and now + ms or ms
    runAfterText = ${write("spec", "run_after", "runAfter")}
    times = ${compose("spec", { created_at: "nowText", run_after: "runAfterText" }, { before: "priority" })}
    record = ${compose("creation", { kind: code("kind", "created"), priority: "begin.priority", run_after: "runAfterText" })}
    score = readyScore(tonumber(begin.priority), runAfter)
  end
  added[entry + 1], added[entry + 2] = id, times .. spec
  local standing = ${compose("place", { created_at: "nowPlace", id_length: "letter" })} .. id
  indexed[entry + 1], indexed[entry + 2] = '0', standing .. line.suffix
  entry = entry + 2
  if runAfter > now then
    if isDelayed then
      delayed[#delayed + 1] = format('%d', runAfter - setAhead)
      delayed[#delayed + 1] = ${compose("delayed_member", { run_after: "runAfterText", priority: "begin.priority" })} .. standing .. line.suffix
    else
      scheduled[#scheduled + 1] = format('%d', runAfter)
      scheduled[#scheduled + 1] = ${compose("scheduled_member", { priority: "begin.priority" })} .. standing .. line.suffix
    end
    due(runAfter)
  elseif name or (byTurns and keyLines()) then
    keyed.gather(name or '', line.type, score, standing)
  else
    local ready, at = line.ready, line.size
    ready[at + 1], ready[at + 2] = score, standing
    line.size = at + 2
  end
  records[size + 1], records[size + 2], records[size + 3] = record, id, line.json
  size = size + 3
  count = count + 1
  if request then
    local made = nowText .. (runAfterText or nowLong) .. id .. ' ' .. digest
    rememberRequest(request, id, made, digest, not isAutomatic(request))
  end
  ${unique("if unique then claim(id, unique) end")}
  depth = depth + 1
end

${unique(MEET)}
${fired(FIRING)}
local at = 8
for group = 1, tonumber(ARGV[7]) do
  local flags, jobs = ARGV[at], tonumber(ARGV[at + 1])
  local mode, hasRequests = sub(flags, 1, 1), find(flags, 'r', 2, true)
  ${unique("local hasUnique = find(flags, 'u', 2, true)")}
  hasKeys = find(flags, 'k', 2, true)
  local lacks = {}
  if find(flags, '[${Object.keys(NEEDED).join("")}]', 2) then
    for letter, feature in pairs({${Object.entries(NEEDED)
      .map(([letter, feature]) => `${letter} = '${feature}'`)
      .join(", ")}}) do
      if find(flags, letter, 2, true) and not needs(feature) then lacks[#lacks + 1] = feature end
    end
  end
  local open = defaults and string.match(flags, '|(%x+)$')
  ${fired("local firing = cjson.decode(ARGV[at + 2])")}
  ${fired("local schedule = exists and readSchedule(firing.name)")}
  local stride = ${unique("hasUnique and 3 or ")}2
  local first = at + ${kind === "fired" ? 3 : 2}
  local last = first + (jobs - 1) * stride
  at = last + stride
  if not exists then
    reply[group] = 'N'
${fired(STALE_OR_SKIPPED)}  elseif #lacks > 0 and not find(flags, 's', 2, true) then
    reply[group] = 'U'
  else
    local fresh, seen, keys, reused, refused = 0, {}, {}, nil, nil
    local ids, whens, digests, asked = {}, {}, {}, {}
    if hasRequests then
      for job = first, last, stride do
        local place = (job - first) / stride + 1
        local id, when, digest, request = partsOf(ARGV[job])
        ids[place], whens[place], digests[place], asked[place] = id, when or false, digest or '', request or ''
      end
      lookForAll(asked)
    end
    if mode ~= 'f' and (maxDepth > 0 or hasRequests${unique(" or hasUnique")}) then
      for job = first, last, stride do
        local place = (job - first) / stride + 1
        local digest, request = digests[place], asked[place]
        local made
        if request and request ~= '' then
          made = createdWith(request)
          made = made and made.digest or seen[request]
          if not made then seen[request] = digest end
        end
${unique(LOOK_FOR_HOLDER)}        ${unique("else")}if not made then
          fresh = fresh + 1
          ${unique("if unique then keys[unique.key] = '' end")}
        elseif made ~= digest then
          reused = reused or (job - first) / stride
        end
      end
    end
    if reused then
      reply[group] = 'R' .. reused
    elseif refused then
      reply[group] = refused
    elseif maxDepth > 0 and fresh > 0 and depth + fresh > maxDepth then
      reply[group] = 'F' .. maxDepth
      ${fired("foundNoRoom(schedule, firing)")}
    else
      local old = {}
      reply[group] = old
      if mode ~= 'd' then
        for _, feature in ipairs(lacks) do need(feature) end
        if hasKeys then keyLines(true) end
        local lastId
        for job = first, last, stride do
          local id, when, digest, request
          if hasRequests then
            local place = (job - first) / stride + 1
            id, when, digest, request = ids[place], whens[place] or nil, digests[place], asked[place] ~= '' and asked[place] or nil
          else id, when = partsOf(ARGV[job]) end
          local made = request and createdWith(request)
          if made then
            old[#old + 1] = {(job - first) / stride, made.record, made.id}
            lastId = made.id
          else
            local spec = ARGV[job + 1]
            if open then
              local digit = #open == 1 and 1 or (job - first) / stride + 1
              spec, when = withDefaults(spec, tonumber(sub(open, digit, digit), 16), when)
            end
${unique(MEET_OR_CREATE, CREATE)}          end
        end
        ${fired("moveOn(schedule, firing, jobs, lastId, jobs - #old)")}
      end
    end
  end
end

write()
if #requests > 0 then
  callMany('HSET', ${key("requests")}, requests)
  callMany('ZADD', ${key("request_ends")}, ends)
  callMany('HSET', ${key("requests_of_jobs")}, owners)
  forgetRequests(#requests + ${2 * FORGETTING})
end
reply[#reply + 1] = defaults and defaults.text
return finish(withJobs(remember(reply)))
`;
}
