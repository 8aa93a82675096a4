import { key, metaName } from "../../layout/lua.js";
import { lua } from "../lua.js";

/** Most keys without entries whose turns are remembered; of more, those go first whose turn comes first. */
const MAX_IDLE = 100_000;

/** Most of them that one call forgets as the queue has come to them; it hands out fewer jobs. */
const FORGOTTEN = 500;

/**
 * A part of createKeyLines (key-lines.ts): the turns of keys in a FAIR queue, virtual time. Each key has a time, counted up with each
 * hand-out of a job, and the queue has that of the key that was served last, before that was counted; it never falls. The key with
 * the least time is next; of several, the one that got its entries first. A key that gets entries begins at the queue's time, unless its
 * own is later, which is remembered while that is so: whoever had no jobs or was full has saved up nothing, and gets ahead of nobody.
 *
 * A known key has `turn` and `arrival` while it has entries; `rested` is its time otherwise, `isRested`: as it is remembered.
 */
export const KEY_TURNS = lua`
  local turn, arrivals = tonumber(own[2] or 0), tonumber(own[3] or 0)
  local lastTurn, lastArrivals = turn, arrivals

  -- A key gets entries; a wide one may have some left.
  local function enterTurns(k)
    if k.arrival then
      k.turn, k.hasTurned = math.max(k.turn, turn), true
      return
    end
    arrivals = arrivals + 1
    k.turn, k.arrival, k.entry, k.hasTurned = math.max(k.rested, turn), arrivals, nil, true
  end

  -- A key has no entries any more.
  local function leaveTurns(k)
    k.rested, k.turn, k.arrival, k.hasTurned = k.turn, nil, nil, true
  end

  -- When jobs have gone where they go: one that is put in line again has its key keep its place.
  local function leaveEmpty()
    for k in pairs(emptied) do
      if k.arrival and k.lines == 0 then leaveTurns(k) end
    end
    emptied = {}
  end

  local function countTurn(k)
    turn = math.max(turn, k.turn)
    k.turn, k.hasTurned = k.turn + 1, true
  end

  -- Not to a wide key: none of its entries is to stand behind its turn.
  local function giveTurnBack(k)
    if k.isWide then return end
    k.hasTurned = true
    if k.arrival then k.turn = math.max(0, k.turn - 1) else k.rested = math.max(0, k.rested - 1) end
  end

  local function flushTurns()
    if not byTurns then return end
    local active, rested, inactive, forgotten = {}, {}, {}, {}
    for name, k in pairs(known) do
      if k.hasTurned then
        if k.arrival then
          active[#active + 1] = name
          active[#active + 1] = format('%d %d', k.turn, k.arrival)
        else
          inactive[#inactive + 1] = name
        end
        if not k.arrival and k.rested > turn then
          rested[#rested + 1] = format('%d', k.rested)
          rested[#rested + 1] = name
          k.isRested = true
        elseif k.isRested then
          forgotten[#forgotten + 1] = name
          k.isRested = false
        end
        k.hasTurned = false
      end
    end
    callMany('HSET', ${key("active_keys")}, active)
    callMany('HDEL', ${key("active_keys")}, inactive)
    callMany('ZREM', ${key("idle_keys")}, forgotten)
    callMany('ZADD', ${key("idle_keys")}, rested)
    local over = #rested > 0 and call('ZCARD', ${key("idle_keys")}) - ${MAX_IDLE} or 0
    if over > 0 then call('ZPOPMIN', ${key("idle_keys")}, over) end
    if arrivals ~= lastArrivals then call('HSET', KEYS[1], ${metaName("arrivals")}, format('%d', arrivals)) end
    if turn ~= lastTurn then
      call('HSET', KEYS[1], ${metaName("turn")}, format('%d', turn))
      -- These begin where any other key begins.
      callMany('ZREM', ${key("idle_keys")}, call('ZRANGEBYSCORE', ${key("idle_keys")}, '-inf', format('%d', turn), 'LIMIT', 0, ${FORGOTTEN}))
    end
    lastTurn, lastArrivals = turn, arrivals
  end
`;
