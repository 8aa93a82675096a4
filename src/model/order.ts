import { compareIds } from "./ids.js";
import type { QueueOrdering, ReadyKey } from "./queue.js";

/**
 * Orders two jobs that are ready: negative when `a` runs first.
 *
 * - PRIORITY: highest priority, then earliest runAfter, createdAt, id.
 * - RUN_AFTER: earliest runAfter, then highest priority, createdAt, id.
 */
export function compareReady(ordering: QueueOrdering, a: ReadyKey, b: ReadyKey): number {
  if (ordering === "PRIORITY" && a.priority !== b.priority) return b.priority - a.priority;
  return compareRunAfter(a, b);
}

/** The order of RUN_AFTER, and of jobs of one priority under PRIORITY. */
export function compareRunAfter(a: ReadyKey, b: ReadyKey): number {
  return a.runAfter - b.runAfter || b.priority - a.priority || a.createdAt - b.createdAt || compareIds(a.id, b.id);
}
