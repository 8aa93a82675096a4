import { KEYS } from "../../layout/features.js";
import { key, metaName } from "../../layout/lua.js";
import { lua } from "../lua.js";
import { FULL_KEYS } from "./full-keys.js";
import { KEY_ENTRIES } from "./key-entries.js";
import { KEY_TURNS } from "./key-turns.js";
import { KNOWN_KEYS } from "./known-keys.js";

/**
 * The part of the prelude for jobs with keys, and for queues whose keys take turns (FAIR), where all jobs have one: that of jobs without
 * is empty. `keyLines()` returns what is made here, false in a queue that uses none of it: nothing more is read then.
 *
 * The jobs of a key whose time has come stand in lines of their own, one for each type. For each of these lines there is one entry where
 * whoever leases looks for jobs of the type: its first job among those without a key or, where keys take turns, the key in its turn. As
 * many jobs of a key may run as `max_concurrency_per_key` says; a key that runs so many is full, and has no entries: no lease meets
 * jobs that are held back. Its entries come back in the step in which a job of it ends. A limit that was changed is made up for
 * in sweeps (`refit`), and by leases for the keys that they meet; so is what a key with very many lines has too much for one step.
 *
 * Lines are written at once; entries and all that is counted by `flush`, at the end of the call.
 */
export const KEY_LINES = lua`
local function createKeyLines()
  local own = call('HMGET', KEYS[1], ${metaName("max_concurrency_per_key")}, ${metaName("turn")}, ${metaName("arrivals")}, ${metaName("held")})
  local limit, held = tonumber(own[1] or 0), tonumber(own[4] or 0)
  local lastHeld = held
  -- By type: how many more jobs stand behind first ones, and are held back; which lost or got entries, of which jobs may be ready.
  local behind, heldOf, touched, shown = {}, {}, {}, {}
  -- Jobs to add, by line.
  local gathered, gatheredOf = {}, {}
  -- work: what the call has done of MOST_WORK.
  local self = {work = 0}
${KNOWN_KEYS}
${KEY_TURNS}
${KEY_ENTRIES}
${FULL_KEYS}
  -- Adds jobs, given as scores and places, to a line.
  local function add(k, type, list)
    local jobs, isNew = #list / 2, not hasLine(k, type)
    if not isNew then fit(k, type) end
    local before, beforeScore
    if not isNew and not byTurns and not k.isFull then before, beforeScore = firstOf(k, type) end
    callMany('ZADD', lineOf(k.prefix, type), list)
    if isNew then beginLine(k, type) end
    if k.isFull then
      countHeld(type, jobs)
      return
    end
    countBehind(type, isNew and jobs - 1 or jobs)
    if byTurns and not k.arrival then enterTurns(k) end
    if isNew or not byTurns then
      local first, score, number = before, beforeScore, tonumber(beforeScore)
      for at = 1, #list, 2 do
        local other = tonumber(list[at])
        if not first or other < number or (other == number and list[at + 1] < first) then
          first, score, number = list[at + 1], list[at], other
        end
      end
      if first ~= before then
        if before then hide(k, type, before) end
        show(k, type, first, score)
      end
    end
    shown[type] = true
  end

  -- The key of a job that is kept by it: empty for one without where keys take turns, nil for one without elsewhere.
  function self.nameOf(id)
    return call('HGET', ${key("keys")}, id) or (byTurns and '' or nil)
  end

  -- The same of several jobs; false instead of nil.
  function self.namesOf(ids)
    local names = readMany(${key("keys")}, ids)
    for at, name in ipairs(names) do names[at] = name or (byTurns and '') end
    return names
  end

  -- Gives a job that stands in no line another key; nil: none.
  function self.setName(id, name)
    if name then call('HSET', ${key("keys")}, id, name) else call('HDEL', ${key("keys")}, id) end
  end

  -- Puts a job whose time has come in the line of its key with the next addGathered.
  function self.gather(name, type, score, place)
    local whose = prefixOf(name) .. type
    local line = gatheredOf[whose]
    if line then
      line.jobs[#line.jobs + 1] = score
      line.jobs[#line.jobs + 1] = place
      return
    end
    line = {name = name, type = type, jobs = {score, place}}
    gatheredOf[whose], gathered[#gathered + 1] = line, line
  end

  function self.addGathered()
    if #gathered == 0 then return end
    local names = {}
    for at, line in ipairs(gathered) do names[at] = line.name end
    know(names)
    -- In their order: it is that in which keys arrive.
    for _, line in ipairs(gathered) do add(known[line.name], line.type, line.jobs) end
    gathered, gatheredOf = {}, {}
  end

  -- Removes jobs from the line of their key.
  function self.remove(name, type, places)
    local k = keyOf(name)
    local line = lineOf(k.prefix, type)
    local first, before = firstOf(k, type), call('ZCARD', line)
    if before > 0 then fit(k, type) end
    callMany('ZREM', line, places)
    local left = call('ZCARD', line)
    if before == left then return end
    if left == 0 then endLine(k, type) end
    if k.isFull then
      countHeld(type, left - before)
      return
    end
    countBehind(type, left - before + (left == 0 and 1 or 0))
    if left == 0 then
      hide(k, type, first)
    elseif not byTurns then
      local second, score = firstOf(k, type)
      if second ~= first then
        hide(k, type, first)
        show(k, type, second, score)
      end
    end
  end

  -- Lines of keys, any: up to max, of each the name of the key and the type. They have as many jobs at least, or are all there are.
  function self.anyLines(max)
    local names, lines = call('HRANDFIELD', ${key("key_types")}, max), {}
    know(names)
    for _, name in ipairs(names) do
      for _, type in ipairs(typesOf(known[name], max - #lines)) do lines[#lines + 1] = {name = name, type = type} end
    end
    return lines
  end

  -- The first jobs of a line with their scores.
  function self.jobsOf(line, max)
    return call('ZRANGE', lineOf(known[line.name].prefix, line.type), 0, max - 1, 'WITHSCORES')
  end

  -- Some lines of keys, up to max, the same ones each time.
  function self.someLines(max)
    local found, names, lines = call('HSCAN', ${key("key_types")}, 0, 'COUNT', max)[2], {}, {}
    for at = 1, math.min(#found, max * 2), 2 do names[#names + 1] = found[at] end
    know(names)
    for _, name in ipairs(names) do
      for _, type in ipairs(typesOf(known[name], max - #lines)) do lines[#lines + 1] = lineOf(prefixOf(name), type) end
    end
    return lines
  end

  -- The first job of a key and type, and its score.
  function self.first(name, type)
    return firstOf(keyOf(name), type)
  end

  -- Hands out the first job of a key and type that has an entry. Returns its place, nil when a limit that was lowered holds it back, or
  -- the key is wide and full.
  function self.take(name, type)
    local k = keyOf(name)
    if not hasRoom(k) then
      if not k.isFull then setFull(k, true) end
      fit(k, type)
      return nil
    end
    if k.name ~= '' then k.running, k.hasChanged = k.running + 1, true end
    local line = lineOf(k.prefix, type)
    local place = call('ZPOPMIN', line)[1]
    local left, isFull = call('ZCARD', line), not hasRoom(k)
    if left == 0 then endLine(k, type) else countBehind(type, -1) end
    if isFull or left == 0 or not byTurns then hide(k, type, place) end
    if byTurns then countTurn(k) end
    if isFull then
      setFull(k, true, type, left)
    elseif byTurns then
      move(k, left > 0 and type)
    elseif left > 0 then
      show(k, type, firstOf(k, type))
    end
    if byTurns and k.lines == 0 and k.arrival then leaveTurns(k) end
    return place
  end

  -- Leases of these jobs have ended.
  function self.ended(ids)
    local names, own = readMany(${key("keys")}, ids), {}
    for _, name in ipairs(names) do
      if name then own[#own + 1] = name end
    end
    know(own)
    for _, name in ipairs(own) do
      local k = known[name]
      k.running, k.hasChanged = math.max(0, k.running - 1), true
      if k.isFull and hasRoom(k) then setFull(k, false) end
    end
  end

  -- The lease of this job never was: its key has its turn again.
  function self.giveBack(id)
    if not byTurns then return end
    local k = keyOf(self.nameOf(id))
    giveTurnBack(k)
    if k.arrival and not k.isWide then move(k) end
  end

  -- A job that left the line of a type has gone where it goes: it may have been the last of the type, or of its key.
  function self.left(type)
    touched[type] = true
    leaveEmpty()
  end

  local function count(key, more)
    for type, jobs in pairs(more) do
      if jobs ~= 0 and call('HINCRBY', key, type, jobs) == 0 then call('HDEL', key, type) end
    end
  end

  function self.flush()
    leaveEmpty()
    writeMoved()
    flushKnown()
    flushTurns()
    for type in pairs(pending) do flushEntries(type) end
    count(${key("behind")}, behind)
    count(${key("held_types")}, heldOf)
    for type in pairs(shown) do touched[type] = true end
    for type in pairs(touched) do
      if call('EXISTS', entries .. type) == 0 then
        forgetEmptyType(type)
      elseif shown[type] then
        call('SADD', ${key("ready_types")}, type)
        markReady(type)
      end
    end
    if held ~= lastHeld then call('HSET', KEYS[1], ${metaName("held")}, format('%d', held)) end
    behind, heldOf, touched, shown, lastHeld = {}, {}, {}, {}, held
  end
  return self
end

-- isSure: a job is to be kept by its key now, in a queue that needs the feature. Else no job may have one, and keys not take turns.
local function keyLines(isSure)
  if keyed == nil and not isSure then
    isSure = needs('${KEYS}') and (byTurns or call('EXISTS', ${key("keys")}) == 1)
    keyed = false
  end
  if isSure and not keyed then keyed = createKeyLines() end
  return keyed
end
`;
