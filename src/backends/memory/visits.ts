import { type Placed, PlacedHeap } from "../../core/stores/placed-heap.js";
import type { Moment } from "./indexes/two-clocks.js";
import type { QueueState } from "./queue-state.js";

/** When a queue next has something due, ms on the clock of each; infinity: nothing. */
export interface QueueTimes {
  /** By the wall clock. */
  readonly timed: number;
  /** By the monotonic clock. */
  readonly measured: number;
  /** The end of a retention, by the monotonic clock: a tick for it need not come at once. */
  readonly kept: number;
}

/** The time of a queue in one of the heaps. */
interface TimeNode extends Placed {
  readonly queue: QueueState;
  at: number;
}

/** What `Visits` knows of a queue. */
export class VisitPlace {
  /** Whether it is to be visited by the next tick, whatever its times. */
  isMarked = false;
  /** Its times; undefined before the first. */
  timed: TimeNode | undefined;
  measured: TimeNode | undefined;
  kept: TimeNode | undefined;
}

type Kind = keyof QueueTimes;

/**
 * Which queues a tick has to look at: those that have changed since the tick before, and those whose time has come. A time that is
 * too early does no harm; whatever may bring something due forward has to mark its queue.
 */
export class Visits {
  readonly #timed = createHeap();
  readonly #measured = createHeap();
  readonly #kept = createHeap();
  #marked = new Set<QueueState>();

  /** The next tick visits a queue, whatever its times. */
  mark(queue: QueueState): void {
    const { visit } = queue;
    if (visit.isMarked || queue.isGone) return;
    visit.isMarked = true;
    this.#marked.add(queue);
  }

  /** The queues to visit now, each once; those marked first, in the order in which they were. Their marks are gone. */
  take({ now, monotonic }: Moment): Iterable<QueueState> {
    const queues = new Set<QueueState>();
    for (const queue of this.#marked) {
      queue.visit.isMarked = false;
      if (!queue.isGone) queues.add(queue);
    }
    this.#marked = new Set();
    for (const { queue } of this.#timed.firstOnes(({ at }) => at <= now)) queues.add(queue);
    for (const heap of [this.#measured, this.#kept]) {
      for (const { queue } of heap.firstOnes(({ at }) => at <= monotonic)) queues.add(queue);
    }
    return queues;
  }

  /** A queue was visited: its times from now on. What the visit itself did in it is no reason for another one. */
  set(queue: QueueState, times: QueueTimes): void {
    if (queue.visit.isMarked) {
      queue.visit.isMarked = false;
      this.#marked.delete(queue);
    }
    this.#set(this.#timed, queue, "timed", times.timed);
    this.#set(this.#measured, queue, "measured", times.measured);
    this.#set(this.#kept, queue, "kept", times.kept);
  }

  /** A queue is deleted: it is not visited again. */
  leave(queue: QueueState): void {
    this.set(queue, {
      timed: Number.POSITIVE_INFINITY,
      measured: Number.POSITIVE_INFINITY,
      kept: Number.POSITIVE_INFINITY,
    });
  }

  /** Ms until the first of these times; infinity when there is none. `keptGrainMs`: least wait for the end of a retention. */
  nextInMs({ now, monotonic }: Moment, keptGrainMs: number): number {
    return Math.min(
      firstOf(this.#timed) - now,
      firstOf(this.#measured) - monotonic,
      Math.max(firstOf(this.#kept) - monotonic, keptGrainMs),
    );
  }

  #set(heap: PlacedHeap<TimeNode>, queue: QueueState, kind: Kind, at: number): void {
    const node = queue.visit[kind];
    if (at === Number.POSITIVE_INFINITY) {
      if (node !== undefined) heap.remove(node);
      queue.visit[kind] = undefined;
    } else if (node === undefined) {
      const added = { queue, at, heapAt: -1 };
      queue.visit[kind] = added;
      heap.push(added);
    } else if (node.at !== at) {
      node.at = at;
      heap.moved(node);
    }
  }
}

function createHeap(): PlacedHeap<TimeNode> {
  return new PlacedHeap((a, b) => a.at - b.at);
}

function firstOf(heap: PlacedHeap<TimeNode>): number {
  return heap.peek()?.at ?? Number.POSITIVE_INFINITY;
}
