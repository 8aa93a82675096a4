import { key } from "../../layout/lua.js";
import { lua } from "../lua.js";
import { WORK_OF_LINE } from "./work.js";

/** A key with more lines than this is wide; it is so until it has half as many. */
const WIDE = 8;

/** Most lines of wide keys that one call hides or shows. */
const MOST_LINES = 100;

/**
 * A part of createKeyLines (key-lines.ts): keys that become full, and are so no more, and the counts that follow from it.
 *
 * All lines of a key are hidden (they have no entries) in the step in which it becomes full, and shown in that in which it is so no more.
 * Of a wide key that may be too many for a step: some are done then. Of those that are still shown, though the key is full, a lease that
 * meets one hides it. Those that are still hidden, though it is not, are shown in sweeps (`refit`). Which lines of a wide key are hidden
 * stands in two sets.
 */
export const FULL_KEYS = lua`
  local linesLeft = ${MOST_LINES}

  local function countBehind(type, jobs)
    behind[type] = (behind[type] or 0) + jobs
  end

  local function countHeld(type, jobs)
    held, heldOf[type] = held + jobs, (heldOf[type] or 0) + jobs
  end

  -- The first job of a line and its score.
  local function firstOf(k, type)
    local first = call('ZRANGE', lineOf(k.prefix, type), 0, 0, 'WITHSCORES')
    return first[1], first[2]
  end

  local function hasRoom(k)
    return limit == 0 or k.name == '' or k.running < limit
  end

  -- Notes whether a line of a wide key is hidden.
  local function note(k, type, isHidden)
    local from, to = ${key("hidden_lines")}, ${key("shown_lines")}
    if isHidden then from, to = to, from end
    call('ZREM', from, k.prefix .. type)
    call('ZADD', to, 0, k.prefix .. type)
  end

  -- Some types of a wide key, up to max, of which the lines are hidden, or are not.
  local function widelyOf(k, isHidden, max)
    local lines = isHidden and ${key("hidden_lines")} or ${key("shown_lines")}
    local types = call('ZRANGEBYLEX', lines, '[' .. k.prefix, '(' .. k.prefix .. '\255', 'LIMIT', 0, max)
    for at, line in ipairs(types) do types[at] = sub(line, #k.prefix + 1) end
    return types
  end

  -- Some types of a key, up to max.
  local function typesOf(k, max)
    local types = {}
    if k.isWide then
      types = widelyOf(k, false, max)
      for _, type in ipairs(widelyOf(k, true, max - #types)) do types[#types + 1] = type end
    else
      for type in pairs(k.types) do
        if #types < max then types[#types + 1] = type end
      end
    end
    return types
  end

  local function hasLine(k, type)
    if not k.isWide then return k.types[type] end
    return call('ZSCORE', ${key("shown_lines")}, k.prefix .. type) or call('ZSCORE', ${key("hidden_lines")}, k.prefix .. type)
  end

  -- Hides a line, or shows it; left: how many jobs it has, if its entry is gone already.
  local function setHidden(k, type, isHidden, left)
    self.work = self.work + ${WORK_OF_LINE}
    local jobs = left or call('ZCARD', lineOf(k.prefix, type))
    countHeld(type, isHidden and jobs or -jobs)
    countBehind(type, isHidden and 1 - jobs or jobs - 1)
    local first, score
    if not byTurns and not left then first, score = firstOf(k, type) end
    if not isHidden then
      show(k, type, first, score)
      shown[type] = true
    elseif not left then
      hide(k, type, first)
    end
    if k.isWide then note(k, type, isHidden) end
  end

  -- Brings a line to what its key is.
  local function fit(k, type)
    if not k.isWide then return end
    local isHidden = call('ZSCORE', ${key("hidden_lines")}, k.prefix .. type) and true or false
    if isHidden ~= k.isFull then setHidden(k, type, k.isFull) end
  end

  -- Brings lines of a wide key to what it is, as many as this call may. Returns whether that was all.
  local function fitSome(k)
    local types = widelyOf(k, not k.isFull, linesLeft + 1)
    for at = 1, math.min(#types, linesLeft) do setHidden(k, types[at], k.isFull) end
    local isAll = #types <= linesLeft
    linesLeft = math.max(0, linesLeft - #types)
    return isAll
  end

  -- Holds the lines of a key back, or lets them come. One of them may have its entry gone already, and so many jobs left.
  local function setFull(k, isFull, gone, left)
    k.isFull, k.hasChanged = isFull, true
    if k.lines == 0 then return end
    if byTurns and not isFull then enterTurns(k) end
    if left and left > 0 then setHidden(k, gone, isFull, left) end
    local isAll = true
    if k.isWide then
      isAll = fitSome(k)
      if not isAll and not isFull then
        call('SADD', ${key("unfit_keys")}, k.name)
        due(now)
      end
    else
      for type in pairs(k.types) do
        if type ~= gone then setHidden(k, type, isFull) end
      end
    end
    if byTurns and isFull and isAll then leaveTurns(k) end
  end

  -- A line begins: with an entry, unless its key is full.
  local function beginLine(k, type)
    k.lines, k.hasLines = k.lines + 1, true
    if not k.isWide and k.lines > ${WIDE} then
      for each in pairs(k.types) do note(k, each, k.isFull) end
      k.isWide, k.types = true, {}
    end
    if k.isWide then note(k, type, k.isFull) else k.types[type] = true end
  end

  -- A line is empty.
  local function endLine(k, type)
    k.lines, k.hasLines = k.lines - 1, true
    if k.lines == 0 then emptied[k] = true end
    if not k.isWide then
      k.types[type] = nil
      return
    end
    call('ZREM', ${key("shown_lines")}, k.prefix .. type)
    call('ZREM', ${key("hidden_lines")}, k.prefix .. type)
    if k.lines > ${WIDE / 2} then return end
    local types = typesOf(k, k.lines)
    for _, each in ipairs(types) do
      fit(k, each)
      k.types[each] = true
      call('ZREM', k.isFull and ${key("hidden_lines")} or ${key("shown_lines")}, k.prefix .. each)
    end
    k.isWide = false
    if byTurns and k.arrival then
      if k.isFull then leaveTurns(k) else moved[k] = true end
    end
  end

  -- Up to max keys that are full and need not be, and the other way round: after the limit was changed.
  local function misfits(max)
    local upTo = limit == 0 and '+inf' or '(' .. format('%d', FULL + limit)
    local open = call('ZRANGEBYSCORE', ${key("running_keys")}, FULL, upTo, 'LIMIT', 0, max)
    if limit == 0 or #open == max then return open, {} end
    return open, call('ZRANGEBYSCORE', ${key("running_keys")}, limit, '(' .. FULL, 'LIMIT', 0, max - #open)
  end

  function self.hasMisfits()
    local open, full = misfits(1)
    return #open + #full > 0 or call('EXISTS', ${key("unfit_keys")}) == 1
  end

  function self.refit(max)
    self.flush()
    local open, full = misfits(max)
    for _, name in ipairs(open) do setFull(keyOf(name), false) end
    for _, name in ipairs(full) do setFull(keyOf(name), true) end
    while linesLeft > 0 do
      local name = call('SRANDMEMBER', ${key("unfit_keys")})
      if not name then break end
      local k = keyOf(name)
      if k.isFull or not k.isWide or fitSome(k) then call('SREM', ${key("unfit_keys")}, name) end
    end
    self.flush()
  end
`;
