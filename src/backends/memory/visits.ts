import { type Placed, PlacedHeap } from "../../core/stores/placed-heap.js";
import type { Moment } from "./indexes/two-clocks.js";

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
interface TimeNode<Queue> extends Placed {
  readonly queue: Queue;
  at: number;
}

/** What `Visits` knows of a queue. */
export class VisitPlace<Queue> {
  /** Whether it is to be visited by the next tick, whatever its times. */
  isMarked = false;
  /** Its times; undefined before the first. */
  timed: TimeNode<Queue> | undefined;
  measured: TimeNode<Queue> | undefined;
  kept: TimeNode<Queue> | undefined;
}

/** A queue that ticks visit. */
interface Visited<Queue> {
  readonly visit: VisitPlace<Queue>;
  /** Whether it was deleted. */
  readonly isGone: boolean;
}

type Kind = keyof QueueTimes;

/**
 * Which queues a tick has to look at: those that have changed since the tick before, and those whose time has come. A time that is
 * too early does no harm; whatever may bring something due forward has to mark its queue.
 */
export class Visits<Queue extends Visited<Queue>> {
  readonly #timed = createHeap<Queue>();
  readonly #measured = createHeap<Queue>();
  readonly #kept = createHeap<Queue>();
  #marked = new Set<Queue>();

  /** The next tick visits a queue, whatever its times. */
  mark(queue: Queue): void {
    const { visit } = queue;
    if (visit.isMarked || queue.isGone) return;
    visit.isMarked = true;
    this.#marked.add(queue);
  }

  /** The queues to visit now, each once; those marked first, in the order in which they were. Their marks are gone. */
  take({ now, monotonic }: Moment): Iterable<Queue> {
    const queues = new Set<Queue>();
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
  set(queue: Queue, times: QueueTimes): void {
    if (queue.visit.isMarked) {
      queue.visit.isMarked = false;
      this.#marked.delete(queue);
    }
    this.#set(this.#timed, queue, "timed", times.timed);
    this.#set(this.#measured, queue, "measured", times.measured);
    this.#set(this.#kept, queue, "kept", times.kept);
  }

  /** A queue is deleted: it is not visited again. */
  leave(queue: Queue): void {
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

  #set(heap: PlacedHeap<TimeNode<Queue>>, queue: Queue, kind: Kind, at: number): void {
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

function createHeap<Queue>(): PlacedHeap<TimeNode<Queue>> {
  return new PlacedHeap((a, b) => a.at - b.at);
}

function firstOf<Queue>(heap: PlacedHeap<TimeNode<Queue>>): number {
  return heap.peek()?.at ?? Number.POSITIVE_INFINITY;
}
