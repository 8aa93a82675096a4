import type { QueueOrdering, ReadyKey } from "../../../src/model/queue/queue.js";

const KEYS: Readonly<Record<QueueOrdering, readonly (keyof ReadyKey)[]>> = {
  PRIORITY: ["priority", "runAfter", "createdAt", "number"],
  FAIR: ["priority", "runAfter", "createdAt", "number"],
  RUN_AFTER: ["runAfter", "priority", "createdAt", "number"],
};

/**
 * The order of ready jobs, implemented a second time in the plainest way, so that the tests do not rest on the code
 * they test.
 */
export function naiveOrder(ordering: QueueOrdering, a: ReadyKey, b: ReadyKey): number {
  for (const key of KEYS[ordering]) {
    const difference = BigInt(a[key]) - BigInt(b[key]);
    if (difference !== 0n) return difference < 0n === (key !== "priority") ? -1 : 1;
  }
  return 0;
}
