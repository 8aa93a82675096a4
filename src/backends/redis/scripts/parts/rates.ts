import { EARLY_MS, LATEST_MS, MAKE_UP_MS, SLOT_GRAIN_MS } from "../../../../model/queue/rate-limit.js";
import { RATE } from "../../layout/features.js";
import { key, meta, metaName } from "../../layout/lua.js";
import { lua } from "../lua.js";

/**
 * The part of the prelude that knows the rate of the queue: `rate`, nil when it has none, with what the functions of the same names
 * in model/rate-limit.ts do. A table, so that queues without a rate make no functions. Times are steady, in ms with fractions.
 */
export const RATES = lua`
local rate
if ${meta("requires")} and needs('${RATE}') then
  local limit, state = unpack(call('HMGET', KEYS[1], ${metaName("rate_limit")}, ${metaName("rate_state")}))
  if limit then
    local tat, isBehind = string.match(state or '', '^(%S+) (%d)$')
    rate = {tat = tonumber(tat), isBehind = isBehind == '1'}
    local function exactly()
      return steady + (micros or 0) / 1000
    end

    -- The limit in the setting.
    local function read(text)
      local count, period, burst = string.match(text, '^(%d+) (%d+) (%d+)$')
      limit, rate.each, rate.burst = text, period / count, tonumber(burst)
    end
    read(limit)

    local function save()
      call('HSET', KEYS[1], ${metaName("rate_state")}, format('%.17g %d', rate.tat, rate.isBehind and 1 or 0))
    end

    local function tatAt(exact)
      if not rate.tat then return exact end
      local isLate = rate.isBehind and exact - (rate.tat - (rate.burst - 1) * rate.each) <= ${LATEST_MS}
      return math.min(math.max(rate.tat, isLate and exact - ${MAKE_UP_MS} or exact), exact + rate.burst * rate.each)
    end

    rate.free = function()
      local exact = exactly()
      return math.max(0, floor((exact - tatAt(exact) + ${EARLY_MS}) / rate.each + rate.burst))
    end

    -- When the slot comes that the queue waits for; nil: there is one now.
    rate.nextSlot = function()
      if not rate.tat then return nil end
      local exact = exactly()
      local at = math.min(rate.tat, exact + rate.burst * rate.each) - (rate.burst - 1) * rate.each - ${EARLY_MS}
      if rate.each < ${SLOT_GRAIN_MS} then at = math.ceil(at / ${SLOT_GRAIN_MS}) * ${SLOT_GRAIN_MS} end
      if at > exact then return at end
      if rate.free() < 1 then return exact + 1 end
    end

    -- The same as a time for the outside, in whole ms.
    rate.nextSlotAt = function()
      local at = rate.nextSlot()
      return at and math.ceil(at + setAhead)
    end

    -- Whether nobody is to be told of ready jobs before their slot comes, which is due then.
    rate.holds = function()
      local at = rate.nextSlotAt()
      if at then due(at) end
      return at ~= nil
    end

    -- So many jobs were handed out.
    rate.took = function(count)
      local exact, isMoreReady = exactly(), call('EXISTS', ${key("ready_types")}) == 1
      rate.tat = tatAt(exact) + count * rate.each
      rate.isBehind = isMoreReady
        and (rate.isBehind or floor((exact - rate.tat + ${EARLY_MS}) / rate.each + rate.burst) < 1)
      save()
      return isMoreReady and rate.holds()
    end

    -- So many hand-outs reached nobody.
    rate.refund = function(count)
      if not rate.tat or count == 0 then return end
      rate.tat = rate.tat - count * rate.each
      save()
    end

    -- Another limit is set, or none.
    rate.change = function(text)
      if text == limit then return end
      if text == '' then
        call('HDEL', KEYS[1], ${metaName("rate_state")})
        rate = nil
        return
      end
      local exact = exactly()
      local free = (exact - tatAt(exact)) / rate.each + rate.burst
      read(text)
      if not rate.tat then return end
      rate.tat = exact + (rate.burst - math.min(free, rate.burst)) * rate.each
      save()
    end

    -- The queue is paused or resumed.
    rate.pause = function()
      if not rate.isBehind then return end
      rate.isBehind = false
      save()
    end

    -- TIME may have stepped back by less than counts as a step.
    rate.clamp = function()
      local most = exactly() + rate.burst * rate.each
      if not rate.tat or rate.tat <= most then return end
      rate.tat = most
      save()
    end
  end
end
`;
