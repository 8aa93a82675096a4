import { getHeapStatistics } from "node:v8";
import type { Clock } from "../core/clock.js";

/** Share of the heap limit above which no more jobs are taken. Node ends the process when the heap is full. */
const FULL = 0.75;

/** How long one look at the heap counts, ms. */
const SAMPLE_MS = 20;

/** Tells whether the heap of this process is nearly full. Raise its limit with `NODE_OPTIONS=--max-old-space-size=MiB`. */
export function createMemoryGuard(clock: Pick<Clock, "monotonic">, heap = getHeapStatistics): () => boolean {
  let sampledAt = Number.NEGATIVE_INFINITY;
  let isFull = false;
  return () => {
    const now = clock.monotonic();
    if (now - sampledAt >= SAMPLE_MS) {
      sampledAt = now;
      const { used_heap_size: used, heap_size_limit: limit } = heap();
      isFull = used > FULL * limit;
    }
    return isFull;
  };
}
