import { lua } from "./prelude.js";

/**
 * Creates jobs in one queue, group by group; each group whole or not at all.
 *
 * ARGV[7] how many groups; then of each: `c` create, `a` create again after a lost answer, `f` create whatever the depth,
 * `d` only check; how many jobs; and of each job: id, when (`` now, `+ms` from now, `=ms` since 1970), request id,
 * priority, type, and the rest of what it is created with.
 * Answers of each group `F` and max_depth (full), `N` (no such queue) or how many jobs existed already, and of each of these its
 * position in the group and the job.
 */
export const ENQUEUE = lua`
local reply = {}
local at = 8
local added, indexed, scheduled, types, lines, requests, owners = {}, {}, {}, {}, {}, {}, {}
local maxDepth = tonumber(meta[3] or 0)
local depth = 0
if maxDepth > 0 then
  depth = call('HLEN', base .. 'j') - call('ZCARD', base .. 'l') - call('ZCARD', base .. 'd') - call('ZCARD', base .. 'f')
end
local known = {}

local function ownerOf(request)
  if request == '' then return nil end
  if known[request] == nil then known[request] = call('HGET', base .. 'q', request) end
  return known[request]
end

local function create(from, isRepeat)
  local id, when, request, type = ARGV[from], ARGV[from + 1], ARGV[from + 2], ARGV[from + 4]
  if isRepeat and call('HEXISTS', base .. 'j', id) == 1 then return end
  local priority = tonumber(ARGV[from + 3])
  local runAfter = now
  if when ~= '' then
    local ms = tonumber(string.sub(when, 2))
    runAfter = string.sub(when, 1, 1) == '+' and now + ms or ms
  end
  insert(added, id)
  insert(added, string.format('[%.0f,%.0f,', now, runAfter) .. ARGV[from + 5])
  insert(indexed, 0)
  insert(indexed, idKey(id) .. ':' .. type)
  local line = lines[type]
  if not line then
    line = {text = cjson.encode(type)}
    lines[type] = line
  end
  if runAfter > now then
    insert(scheduled, runAfter)
    insert(scheduled, scheduledMember(type, priority, now, id))
    due(runAfter)
  else
    insert(line, readyScore(priority, runAfter))
    insert(line, place(now, id))
  end
  insert(records, string.format('["%s",2,%s,%d,%.0f]', id, line.text, priority, runAfter))
  if request ~= '' then
    insert(requests, request)
    insert(requests, id)
    insert(owners, id)
    insert(owners, request)
    known[request] = id
  end
  depth = depth + 1
end

for _ = 1, tonumber(ARGV[7]) do
  local mode, count = ARGV[at], tonumber(ARGV[at + 1])
  local from = at + 2
  at = from + count * 6
  if not exists then
    insert(reply, 'N')
  else
    local fresh, seen = 0, {}
    if maxDepth > 0 then
      for job = 0, count - 1 do
        local id, request = ARGV[from + job * 6], ARGV[from + job * 6 + 2]
        local owner = ownerOf(request)
        local isNew = not owner and not seen[request]
        if mode == 'a' and (owner == id or call('HEXISTS', base .. 'j', id) == 1) then isNew = false end
        if request ~= '' then seen[request] = true end
        if isNew then fresh = fresh + 1 end
      end
    end
    if fresh > 0 and depth + fresh > maxDepth and mode ~= 'f' then
      insert(reply, 'F' .. maxDepth)
    else
      local header = #reply + 1
      local old = {}
      insert(reply, 0)
      if mode ~= 'd' then
        for job = 0, count - 1 do
          local owner = ownerOf(ARGV[from + job * 6 + 2])
          if owner and owner ~= ARGV[from + job * 6] then insert(old, {job, owner})
          elseif not owner then create(from + job * 6, mode == 'a') end
        end
      end
      reply[header] = old
    end
  end
end

callMany('HSET', base .. 'j', added)
callMany('ZADD', base .. 'i', indexed)
callMany('ZADD', base .. 'z', scheduled)
for type, line in pairs(lines) do
  if #line > 0 then
    callMany('ZADD', base .. 'r:' .. type, line)
    insert(types, type)
    isReady = true
  end
end
callMany('SADD', base .. 't', types)
callMany('HSET', base .. 'q', requests)
callMany('HSET', base .. 'w', owners)

-- Jobs that existed already are read last: some were created by this very call.
for group = 1, #reply do
  local old = reply[group]
  if type(old) == 'table' then
    local jobs = {}
    for _, entry in ipairs(old) do
      insert(jobs, entry[1])
      answerJob(jobs, entry[2])
    end
    reply[group] = jobs
  end
end
return finish(reply)
`;
