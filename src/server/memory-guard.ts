import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Clock } from "../core/clock.js";

/** Share of a limit above which no more jobs are taken. Node ends the process when the heap is full, the system when the memory is. */
const FULL = 0.75;

/** How long one look counts, ms. */
const SAMPLE_MS = 20;

/** What the guard looks at, in bytes. */
export interface MemoryUse {
  /** In use on the heap, and its limit. Raise it with `NODE_OPTIONS=--max-old-space-size=MiB`. */
  readonly heap: number;
  readonly heapLimit: number;
  /** Resident, which has the bytes outside of the heap too, and what the machine or the container has. */
  readonly resident: number;
  readonly residentLimit: number;
}

/** Tells whether this process has used up most of the memory it may use. */
export function createMemoryGuard(
  clock: Pick<Clock, "monotonic">,
  look: () => MemoryUse = lookAtProcess,
): () => boolean {
  let sampledAt = Number.NEGATIVE_INFINITY;
  let isFull = false;
  return () => {
    const now = clock.monotonic();
    if (now - sampledAt >= SAMPLE_MS) {
      sampledAt = now;
      const { heap, heapLimit, resident, residentLimit } = look();
      isFull = heap > FULL * heapLimit || resident > FULL * residentLimit;
    }
    return isFull;
  };
}

/** The limit of the container, if there is one: 0 or a huge number says that there is none. */
const residentLimit = Math.min(process.constrainedMemory() || totalmem(), totalmem());

function lookAtProcess(): MemoryUse {
  const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics();
  return { heap, heapLimit, resident: process.memoryUsage.rss(), residentLimit };
}
