import { describe, expect, test } from "vitest";
import { backoffDelay, DEFAULT_BACKOFF, isSameBackoff, toBackoff } from "../../../src/model/job/backoff.js";
import type { Backoff } from "../../../src/model/job/job.js";

const growing = (baseDelayMs: number, maxDelayMs: number, multiplier?: number): Backoff => {
  return { baseDelayMs, maxDelayMs, multiplier };
};
const listed = (...delaysMs: readonly number[]): Backoff => ({ delaysMs });

const table: readonly [backoff: Backoff, retryCount: number, jitter: number, expected: number][] = [
  [growing(100, 5000), 1, 0, 100],
  [growing(100, 5000), 2, 0, 200],
  [growing(100, 5000), 3, 0, 400],
  [growing(100, 5000), 6, 0, 3200],
  [growing(100, 5000), 7, 0, 5000],
  [growing(100, 5000), 100, 0, 5000],
  [growing(100, 5000), 1, 1, 140],
  [growing(100, 5000), 2, 0.5, 240],
  [growing(100, 5000), 7, 1, 7000],
  [growing(1, 10), 1, 0.99, 1],
  [growing(333, 5000), 1, 0.1, 346],
  [growing(0, 5000), 9, 1, 0],
  [growing(100, 0), 3, 1, 0],
  [growing(5000, 100), 1, 0, 100],
  [growing(100, 5000, 1), 1, 0, 100],
  [growing(100, 5000, 1), 100, 0.5, 120],
  [growing(5000, 100, 1), 2, 0, 100],
  [growing(100, 5000, 1.5), 2, 0, 150],
  [growing(100, 5000, 1.5), 4, 0, 337],
  [growing(100, 5000, 1.5), 4, 1, 472],
  [growing(1000, 3_600_000, 10), 4, 0, 1_000_000],
  [growing(1000, 3_600_000, 10), 5, 0, 3_600_000],
  [listed(1000), 1, 0, 1000],
  [listed(1000), 100, 1, 1400],
  [listed(1000, 60_000, 500), 1, 0, 1000],
  [listed(1000, 60_000, 500), 2, 0.5, 72_000],
  [listed(1000, 60_000, 500), 3, 0, 500],
  [listed(1000, 60_000, 500), 4, 0, 500],
  [listed(0, 7), 1, 1, 0],
];

describe("backoffDelay", () => {
  test.each(table)("waits, for %j, retry %i and jitter %d, %i ms", (backoff, n, jitter, expected) => {
    expect(backoffDelay(backoff, n, jitter)).toBe(expected);
  });
});

describe("toBackoff", () => {
  const slow = { baseDelayMs: 1000, maxDelayMs: 9000, multiplier: 3 };

  test.each([
    ["nothing", {}, slow, slow],
    ["nothing beside a list", {}, { delaysMs: [1, 2] }, { delaysMs: [1, 2] }],
    ["a part", { baseDelayMs: 5 }, slow, { ...slow, baseDelayMs: 5 }],
    ["a part beside a list", { multiplier: 1 }, { delaysMs: [1] }, { ...DEFAULT_BACKOFF, multiplier: 1 }],
    ["what doubles", { multiplier: 2 }, slow, { baseDelayMs: 1000, maxDelayMs: 9000 }],
    ["fractions of a ms", { baseDelayMs: 0.1, maxDelayMs: 1.5 }, DEFAULT_BACKOFF, { baseDelayMs: 1, maxDelayMs: 2 }],
    ["a list", { delaysMs: [0.5, 7] }, slow, { delaysMs: [1, 7] }],
  ])("completes %s", (_what, asked, defaults, expected) => {
    expect(toBackoff(asked, defaults as Backoff)).toEqual(expected);
  });
});

describe("isSameBackoff", () => {
  const different = [
    growing(1, 2),
    growing(1, 3),
    growing(2, 2),
    growing(1, 2, 3),
    listed(1, 2),
    listed(1),
    listed(12),
  ];

  test("tells those that differ apart, and no others", () => {
    for (const [at, a] of different.entries()) {
      for (const [other, b] of different.entries()) {
        expect(isSameBackoff(a, structuredClone(b)), JSON.stringify([a, b])).toBe(at === other);
      }
    }
  });
});
