import { totalmem } from "node:os";
import { constants, type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics } from "node:v8";
import type { KeptBytes } from "../../backends/memory/kept-bytes.js";

/**
 * Share of a memory limit above which creates are refused. Node ends the process when the heap is full, the system when
 * its memory is.
 */
const FULL = 0.75;

/** What V8 keeps of its heap limit for objects that are young; it ends the process when the old ones do not fit the rest. */
const YOUNG_BYTES = 48 * 1024 * 1024;

/** What a process takes that serves calls and keeps no jobs, bytes: with a usual load, and rather too much than too little. */
const SERVING_BYTES = 200 * 1024 * 1024;

/** The memory of this process, in bytes. */
export interface ProcessMemory {
  /** Most that objects on the heap may take. Raise it with `NODE_OPTIONS=--max-old-space-size=MiB`. */
  readonly heapLimit: number;
  /** Memory of the machine or the container. */
  readonly residentLimit: number;
  /** What the process has resident that is not on the heap: the code of Node, stacks. */
  readonly base: number;
  /** What is on the heap now, without young objects. Right after a full collection that is what is in use, without garbage. */
  readonly heap: () => number;
  /** Calls a function soon after each full collection. Returns one that ends this. */
  readonly onCollected: (collected: () => void) => () => void;
}

/** Tells whether the memory is full. */
export interface MemoryGuard {
  /** Whether more than three quarters of the heap or of the machine are in use, when the jobs of the store take `kept`. */
  readonly isFull: (kept: KeptBytes) => boolean;
  /** The same for what the store was found to keep last; false when no store has asked yet. */
  readonly isFullNow: boolean;
  stop(): void;
}

/**
 * Creates a guard that measures what is in use and not garbage: what was on the heap after the last full collection, and
 * what the jobs have come to take since, or less. So memory is free at once when jobs go, though the collection of their garbage
 * may be a minute away, and though resident memory hardly ever falls. What else is kept is noticed at the next collection: there
 * are many while a heap fills.
 */
export function createMemoryGuard(memory: ProcessMemory = memoryOfProcess()): MemoryGuard {
  const { heapLimit, residentLimit, base } = memory;
  /** As last told: the store changes it. */
  let kept: KeptBytes | undefined;
  /** The most that jobs took on the heap since the last look. */
  let peak = 0;
  /** What is on the heap beside jobs. */
  let others = 0;
  const look = () => {
    if (kept === undefined) return;
    // Jobs that went since the collection are still on the heap. What else has changed shows at the next one.
    others = Math.max(0, memory.heap() - Math.max(peak, kept.heap));
    peak = kept.heap;
  };
  const stop = memory.onCollected(look);
  const isFull = (now: KeptBytes) => {
    if (now !== kept) {
      kept = now;
      look();
    }
    peak = Math.max(peak, now.heap);
    const heap = others + now.heap;
    return heap > FULL * heapLimit || base + heap + now.external > FULL * residentLimit;
  };
  return {
    isFull,
    get isFullNow() {
      return kept !== undefined && isFull(kept);
    },
    stop,
  };
}

/**
 * The memory of the process that this runs in. `others`: processes of this server beside it, which serve calls in the same machine or
 * container; at least half of its memory is for this one.
 */
export function memoryOfProcess(others = 0): ProcessMemory {
  const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics();
  const { rss, external } = process.memoryUsage();
  // Without a limit of a container, Node reports 0 or a huge number.
  const machine = Math.min(process.constrainedMemory() || totalmem(), totalmem());
  return {
    heapLimit: Math.max(limit - YOUNG_BYTES, limit / 2),
    residentLimit: Math.max(machine / 2, machine - others * SERVING_BYTES),
    base: Math.max(0, rss - used - external),
    heap: () => {
      const old = getHeapSpaceStatistics().filter(({ space_name }) => !space_name.startsWith("new_"));
      return old.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
    },
    onCollected(collected) {
      const observer = new PerformanceObserver((list) => {
        const isFull = (entry: PerformanceEntry) => kindOf(entry) === constants.NODE_PERFORMANCE_GC_MAJOR;
        if (list.getEntries().some(isFull)) collected();
      });
      observer.observe({ entryTypes: ["gc"] });
      return () => observer.disconnect();
    },
  };
}

function kindOf(entry: PerformanceEntry): number | undefined {
  return (entry as { readonly detail?: { readonly kind?: number } }).detail?.kind;
}
