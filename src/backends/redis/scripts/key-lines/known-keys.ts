import { key } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** Score of a full key in `running_keys` is this and the number of its RUNNING jobs: more than ever run. */
export const FULL_KEY = 1_000_000_000;

/**
 * A part of createKeyLines (key-lines.ts): the keys that a call looked at. Of each: its `name`; the `prefix` of its lines, as it follows
 * `line:`; how many `lines` it has, and the `types` of these, a set; how many of its jobs are `running`; whether it `isFull`; and its
 * turn (key-turns.ts). One with very many lines `isWide`: its `types` are kept in `shown_lines` and `hidden_lines` instead
 * (full-keys.ts). What has changed is written by `flushKnown`.
 */
export const KNOWN_KEYS = lua`
  local FULL = ${FULL_KEY}
  -- All that this call knows; those of which the last line has become empty.
  local known, emptied = {}, {}

  local prefixes = {}
  local function prefixOf(name)
    local prefix = prefixes[#name]
    if not prefix then
      prefix = format('%03d', #name)
      prefixes[#name] = prefix
    end
    return prefix .. name
  end

  -- The types of a key that is not wide.
  local function listOf(text)
    local only = string.match(text, '^%["([^"\\]+)"%]$')
    return only and {only} or cjson.decode(text)
  end

  -- Reads those of these keys that are not known yet.
  local function know(names)
    local unknown = {}
    for _, name in ipairs(names) do
      if not known[name] then unknown[#unknown + 1], known[name] = name, true end
    end
    if #unknown == 0 then return end
    local running = call('ZMSCORE', ${key("running_keys")}, unpack(unknown))
    local turns = byTurns and call('HMGET', ${key("active_keys")}, unpack(unknown))
    local rested = byTurns and call('ZMSCORE', ${key("idle_keys")}, unpack(unknown))
    for at, text in ipairs(call('HMGET', ${key("key_types")}, unpack(unknown))) do
      local name, score, types, lines = unknown[at], tonumber(running[at] or 0), {}, 0
      local wide = text and tonumber(text) or nil
      for place, type in ipairs(text and not wide and listOf(text) or {}) do types[type], lines = true, place end
      local active, turn, arrival = turns and turns[at], nil, nil
      if active then
        local blank = find(active, ' ', 1, true)
        turn, arrival = tonumber(sub(active, 1, blank - 1)), tonumber(sub(active, blank + 1))
      end
      local idle = rested and rested[at]
      known[name] = {
        name = name, prefix = prefixOf(name), types = types, lines = wide or lines, isWide = wide ~= nil, running = score % FULL, isFull = score >= FULL,
        turn = turn, arrival = arrival, rested = tonumber(idle or 0), isRested = idle and true or false, entry = nil,
        hasChanged = false, hasLines = false, hasTurned = false,
      }
    end
  end

  local function keyOf(name)
    if not known[name] then know({name}) end
    return known[name]
  end

  local function lineOf(prefix, type)
    return ${key("line")} .. prefix .. type
  end

  local function flushKnown()
    local running, idle, lined, unlined = {}, {}, {}, {}
    for name, k in pairs(known) do
      if k.hasChanged then
        local score = k.running + (k.isFull and FULL or 0)
        if score == 0 then
          idle[#idle + 1] = name
        else
          running[#running + 1] = format('%d', score)
          running[#running + 1] = name
        end
      end
      if k.hasLines then
        if k.lines == 0 then
          unlined[#unlined + 1] = name
        else
          local list = {}
          for type in pairs(k.types) do list[#list + 1] = type end
          lined[#lined + 1] = name
          lined[#lined + 1] = k.isWide and format('%d', k.lines) or cjson.encode(list)
        end
      end
      k.hasChanged, k.hasLines = false, false
    end
    callMany('ZADD', ${key("running_keys")}, running)
    callMany('ZREM', ${key("running_keys")}, idle)
    callMany('HSET', ${key("key_types")}, lined)
    callMany('HDEL', ${key("key_types")}, unlined)
  end
`;
