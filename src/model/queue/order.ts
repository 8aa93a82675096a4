import { compareNumbers } from "./ids.js";
import type { QueueOrdering, ReadyKey } from "./queue.js";

/**
 * Compares two ready jobs of a queue: negative if `a` runs first. Never 0 for two different jobs.
 *
 * - PRIORITY: highest priority, then earliest runAfter, createdAt, number.
 * - RUN_AFTER: earliest runAfter, then highest priority, createdAt, number.
 * - FAIR: jobs of one key as under PRIORITY. Which key's turn it is, its jobs do not tell.
 */
export function compareReady(ordering: QueueOrdering, a: ReadyKey, b: ReadyKey): number {
  if (ordering !== "RUN_AFTER" && a.priority !== b.priority) return b.priority - a.priority;
  return compareRunAfter(a, b);
}

/** Compares by RUN_AFTER; under PRIORITY and FAIR this orders the jobs of the same priority. */
export function compareRunAfter(a: ReadyKey, b: ReadyKey): number {
  return (
    a.runAfter - b.runAfter ||
    b.priority - a.priority ||
    a.createdAt - b.createdAt ||
    compareNumbers(a.number, b.number)
  );
}
