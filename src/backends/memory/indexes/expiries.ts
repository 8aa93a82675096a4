import type { OrderedQueue } from "./ordered-queue.js";
import { type Moment, type Next, TwoClocks } from "./two-clocks.js";

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
  readonly #all = new TwoClocks<Expiry<R>>(({ live }) => live);

  add(expiry: Expiry<R>): void {
    this.#of(expiry).push(expiry);
  }

  /** Reports that one of these is no longer live. */
  discard(expiry: Expiry<R>): void {
    this.#of(expiry).discard();
  }

  /** The job of one that is due; undefined when none is. It stays there until it is discarded. */
  due(moment: Moment): R | undefined {
    return this.#all.due(moment)?.peek()?.record;
  }

  /** When the next are due. */
  get next(): Next {
    return this.#all.next;
  }

  #of({ isTimed }: Expiry<R>): OrderedQueue<Expiry<R>> {
    return isTimed ? this.#all.timed : this.#all.measured;
  }
}
