import type { QueueName } from "../backend.js";

/** Where a queue stands, or would stand, in a list that is sorted by name: there may be thousands. */
export function placeOfQueue(sorted: readonly QueueName[], name: string): number {
  let [at, end] = [0, sorted.length];
  while (at < end) {
    const middle = (at + end) >> 1;
    if ((sorted[middle] as QueueName).name < name) at = middle + 1;
    else end = middle;
  }
  return at;
}
