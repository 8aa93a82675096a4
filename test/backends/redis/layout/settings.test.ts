import { describe, expect, test } from "vitest";
import { featuresOf, readSettings, SETTINGS, writeSettings } from "../../../../src/backends/redis/layout/settings.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from "../../../../src/model/queue/queue.js";

const settings: QueueSettings = {
  ...{ ordering: "RUN_AFTER", weight: 7, maxConcurrency: 3, maxConcurrencyPerKey: 2, maxDepth: 12 },
  rateLimit: { count: 100, periodMs: 60_000, burst: 7 },
  ...{ completedTtlMs: 0, maxCompleted: 5, deadTtlMs: 60_000, maxDead: 9 },
  ...{ defaultMaxRetries: 0, defaultBackoff: { baseDelayMs: 1, maxDelayMs: 2, multiplier: 1.1 }, defaultTimeoutMs: 7 },
  defaultTtlMs: 3_600_000,
};

/** The fields as a meta has them. */
function metaOf(pairs: readonly string[]): Map<string, string> {
  return new Map(pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] as string]] : [])));
}

describe("settings of a queue", () => {
  test("are read as they were written", () => {
    expect(readSettings(metaOf(writeSettings(settings)))).toEqual(settings);
    expect(readSettings(metaOf(writeSettings(DEFAULT_QUEUE_SETTINGS)))).toEqual(DEFAULT_QUEUE_SETTINGS);
  });

  test("that are not given are not written", () => {
    expect(writeSettings({ weight: 2 })).toEqual(["weight", "2"]);
  });

  test("that a queue is older than have their defaults", () => {
    expect(readSettings(new Map([["weight", "2"]]))).toEqual({ ...DEFAULT_QUEUE_SETTINGS, weight: 2 });
  });

  test("need their feature once they are not the default", () => {
    const table = { ...SETTINGS, weight: { ...SETTINGS.weight, feature: "later" } };
    expect(featuresOf({ weight: 2, maxDepth: 1 }, table)).toEqual(["later"]);
    expect(featuresOf(DEFAULT_QUEUE_SETTINGS, table)).toEqual([]);
    expect(featuresOf({ maxDepth: 1 }, table)).toEqual([]);
    expect(featuresOf({ maxDead: 1, completedTtlMs: 0 })).toEqual(["retention"]);
    expect(featuresOf({ rateLimit: { count: 1, periodMs: 1000, burst: 1 } })).toEqual(["rate"]);
    expect(featuresOf({ rateLimit: null })).toEqual([]);
    expect(featuresOf({ maxDead: null, completedTtlMs: null })).toEqual([]);
    expect(featuresOf({ ordering: "RUN_AFTER", maxConcurrencyPerKey: 0 })).toEqual([]);
    expect(featuresOf({ ordering: "FAIR", maxConcurrencyPerKey: 2 })).toEqual(["keys"]);
    expect(featuresOf({ defaultMaxRetries: 0, maxDead: 1 }).sort()).toEqual(["defaults", "retention"]);
  });
});
