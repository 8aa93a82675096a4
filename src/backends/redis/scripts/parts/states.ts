import { WITH_JOB_MS } from "../../../../model/job/request-id.js";
import { code, key, keyNames, number, numbers, readAll, rest, width, writeAll } from "../../layout/lua.js";
import { lua } from "../lua.js";
import { LET_GO } from "./unique.js";

/**
 * The part of the prelude that reads, writes and steps the states of jobs, and deletes jobs. A state is a table with the fields of
 * `state`, the tokens, and its tail.
 */
export const STATES = lua`
local function typeOfSpec(spec)
  return sub(spec, ${rest("spec")}, ${width("spec")} + ${number("spec", "type_length", "spec")})
end

-- The state of a job that has not changed since it was created.
local function firstState(type, priority, createdAt, runAfter)
  return {
    ${numbers("state", {
      priority: "priority",
      revision: 1,
      created_at: "createdAt",
      updated_at: "createdAt",
      run_after: "runAfter",
    })},
    token = '', settled_token = '', tail = {type = type},
  }
end

local function readState(raw)
  local newline = find(raw, '\n', ${rest("state")}, true)
  local bar = find(raw, '|', ${rest("state")}, true)
  return {
    ${readAll("state", "raw")},
    token = sub(raw, ${rest("state")}, bar - 1), settled_token = sub(raw, bar + 1, newline - 1),
    tail = cjson.decode(sub(raw, newline + 1)),
  }
end

-- The state of a job; nil when there is no such job.
local function stateOf(id)
  local raw = call('HGET', ${key("states")}, id)
  if raw then return readState(raw) end
  local spec = call('HGET', ${key("specs")}, id)
  if not spec then return nil end
  return firstState(typeOfSpec(spec), ${number("spec", "priority", "spec")}, ${number("spec", "created_at", "spec")},
    ${number("spec", "run_after", "spec")})
end

local function headText(s)
  return ${writeAll("head", "s")}
end

-- Fields of the tail that this version does not know are kept.
local function tailText(s)
  return cjson.encode(s.tail)
end

local function stateText(s, tail)
  return ${writeAll("state", "s")} .. s.token .. '|' .. s.settled_token .. '\n' .. tail
end

-- Adds a record to the message, in parts: making one string of each record would cost the most of all. first: its kind
-- and head; last: what endOfRecord returns.
local function addRecord(first, id, last)
  records[size + 1], records[size + 2], records[size + 3] = first, id, last
  size = size + 3
  count = count + 1
end

local function endOfRecord(tail)
  return ' ' .. tail .. '\n'
end

-- Changes the status, counts up the revision and logs it; the caller stores it with save. The stamps of a job never fall,
-- though TIME may step back behind its last: hence the comparisons here and below.
local function step(id, s, status)
  s.status, s.revision = status, s.revision + 1
  if s.updated_at < now then s.updated_at = now end
  addRecord(${code("kind", "changed")} .. headText(s), id, endOfRecord(tailText(s)))
end

local function save(id, s)
  call('HSET', ${key("states")}, id, stateText(s, tailText(s)))
end

-- Logs the deletion of a job, with the revision counted up.
local function deleted(id, s)
  s.revision = s.revision + 1
  if s.updated_at < now then s.updated_at = now end
  addRecord(${code("kind", "deleted")} .. headText(s), id, endOfRecord(tailText(s)))
end

${LET_GO}
-- Deletes the data of jobs, given as their ids and as their members of the index.
local function drop(ids, members)
  if #ids == 0 then return end
  letGo(ids)
  for _, key in ipairs(${keyNames("specs", "states", "errors", "results")}) do
    if call('EXISTS', base .. key) == 1 then callMany('HDEL', base .. key, ids) end
  end
  callMany('ZREM', ${key("index")}, members)
  if keyLines() then callMany('HDEL', ${key("keys")}, ids) end
  if call('EXISTS', ${key("requests_of_jobs")}) == 0 then return end
  local ends = {}
  for from = 1, #ids, PART do
    local requests = {}
    for _, request in ipairs(call('HMGET', ${key("requests_of_jobs")}, unpack(ids, from, math.min(from + PART - 1, #ids)))) do
      if request then requests[#requests + 1] = request end
    end
    -- From now on they are remembered for the rest of their time only.
    for at, score in ipairs(#requests > 0 and call('ZMSCORE', ${key("request_ends")}, unpack(requests)) or {}) do
      if score then
        ends[#ends + 1] = format('%d', tonumber(score) % ${WITH_JOB_MS})
        ends[#ends + 1] = requests[at]
      end
    end
  end
  if #ends == 0 then return end
  callMany('HDEL', ${key("requests_of_jobs")}, ids)
  callMany('ZADD', ${key("request_ends")}, ends)
end

-- The extras of a spec; nil when it has none.
local function extrasOf(spec)
  local from = ${rest("spec")} + ${number("spec", "type_length", "spec")}
  if sub(spec, from, from) == '\n' then return nil end
  return cjson.decode(sub(spec, from, find(spec, '\n', from, true) - 1))
end
`;
