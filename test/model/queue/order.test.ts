import { describe, expect, test } from "vitest";
import { compareReady } from "../../../src/model/queue/order.js";
import type { QueueOrdering, ReadyKey } from "../../../src/model/queue/queue.js";

function key(given: Partial<ReadyKey> = {}): ReadyKey {
  return { priority: 5, runAfter: 1000, createdAt: 500, number: "70", ...given };
}

function sorted(ordering: QueueOrdering, keys: readonly ReadyKey[]): string[] {
  return [...keys].sort((a, b) => compareReady(ordering, a, b)).map(({ number }) => number);
}

describe("compareReady", () => {
  test("under PRIORITY looks at the priority first", () => {
    const early = key({ number: "1", priority: 1, runAfter: 0, createdAt: 0 });
    const urgent = key({ number: "2", priority: 9 });
    expect(sorted("PRIORITY", [early, urgent])).toEqual(["2", "1"]);
  });

  test("under RUN_AFTER looks at the due time first, then at the priority", () => {
    const early = key({ number: "1", priority: 1, runAfter: 999 });
    const low = key({ number: "2", priority: 2, createdAt: 0 });
    const high = key({ number: "3", priority: 3 });
    expect(sorted("RUN_AFTER", [low, high, early])).toEqual(["1", "3", "2"]);
  });

  test.each<QueueOrdering>(["PRIORITY", "RUN_AFTER"])(
    "under %s breaks ties by creation, then by the number of the id",
    (ordering) => {
      const first = key({ number: "9999", createdAt: 1 });
      const second = key({ number: "9", createdAt: 2 });
      const third = key({ number: "10", createdAt: 2 });
      expect(sorted(ordering, [third, second, first])).toEqual(["9999", "9", "10"]);
    },
  );

  test("under PRIORITY orders jobs of one priority by due time before creation", () => {
    const late = key({ number: "1", runAfter: 1001, createdAt: 0 });
    const early = key({ number: "2", runAfter: 1000, createdAt: 9 });
    expect(sorted("PRIORITY", [late, early])).toEqual(["2", "1"]);
  });

  test("tells the same job equal to itself", () => {
    expect(compareReady("PRIORITY", key(), key())).toBe(0);
    expect(compareReady("RUN_AFTER", key(), key())).toBe(0);
  });
});
