import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  afterChange,
  afterHandOut,
  afterPause,
  afterRefund,
  EARLY_MS,
  freeSlots,
  MAKE_UP_MS,
  nextSlotAt,
  type RateLimit,
  type RateState,
  SLOT_GRAIN_MS,
} from "../../../src/model/queue/rate-limit.js";
import { naiveSlots } from "../../support/rates.js";

/** A time as a store has it, with fractions. */
const START = 1_764_163_200_000.25;

const limit = fc.record({
  count: fc.integer({ min: 1, max: 2000 }),
  periodMs: fc.oneof(fc.integer({ min: 2, max: 3000 }), fc.constantFrom(60_000, 3_600_000)),
  burst: fc.integer({ min: 1, max: 40 }),
});

/** Slots that come some ms apart: of others a rounded time is a part that can be told. */
const coarse = limit.map((rate) => ({ ...rate, periodMs: rate.periodMs + rate.count * 5 }));

/** Takes what there is at these times, up to so many each, as a store does; `left`: whether jobs were left waiting. */
function run(
  rate: RateLimit,
  calls: readonly { readonly afterMs: number; readonly max: number; readonly left: boolean }[],
) {
  let now = START;
  let state: RateState | undefined;
  const taken: { at: number; count: number }[] = [];
  for (const { afterMs, max, left } of calls) {
    now += afterMs;
    const count = Math.min(max, freeSlots(rate, state, now));
    if (count > 0) state = afterHandOut(rate, state, now, count, left);
    taken.push({ at: now, count });
  }
  return { taken, state, now };
}

const call = (left: fc.Arbitrary<boolean>) =>
  fc.record({ afterMs: fc.double({ min: 0, max: 400, noNaN: true }), max: fc.integer({ min: 1, max: 50 }), left });

describe("the slots of a rate", () => {
  test("are a burst at first, then one each period / count, none sooner", () => {
    const rate = { count: 3, periodMs: 1000, burst: 2 };
    expect(freeSlots(rate, undefined, 0)).toBe(2);
    const state = afterHandOut(rate, undefined, 0, 2, true);
    expect([0, 333, 334, 666, 667, 5000].map((at) => freeSlots(rate, afterPause(state), at))).toEqual([
      0, 0, 1, 1, 2, 2,
    ]);
    expect(nextSlotAt(rate, state, 0)).toBeCloseTo(333.33, 1);
    expect(nextSlotAt(rate, state, 334)).toBeUndefined();
  });

  test.each([
    [1000, 1000],
    [3, 1000],
    [7, 1000],
    [1, 60_000],
    [999, 1001],
  ])("of %i in %i ms come to exactly that many, however often somebody looks", (count, periodMs) => {
    const rate = { count, periodMs, burst: 1 };
    let state: RateState | undefined;
    let taken = 0;
    for (let at = 0; at < periodMs * 60; at += Math.min(50, Math.ceil(periodMs / count))) {
      const free = freeSlots(rate, state, START + at);
      if (free > 0) state = afterHandOut(rate, state, START + at, free, true);
      taken += free;
    }
    expect(Math.abs(taken - count * 60)).toBeLessThanOrEqual(1);
  });

  test("that somebody takes late are made up for while jobs wait, up to 100 ms' worth, unless they are late by a second, and lost otherwise", () => {
    const rate = { count: 100, periodMs: 1000, burst: 1 };
    const behind = afterHandOut(rate, undefined, 0, 1, true);
    expect(behind.isBehind).toBe(true);
    expect([10, 35, 99].map((at) => freeSlots(rate, behind, at))).toEqual([1, 3, 9]);
    expect([1010, 1011, 60_000].map((at) => freeSlots(rate, behind, at))).toEqual([11, 1, 1]);
    const idle = afterHandOut(rate, undefined, 0, 1, false);
    expect([10, 35, 60_000].map((at) => freeSlots(rate, idle, at))).toEqual([1, 1, 1]);
    expect(freeSlots(rate, afterPause(behind), 500)).toBe(1);
  });

  test("that one worker after the other takes are made up for until no job is left", () => {
    const rate = { count: 100, periodMs: 1000, burst: 1 };
    let state = afterHandOut(rate, undefined, 0, 1, true);
    state = afterHandOut(rate, state, 55, 1, true);
    expect([state.isBehind, freeSlots(rate, state, 55)]).toEqual([true, 4]);
    state = afterHandOut(rate, state, 55, 1, false);
    expect([state.isBehind, freeSlots(rate, state, 55)]).toEqual([false, 1]);
  });

  test("are refunded", () => {
    const rate = { count: 1, periodMs: 1000, burst: 3 };
    const state = afterHandOut(rate, undefined, 0, 3, true);
    expect(freeSlots(rate, afterRefund(rate, state, 2), 0)).toBe(2);
    expect(freeSlots(rate, afterRefund(rate, state, 3), 100_000)).toBe(3);
    expect(afterRefund(rate, undefined, 3)).toBeUndefined();
  });

  test("never lie more than a burst ahead, though the clock has stepped back", () => {
    const rate = { count: 1, periodMs: 1000, burst: 3 };
    const state = afterHandOut(rate, undefined, 1_000_000, 3, true);
    expect(nextSlotAt(rate, state, 0)).toBeCloseTo(1000, 1);
    expect(freeSlots(rate, state, 0)).toBe(0);
  });

  test("never exceed the rate: in any time no more than a burst and what comes in it, and what is made up for", () => {
    fc.assert(
      fc.property(limit, fc.array(call(fc.boolean()), { maxLength: 60 }), (rate, calls) => {
        const { taken } = run(rate, calls);
        const each = rate.periodMs / rate.count;
        taken.forEach(({ at: from }, first) => {
          let sum = 0;
          for (const { at, count } of taken.slice(first)) {
            sum += count;
            expect(sum).toBeLessThanOrEqual(rate.burst + (at - from + MAKE_UP_MS + 0.01) / each);
          }
        });
      }),
    );
  });

  test("are those of a bucket of tokens, when nobody is behind", () => {
    fc.assert(
      fc.property(limit, fc.array(call(fc.constant(false)), { maxLength: 60 }), (rate, calls) => {
        const expected = naiveSlots(rate, calls);
        run(rate, calls).taken.forEach(({ count }, at) => {
          // What was rounded may decide at the very edge of a slot.
          expect(Math.abs(count - (expected[at] ?? 0))).toBeLessThanOrEqual(1);
        });
      }),
    );
  });

  test("are there when the next one was said to come", () => {
    fc.assert(
      fc.property(limit, fc.array(call(fc.boolean()), { minLength: 1, maxLength: 20 }), (rate, calls) => {
        const { state, now } = run(rate, calls);
        const next = nextSlotAt(rate, state, now);
        if (next === undefined) expect(freeSlots(rate, state, now)).toBeGreaterThan(0);
        else {
          expect(next).toBeLessThanOrEqual(now + rate.periodMs / rate.count + SLOT_GRAIN_MS + 0.01);
          // At the very edge what was rounded may cost a ms more.
          const woken = Math.ceil(next);
          const again = nextSlotAt(rate, state, woken) ?? woken;
          expect(again).toBeLessThanOrEqual(woken + 1);
          expect(freeSlots(rate, state, again)).toBeGreaterThan(0);
          expect(nextSlotAt(rate, state, again)).toBeUndefined();
        }
      }),
    );
  });
});

describe("a slot that is said to be there", () => {
  test("is there, at the very edge too", () => {
    const rate = { count: 1832, periodMs: 60_000, burst: 22 };
    const state = afterHandOut(rate, afterHandOut(rate, undefined, START, 18, false), START, 4, false);
    const edges = fc.tuple(fc.double({ min: -0.004, max: 0.004, noNaN: true }), fc.integer({ min: 1, max: 22 }));
    fc.assert(
      fc.property(edges, ([off, nth]) => {
        const at = START + (nth * rate.periodMs) / rate.count + off;
        if (nextSlotAt(rate, state, at) === undefined) expect(freeSlots(rate, state, at)).toBeGreaterThan(0);
      }),
      { examples: [[[-EARLY_MS, 1]]], numRuns: 1000 },
    );
  });
});

describe("another limit", () => {
  test("counts at once: what is there of a slot stays, and neither a burst nor the old period is waited for", () => {
    const slow = { count: 1, periodMs: 3_600_000, burst: 1 };
    const fast = { count: 10, periodMs: 1000, burst: 5 };
    const used = afterHandOut(slow, undefined, START, 1, true);
    const now = START + 1_800_000;
    const sped = afterChange(slow, fast, used, now);
    expect(freeSlots(fast, sped, now)).toBe(0);
    expect(freeSlots(fast, sped, now + 50)).toBe(1);
    const back = afterChange(fast, slow, sped, now);
    expect(nextSlotAt(slow, back, now)).toBeCloseTo(START + 3_600_000, 0);
    const full = afterHandOut(fast, undefined, START, 1, false);
    expect(freeSlots(slow, afterChange(fast, slow, full, START), START)).toBe(1);
    expect(freeSlots(fast, afterChange(slow, fast, afterChange(fast, slow, full, START), START), START)).toBe(1);
  });

  test("gives no slots, however often it is set", () => {
    fc.assert(
      fc.property(coarse, fc.array(coarse, { minLength: 1, maxLength: 20 }), (first, limits) => {
        let state: RateState | undefined = afterHandOut(first, undefined, START, first.burst, true);
        let rate = first;
        for (const next of limits) {
          state = afterChange(rate, next, state, START);
          rate = next;
          expect(freeSlots(rate, state, START)).toBe(0);
        }
        expect(freeSlots(rate, state, START + (1.01 * rate.periodMs) / rate.count)).toBeGreaterThanOrEqual(1);
      }),
    );
  });

  test("that says the same changes nothing", () => {
    const rate = { count: 3, periodMs: 1000, burst: 2 };
    const state = afterHandOut(rate, undefined, START, 2, true);
    expect(afterChange(rate, { ...rate }, state, START + 1)).toBe(state);
    expect(afterChange(rate, { ...rate, count: 4 }, undefined, START)).toBeUndefined();
  });
});
