import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMergedKeys, type Merge } from "../../../src/core/operations/merged-keys.js";
import type { KeyPage } from "../../../src/core/port/listing.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import { rejection } from "../support/async.js";

/** The jobs of some queues, by queue: ids, and which of them match. */
type Jobs = Readonly<Record<string, readonly { readonly id: number; readonly isMatch: boolean }[]>>;

/** A merge, the newest first, over jobs that stand still; counts what is asked. */
function merging(jobs: Jobs, given: Partial<Merge> = {}) {
  const asked = { calls: 0, scan: 0, running: 0, most: 0 };
  const lines = new Map(Object.entries(jobs).map(([name, all]) => [name, all.toSorted((a, b) => b.id - a.id)]));
  const next = createMergedKeys({
    queues: [...lines.keys()],
    order: "NEWEST",
    after: undefined,
    read: async ({ queue, after, limit, scan }): Promise<KeyPage> => {
      asked.calls++;
      asked.scan += scan;
      asked.most = Math.max(asked.most, ++asked.running);
      await Promise.resolve();
      asked.running--;
      const keys: { key: string; bytes: number }[] = [];
      let last: string | undefined;
      let examined = 0;
      for (const { id, isMatch } of lines.get(queue) ?? []) {
        if (after !== undefined && id >= Number(after.slice(2))) continue;
        if (keys.length === limit || examined++ === scan) return { keys, next: last };
        last = `0-${id}`;
        if (isMatch) keys.push({ key: last, bytes: 1 });
      }
      return { keys, next: undefined };
    },
    ...given,
  });
  return { next, asked };
}

const many = (queues: number, each: number, isMatch: boolean): Jobs =>
  Object.fromEntries(
    Array.from({ length: queues }, (_, queue) => [
      `q${queue}`,
      Array.from({ length: each }, (_, at) => ({ id: at * queues + queue, isMatch })),
    ]),
  );

describe("createMergedKeys", () => {
  test("answers what a plain sort of all jobs does, read on or begun anew at every page", async () => {
    const someJobs = fc.uniqueArray(fc.tuple(fc.nat(10_000), fc.nat(6), fc.boolean()), {
      selector: ([id]) => id,
      maxLength: 300,
    });
    const run = fc.asyncProperty(
      someJobs,
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      async (all, limit, isAnew) => {
        const inQueue = (at: number) =>
          all.filter(([, queue]) => queue === at).map(([id, , isMatch]) => ({ id, isMatch }));
        const jobs = Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`q${at}`, inQueue(at)]));
        const seen: string[] = [];
        let { next } = merging(jobs);
        let after: string | undefined;
        do {
          const page = await next(limit);
          expect(page.places.length).toBeLessThanOrEqual(limit);
          seen.push(...page.places.map(({ number }) => number));
          // It always gets on.
          if (after !== undefined && page.next !== undefined)
            expect(Number(page.next.slice(2))).toBeLessThan(Number(after.slice(2)));
          after = page.next;
          if (isAnew) next = merging(jobs, { after }).next;
        } while (after !== undefined);
        const wanted = all.filter(([, , isMatch]) => isMatch).map(([id]) => id);
        expect(seen).toEqual(wanted.sort((a, b) => b - a).map(String));
      },
    );
    await fc.assert(run, { numRuns: 200 });
  });

  test("asks 5,000 queues for few jobs, and no more than some at a time", async () => {
    const { next, asked } = merging(many(5000, 50, true));
    const { places } = await next(50);
    expect(places.map(({ number }) => Number(number))).toEqual(Array.from({ length: 50 }, (_, at) => 249_999 - at));
    expect(asked.calls).toBe(5000);
    expect(asked.scan).toBe(10_000);
    expect(asked.most).toBeLessThanOrEqual(64);
  });

  test("examines a bounded number of jobs when none match, and gets on all the same", async () => {
    const jobs = many(4, 20_000, false);
    const { next, asked } = merging(jobs);
    const first = await next(50);
    expect(first.places).toEqual([]);
    expect(asked.scan).toBeLessThanOrEqual(LIMITS.scan + 4 * 50);
    expect(Number(first.next?.slice(2))).toBeLessThan(80_000 - LIMITS.scan / 2);
    const calls: number[] = [];
    for (let after = first.next; after !== undefined; ) {
      const again = merging(jobs, { after });
      const page = await again.next(50);
      expect(page.places).toEqual([]);
      after = page.next;
      calls.push(again.asked.calls);
    }
    expect(calls.length).toBeLessThan(16);
  });

  test("holds back what may come behind jobs that it has not examined yet", async () => {
    const busy = Array.from({ length: 30_000 }, (_, at) => ({ id: 10_000 + at, isMatch: at === 0 }));
    const { next } = merging({ ...many(5, 20, true), busy });
    const first = await next(3);
    expect(first.places).toEqual([]);
    const seen: number[] = [];
    for (let pages = 0; seen.length < 4; pages++) {
      expect(pages).toBeLessThan(10);
      seen.push(...(await next(3)).places.map(({ number }) => Number(number)));
    }
    expect(seen.slice(0, 4)).toEqual([10_000, 99, 98, 97]);
  });

  test("looks further only into queues that hold back what is wanted", async () => {
    const busy = Array.from({ length: 5000 }, (_, at) => ({ id: 10_000 + at, isMatch: at < 3 }));
    const { next, asked } = merging({ ...many(100, 50, true), busy });
    const { places } = await next(10);
    expect(places.slice(0, 4).map(({ number }) => Number(number))).toEqual([10_002, 10_001, 10_000, 4999]);
    // Every queue once, the busy one some times more.
    expect(asked.calls).toBeLessThan(115);
  });

  test("stops asking once a queue cannot be read", async () => {
    let calls = 0;
    const read = async () => {
      if (++calls === 100) throw new Error("away");
      return { keys: [], next: undefined };
    };
    const { next } = merging(many(5000, 1, true), { read });
    expect(await rejection(next(50))).toEqual(new Error("away"));
    const atOnce = calls;
    await new Promise(setImmediate);
    expect([calls, calls < 200]).toEqual([atOnce, true]);
  });

  test("refuses to begin at what is no key", async () => {
    for (const after of ["", "x", "1-2-3", "-1", "1e3"]) {
      expect(() => merging(many(2, 2, true), { after })).toThrow(
        expect.objectContaining({ reason: "PAGE_TOKEN_INVALID" }),
      );
    }
  });
});
