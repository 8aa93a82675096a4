import { describe, expect, test } from "vitest";
import { backoffDelay } from "../../src/model/backoff.js";

const table: readonly [base: number, max: number, retryCount: number, jitter: number, expected: number][] = [
  [100, 5000, 1, 0, 100],
  [100, 5000, 2, 0, 200],
  [100, 5000, 3, 0, 400],
  [100, 5000, 6, 0, 3200],
  [100, 5000, 7, 0, 5000],
  [100, 5000, 100, 0, 5000],
  [100, 5000, 1, 1, 140],
  [100, 5000, 2, 0.5, 240],
  [100, 5000, 7, 1, 7000],
  [1, 10, 1, 0.99, 1],
  [333, 5000, 1, 0.1, 346],
  [0, 5000, 9, 1, 0],
  [100, 0, 3, 1, 0],
  [5000, 100, 1, 0, 100],
];

describe("backoffDelay", () => {
  test.each(table)(
    "waits, for base %i ms, max %i ms, retry %i and jitter %d, %i ms",
    (base, max, n, jitter, expected) => {
      expect(backoffDelay({ baseDelayMs: base, maxDelayMs: max }, n, jitter)).toBe(expected);
    },
  );
});
