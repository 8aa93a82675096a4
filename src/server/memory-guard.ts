import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import type { Clock } from "../core/clock.js";

/**
 * Share of a memory limit above which creates are refused. Node ends the process when the heap is full, the system when
 * its memory is.
 */
const FULL = 0.75;

/** How long a measurement is used before the next one, ms. */
const SAMPLE_MS = 20;

/** Memory in use, and its limits, in bytes. */
export interface MemoryUse {
  /** In use on the heap. */
  readonly heap: number;
  /** Raise it with `NODE_OPTIONS=--max-old-space-size=MiB`. */
  readonly heapLimit: number;
  /** Resident memory of the process, which includes bytes outside of the heap. */
  readonly resident: number;
  /** Memory of the machine or the container. */
  readonly residentLimit: number;
}

/** Returns a function that returns whether this process uses more than three quarters of the memory it may use. */
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

/** The memory limit of the container, or else of the machine. Without a limit, Node reports 0 or a huge number. */
const residentLimit = Math.min(process.constrainedMemory() || totalmem(), totalmem());

function lookAtProcess(): MemoryUse {
  const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics();
  return { heap, heapLimit, resident: process.memoryUsage.rss(), residentLimit };
}
