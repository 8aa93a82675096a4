import type { RateLimit } from "../../src/model/queue/rate-limit.js";

/** What one call takes: after so many ms, and at the most so many. */
export interface SlotCall {
  readonly afterMs: number;
  readonly max: number;
}

/** How many slots each of these calls gets, by a bucket that is filled with a token each `periodMs / count`. */
export function naiveSlots({ count, periodMs, burst }: RateLimit, calls: readonly SlotCall[]): number[] {
  let tokens = burst;
  return calls.map(({ afterMs, max }) => {
    tokens = Math.min(burst, tokens + (afterMs * count) / periodMs);
    const taken = Math.min(max, Math.floor(tokens));
    tokens -= taken;
    return taken;
  });
}

/**
 * By how much hand-outs at these times, ms, exceed a rate: the most in any time beyond a burst and what comes in that time. `slackMs`: what
 * the times may be wrong by, and what is made up for.
 */
export function excessOf({ count, periodMs, burst }: RateLimit, times: readonly number[], slackMs: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  let excess = Number.NEGATIVE_INFINITY;
  // The worst time begins at a hand-out: of all before, the one whose number is furthest behind what had come.
  let worst = Number.NEGATIVE_INFINITY;
  sorted.forEach((at, index) => {
    worst = Math.max(worst, (at * count) / periodMs - index);
    excess = Math.max(excess, index + 1 - burst - ((at + slackMs) * count) / periodMs + worst);
  });
  return excess;
}
