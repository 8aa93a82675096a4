import { expect, test } from "vitest";
import { BURST_BYTES, FORGOTTEN_A_SECOND, FrameBudget } from "../../../src/server/http/frame-budget.js";

const MIB = 2 ** 20;

test("what comes as bodies is no flood, also when it is read somewhat later than it comes", () => {
  const budget = new FrameBudget(0);
  let now = 0;
  for (let mib = 1; mib <= 1000; mib++) {
    // A mebibyte has come of which nothing is read, and is read before the next one comes.
    const bytes = mib * MIB;
    expect(budget.isSpent(now, { bytes, bodyBytes: bytes - MIB, streams: 1 })).toBe(false);
    expect(budget.isSpent(now++, { bytes, bodyBytes: bytes, streams: 1 })).toBe(false);
  }
});

test("what never becomes bodies or requests is one, beyond what may come at a time", () => {
  const budget = new FrameBudget(0);
  expect(budget.isSpent(1000, { bytes: BURST_BYTES, bodyBytes: 0, streams: 0 })).toBe(false);
  const more = BURST_BYTES + FORGOTTEN_A_SECOND + 1;
  expect(budget.isSpent(1000, { bytes: more, bodyBytes: 0, streams: 0 })).toBe(true);
});

test("what was useful before saves up nothing for later", () => {
  const budget = new FrameBudget(0);
  expect(budget.isSpent(1, { bytes: 100 * MIB, bodyBytes: 100 * MIB, streams: 1000 })).toBe(false);
  const bytes = 100 * MIB + BURST_BYTES + FORGOTTEN_A_SECOND;
  expect(budget.isSpent(2, { bytes, bodyBytes: 100 * MIB, streams: 1000 })).toBe(true);
});
