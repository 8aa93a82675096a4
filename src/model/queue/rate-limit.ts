import { LIMITS } from "../common/limits.js";

/**
 * How many jobs of a queue are handed out in a time, on all servers together. Slots come evenly, one each `periodMs / count`; those
 * that nobody takes add up to `burst`. Every hand-out takes one, of a retry too.
 */
export interface RateLimit {
  readonly count: number;
  readonly periodMs: number;
  /** Most jobs at once, after a time without any. */
  readonly burst: number;
}

/** A rate to set. `burst`: default what comes in 100 ms, at least 1. */
export type RateLimitRequest = Pick<RateLimit, "count" | "periodMs"> & {
  readonly burst?: RateLimit["burst"] | undefined;
};

/**
 * What a queue with a rate has used, by GCRA (generic cell rate algorithm). Times are ms of a clock that only passes, with
 * fractions. Undefined, where there may be none: nothing yet, a whole burst is there.
 */
export interface RateState {
  /** The theoretical arrival time: when the slots that were taken would all have come, had they come one by one. */
  readonly tat: number;
  /** Whether jobs were left waiting for a slot: the next call then comes late by how long it takes to wake somebody. */
  readonly isBehind: boolean;
}

/**
 * How much of that lateness is made up for, ms: slots that came so long ago are not lost while jobs wait, so that the rate is kept on
 * the mean. Other slots beyond a burst are lost at once.
 */
export const MAKE_UP_MS = 100;

/**
 * Whoever takes a slot so much after it came was not late by being woken, ms: then nothing is made up for, and no more than a
 * burst goes.
 */
export const LATEST_MS = 1000;

/** Slots that come closer together are waited for several at a time, ms: somebody is woken this often at the most. */
export const SLOT_GRAIN_MS = 10;

/** A slot is there so much before its time, ms, so that what was rounded in reckoning does not cost a whole ms. */
export const EARLY_MS = 0.001;

/** The default of `burst` is what comes in so many ms. */
const BURST_MS = 100;

/** Completes a rate to set. Periods are stored in whole ms: fractions are rounded up. */
export function toRateLimit({ count, periodMs, burst }: RateLimitRequest): RateLimit {
  const whole = Math.ceil(periodMs);
  const usual = Math.max(1, Math.min(LIMITS.rateBurst, Math.floor((count * BURST_MS) / whole)));
  return { count, periodMs: whole, burst: burst ?? usual };
}

/** Whether two rates say the same. */
function isSameRate(a: RateLimit, b: RateLimit): boolean {
  return a.count === b.count && a.periodMs === b.periodMs && a.burst === b.burst;
}

/** How many jobs may be handed out now. The scripts of Redis reckon the same, step by step. */
export function freeSlots(limit: RateLimit, state: RateState | undefined, now: number): number {
  return Math.max(0, Math.floor((now - tatAt(limit, state, now) + EARLY_MS) / spacing(limit) + limit.burst));
}

/** The state after `count` jobs were handed out, no more than there were slots. `isMoreReady`: whether there were more to hand out. */
export function afterHandOut(
  limit: RateLimit,
  state: RateState | undefined,
  now: number,
  count: number,
  isMoreReady: boolean,
): RateState {
  const tat = tatAt(limit, state, now) + count * spacing(limit);
  const isBehind = isMoreReady && (state?.isBehind === true || freeSlots(limit, { tat, isBehind: false }, now) < 1);
  return { tat, isBehind };
}

/** The state after `count` hand-outs that reached nobody. */
export function afterRefund(limit: RateLimit, state: RateState | undefined, count: number): RateState | undefined {
  return state && { ...state, tat: state.tat - count * spacing(limit) };
}

/** The state when another limit is set: the slots that are there, and the part of the next one that has come, stay, up to the new burst. */
export function afterChange(
  before: RateLimit,
  after: RateLimit,
  state: RateState | undefined,
  now: number,
): RateState | undefined {
  if (state === undefined || isSameRate(before, after)) return state;
  const free = (now - tatAt(before, state, now)) / spacing(before) + before.burst;
  return { ...state, tat: now + (after.burst - Math.min(free, after.burst)) * spacing(after) };
}

/** The state of a queue that was paused: what came meanwhile is no lateness. */
export function afterPause(state: RateState | undefined): RateState | undefined {
  return state && { ...state, isBehind: false };
}

/**
 * When the slot comes that the queue waits for; undefined: there is one now. Slots that come closely are waited for together, so that
 * one may be there a little before.
 */
export function nextSlotAt(limit: RateLimit, state: RateState | undefined, now: number): number | undefined {
  if (state === undefined) return undefined;
  const each = spacing(limit);
  const at = Math.min(state.tat, now + limit.burst * each) - (limit.burst - 1) * each - EARLY_MS;
  const told = each < SLOT_GRAIN_MS ? Math.ceil(at / SLOT_GRAIN_MS) * SLOT_GRAIN_MS : at;
  if (told > now) return told;
  // What was rounded may decide at the very edge: a queue that is said to have a slot has one.
  return freeSlots(limit, state, now) > 0 ? undefined : now + 1;
}

/** The state as a clock has it that stepped back, or a process that did not see it go on: never more than a burst ahead. */
export function clampedRate(limit: RateLimit, state: RateState, now: number): RateState {
  const most = now + limit.burst * spacing(limit);
  return state.tat > most ? { ...state, tat: most } : state;
}

/** Ms from one slot to the next. */
function spacing({ count, periodMs }: RateLimit): number {
  return periodMs / count;
}

/** The theoretical arrival time as it counts now. It is never more than a burst ahead, though the clock may have stepped back. */
function tatAt(limit: RateLimit, state: RateState | undefined, now: number): number {
  const each = spacing(limit);
  if (state === undefined) return now;
  const isLate = state.isBehind && now - (state.tat - (limit.burst - 1) * each) <= LATEST_MS;
  return Math.min(Math.max(state.tat, isLate ? now - MAKE_UP_MS : now), now + limit.burst * each);
}
