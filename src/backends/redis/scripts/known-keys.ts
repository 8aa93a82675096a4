import { key } from "../layout/lua.js";
import { lua } from "./lua.js";

/**
 * A part of createKeyLines (key-lines.ts): the keys that a call looked at. Of each: its `name`; the `prefix` of its lines, as it follows `line:`;
 * the `types` of which it has jobs in line, a list, and their places in that by type (`typeAt`); how many of its jobs are `running`;
 * whether it `isFull`; and its turn (key-turns.ts). What has changed is written by `flushKnown`.
 */
export const KNOWN_KEYS = lua`
  -- Score of a full key in running_keys is this and the number of its RUNNING jobs: more than ever run.
  local FULL = 1000000000
  local known = {}

  local function typesOf(text)
    local only = string.match(text, '^%["([^"\\]+)"%]$')
    return only and {only} or cjson.decode(text)
  end

  -- Reads those of these keys that are not known yet.
  local function know(names)
    local unknown = {}
    for _, name in ipairs(names) do
      if not known[name] then
        unknown[#unknown + 1], known[name] = name, {name = name, prefix = format('%03d', #name) .. name, typeAt = {}}
      end
    end
    if #unknown == 0 then return end
    local running = call('ZMSCORE', ${key("running_keys")}, unpack(unknown))
    local turns = byTurns and call('HMGET', ${key("active_keys")}, unpack(unknown)) or {}
    local rested = byTurns and call('ZMSCORE', ${key("idle_keys")}, unpack(unknown)) or {}
    for at, text in ipairs(call('HMGET', ${key("key_types")}, unpack(unknown))) do
      local k, score = known[unknown[at]], tonumber(running[at] or 0)
      k.isFull, k.running, k.rested = score >= FULL, score % FULL, tonumber(rested[at] or 0)
      k.isRested = k.rested > 0
      k.types = text and typesOf(text) or {}
      for place, type in ipairs(k.types) do k.typeAt[type] = place end
      if turns[at] then
        local blank = find(turns[at], ' ', 1, true)
        k.turn, k.arrival = tonumber(sub(turns[at], 1, blank - 1)), tonumber(sub(turns[at], blank + 1))
      end
    end
  end

  local function keyOf(name)
    if not known[name] then know({name}) end
    return known[name]
  end

  local function lineOf(k, type)
    return ${key("line")} .. k.prefix .. type
  end

  self.lineOf = lineOf

  local function beginLine(k, type)
    k.types[#k.types + 1] = type
    k.typeAt[type], k.hasLines = #k.types, true
  end

  -- A line is empty.
  local function endLine(k, type)
    local place, last = k.typeAt[type], table.remove(k.types)
    k.typeAt[type], k.hasLines = nil, true
    if last ~= type then k.types[place], k.typeAt[last] = last, place end
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
        if #k.types == 0 then
          unlined[#unlined + 1] = name
        else
          lined[#lined + 1] = name
          lined[#lined + 1] = cjson.encode(k.types)
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
