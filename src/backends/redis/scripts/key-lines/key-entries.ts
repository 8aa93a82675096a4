import { compose, rest, write } from "../../layout/lua.js";
import { lua } from "../lua.js";
import { MOST_WORK, WORK_OF_LINE } from "./work.js";

/**
 * A part of createKeyLines (key-lines.ts): the entries of lines, where whoever leases looks for jobs of a type. They are changed here
 * first: a lease that hands out many jobs reads them in parts and writes them once.
 */
export const KEY_ENTRIES = lua`
  -- By type: entries to write with their scores, false: to remove; and the first ones as they will be, for who leases. An entry that is
  -- told of has score, as a number, entry, and name of its key; false: a job without.
  local pending, heads = {}, {}
  -- Keys of which the entries are to have another turn than is written.
  local moved = {}

  local function goesBefore(a, b)
    return a.score < b.score or (a.score == b.score and a.entry < b.entry)
  end

  -- Puts an entry among the first ones; score nil: removes it.
  local function setHead(head, entry, score, name)
    for at, each in ipairs(head.list) do
      if each.entry == entry then
        table.remove(head.list, at)
        break
      end
    end
    if not score then return end
    local new = {score = score, entry = entry, name = name}
    -- What comes after those that were read is read later.
    if head.last and not goesBefore(new, head.last) then return end
    local at = 1
    while head.list[at] and goesBefore(head.list[at], new) do at = at + 1 end
    table.insert(head.list, at, new)
  end

  -- Writes an entry; score nil: removes it.
  local function setEntry(type, entry, score, name)
    local changes = pending[type] or {}
    pending[type], touched[type] = changes, true
    changes[entry] = score or false
    if heads[type] then setHead(heads[type], entry, tonumber(score), name) end
  end

  local function turnEntry(k)
    k.entry = k.entry or ${compose("turn_entry", { arrival: write("turn_entry", "arrival", "k.arrival") })} .. k.name
    return k.entry
  end

  -- Gives a line of a key its entry; first, score: its first job, where keys do not take turns.
  local function show(k, type, first, score)
    if byTurns then setEntry(type, turnEntry(k), format('%d', k.turn), k.name) else setEntry(type, first, score, k.name) end
  end

  -- Takes the entry of a line away; first: its first job.
  local function hide(k, type, first)
    setEntry(type, byTurns and turnEntry(k) or first)
  end

  -- A key has another turn now. Whoever leases sees it at once; it is written when entries are read, and at the end. Of a wide key only
  -- the entry of this type: others stand too far in front, and are put right when they are met.
  local function move(k, type)
    if k.isWide then
      if type then show(k, type) end
      return
    end
    moved[k] = true
    for type, head in pairs(heads) do
      if k.types[type] then setHead(head, turnEntry(k), k.turn, k.name) end
    end
  end

  local function writeMoved()
    for k in pairs(moved) do
      if k.arrival then
        for type in pairs(k.types) do show(k, type) end
      end
    end
    moved = {}
  end

  local function flushEntries(type)
    local set, removed = {}, {}
    for entry, score in pairs(pending[type] or {}) do
      if score then
        set[#set + 1] = score
        set[#set + 1] = entry
      else
        removed[#removed + 1] = entry
      end
    end
    callMany('ZREM', entries .. type, removed)
    callMany('ZADD', entries .. type, set)
    pending[type] = nil
  end

  -- The first entry of a type as it is written; nil: there is none. Reads up to so many at once.
  local function readHead(type, part)
    local head = heads[type]
    if head and (#head.list > 0 or not head.last) then return head.list[1] end
    writeMoved()
    flushEntries(type)
    local found = call('ZRANGE', entries .. type, 0, part - 1, 'WITHSCORES')
    head = {list = {}}
    local ids, names = {}, {}
    for at = 1, #found, 2 do
      head.list[#head.list + 1] = {score = tonumber(found[at + 1]), entry = found[at]}
      if byTurns then names[#names + 1] = sub(found[at], ${rest("turn_entry")}) else ids[#ids + 1] = idOfPlace(found[at]) end
    end
    if not byTurns then names = self.namesOf(ids) end
    local own = {}
    for at, each in ipairs(head.list) do
      each.name = names[at]
      if each.name then own[#own + 1] = each.name end
    end
    know(own)
    if #head.list == part then head.last = head.list[part] end
    heads[type] = head
    return head.list[1]
  end

  -- The first entry of a type; nil: there is none. Reads up to so many at once.
  function self.headOf(type, part)
    local first = readHead(type, part)
    while first and byTurns do
      local k = known[first.name]
      if not k.isWide or k.turn <= first.score or self.work > ${MOST_WORK} then break end
      self.work = self.work + ${WORK_OF_LINE}
      show(k, type)
      first = readHead(type, part)
    end
    return first
  end

  -- A job without a key stands here now, which may have had one before: its entry is written by itself.
  function self.leaveEntry(type, entry)
    if pending[type] then pending[type][entry] = nil end
  end

  -- A job without a key was handed out.
  function self.takePlain(type, entry)
    setEntry(type, entry)
  end

  -- The line that an entry stands for; nil: a job without a key.
  function self.lineOfEntry(entry, type)
    local name = byTurns and sub(entry, ${rest("turn_entry")}) or self.nameOf(idOfPlace(entry))
    return name and lineOf(prefixOf(name), type)
  end
`;
