import { describe, expect, test } from "vitest";
import { formatSoak, runSoak } from "../soak/soak.js";
import { growthOf, isGrowing, percentile } from "../soak/trend.js";

test("a server that everybody uses well and badly at once serves a good client, and nothing is left of them", async () => {
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const report = await runSoak({ store: "file", durationMs: 5000, seed: 1, floorMs: 5000, slack: 10, log });
  expect(report.violations, formatSoak(report)).toEqual([]);
  const idle = [...report.done].filter(([, { times, failed }]) => times === 0 || failed === times);
  expect(idle.map(([name]) => name)).toEqual(["calls with a wrong token"]);
});

describe("what keeps growing is told from what moves", () => {
  const noise = (index: number) => ((index * 7919) % 13) - 6;
  const values = (slope: number) => Array.from({ length: 24 }, (_, index) => 100 + slope * index + noise(index));

  test("by the median of the slopes", () => {
    expect(growthOf(values(0))).toBeLessThan(5);
    expect(growthOf(values(2))).toBeGreaterThan(40);
    expect(growthOf([])).toBe(0);
  });

  test("also beside outliers", () => {
    expect(growthOf(values(0).map((value, index) => (index > 19 ? value + 5000 : value)))).toBeLessThan(100);
    expect(growthOf(values(2).map((value, index) => (index % 5 === 0 ? 0 : value)))).toBeGreaterThan(30);
  });

  test("by a share of what it is, or so much", () => {
    expect(isGrowing(values(2), { share: 0.2, floor: 0 })).toBe(true);
    expect(isGrowing(values(2), { share: 0.2, floor: 60 })).toBe(false);
    expect(isGrowing(values(0), { share: 0.2, floor: 0 })).toBe(false);
  });

  test("and a percentile is a value that was there", () => {
    expect(percentile([5, 1, 3], 0.99)).toBe(5);
    expect(percentile([5, 1, 3], 0.5)).toBe(3);
    expect(percentile([], 0.5)).toBeNaN();
  });
});
