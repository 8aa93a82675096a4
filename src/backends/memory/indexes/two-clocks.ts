import { OrderedQueue } from "./ordered-queue.js";

/** Both clocks at one moment, ms: the wall clock since 1970, and the monotonic clock. */
export interface Moment {
  readonly now: number;
  readonly monotonic: number;
}

/** When the next items are due, ms on the clock of each; infinity: there is none. */
export interface Next {
  readonly timed: number;
  readonly measured: number;
}

/** Items that are due at `until`, ms on the clock that each is kept by. */
export class TwoClocks<T extends { readonly until: number }> {
  /** Those that are due by the wall clock, whatever it does. */
  readonly timed: OrderedQueue<T>;
  /** Those that are due by the monotonic clock: they last as long as was said, whatever the wall clock does. */
  readonly measured: OrderedQueue<T>;

  /** Once `isLive` is false for an item, it must stay false. */
  constructor(isLive: (item: T) => boolean) {
    const create = () => new OrderedQueue<T>((a, b) => a.until - b.until, isLive);
    this.timed = create();
    this.measured = create();
  }

  get size(): number {
    return this.timed.size + this.measured.size;
  }

  /** Those of which the first is due; undefined when none is. */
  due({ now, monotonic }: Moment): OrderedQueue<T> | undefined {
    if (leftOf(this.timed, now) <= 0) return this.timed;
    return leftOf(this.measured, monotonic) <= 0 ? this.measured : undefined;
  }

  /** When the first of each clock is due; infinity when there is none. */
  get next(): Next {
    return { timed: leftOf(this.timed, 0), measured: leftOf(this.measured, 0) };
  }
}

/** Ms until the first of some items is due; infinity when there is none. */
function leftOf<T extends { readonly until: number }>(items: OrderedQueue<T>, now: number): number {
  const first = items.peek();
  return first === undefined ? Number.POSITIVE_INFINITY : first.until - now;
}
