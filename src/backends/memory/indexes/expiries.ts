import { OrderedQueue } from "./ordered-queue.js";
import type { Moment } from "./schedule.js";

/** By when a PENDING job has to begin. Live until the job begins or ends; one that goes back to its beginning has another. */
export interface Expiry<R> {
  readonly record: R;
  /** Whether it is kept by the wall clock, or by the monotonic clock. */
  readonly isTimed: boolean;
  /** Ms on that clock. */
  readonly until: number;
  live: boolean;
}

/** The jobs of a queue that expire unless they begin. */
export class Expiries<R> {
  readonly #byTime = create<R>();
  readonly #measured = create<R>();

  add(expiry: Expiry<R>): void {
    this.#of(expiry).push(expiry);
  }

  /** Reports that one of these is no longer live. */
  discard(expiry: Expiry<R>): void {
    this.#of(expiry).discard();
  }

  /** The job of one that is due; undefined when none is. It stays there until it is discarded. */
  due({ now, monotonic }: Moment): R | undefined {
    const timed = this.#byTime.peek();
    if (timed !== undefined && timed.until <= now) return timed.record;
    const measured = this.#measured.peek();
    return measured !== undefined && measured.until <= monotonic ? measured.record : undefined;
  }

  /** Ms until the next is due as the clocks go now; infinity when there is none. */
  nextInMs({ now, monotonic }: Moment): number {
    const timed = this.#byTime.peek();
    const measured = this.#measured.peek();
    return Math.min(
      timed === undefined ? Number.POSITIVE_INFINITY : timed.until - now,
      measured === undefined ? Number.POSITIVE_INFINITY : measured.until - monotonic,
    );
  }

  #of({ isTimed }: Expiry<R>): OrderedQueue<Expiry<R>> {
    return isTimed ? this.#byTime : this.#measured;
  }
}

function create<R>(): OrderedQueue<Expiry<R>> {
  return new OrderedQueue(
    (a, b) => a.until - b.until,
    ({ live }) => live,
  );
}
