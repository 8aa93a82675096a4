import type { JobRecord } from "../job-record.js";
import { OrderedQueue } from "./ordered-queue.js";

/** Both clocks at one moment, ms: the wall clock since 1970, and the monotonic clock. */
export interface Moment {
  readonly now: number;
  readonly monotonic: number;
}

/** A job that waits, from one of its revisions on: it leaves with the next one, and may come back with a later one. */
interface Wait<R> {
  readonly record: R;
  readonly revision: number;
  /** When it is over, ms on the clock that it is kept by. */
  readonly until: number;
}

/**
 * The PENDING jobs of a queue that are not ready yet. Those with a time of their own (`run_after`) are due by the wall
 * clock, whatever it does; a wait lasts as long as was said, whatever the wall clock does.
 */
export class Schedule<R extends JobRecord> {
  readonly #byTime: OrderedQueue<Wait<R>>;
  readonly #waits: OrderedQueue<Wait<R>>;

  constructor(isPending: (record: R) => boolean) {
    const create = () =>
      new OrderedQueue<Wait<R>>(
        (a, b) => a.until - b.until,
        ({ record, revision }) => record.revision === revision && isPending(record),
      );
    this.#byTime = create();
    this.#waits = create();
  }

  get size(): number {
    return this.#byTime.size + this.#waits.size;
  }

  /** Keeps a job until its `runAfter` by the wall clock. */
  addTimed(record: R): void {
    record.place = "SCHEDULED";
    this.#byTime.push({ record, revision: record.revision, until: record.runAfter });
  }

  /** Keeps a job until `until`, ms on the monotonic clock. */
  addWaiting(record: R, until: number): void {
    record.place = "WAITING";
    this.#waits.push({ record, revision: record.revision, until });
  }

  /** Reports that a job that was in this place has changed: it waits there no more. */
  discard(place: "SCHEDULED" | "WAITING"): void {
    if (place === "SCHEDULED") this.#byTime.discard();
    else this.#waits.discard();
  }

  /** Removes a job that is due and returns it; undefined when none is. */
  popDue({ now, monotonic }: Moment): R | undefined {
    if ((this.#byTime.peek()?.until ?? Number.POSITIVE_INFINITY) <= now) return this.#byTime.pop()?.record;
    if ((this.#waits.peek()?.until ?? Number.POSITIVE_INFINITY) <= monotonic) return this.#waits.pop()?.record;
    return undefined;
  }

  /** Removes any job and returns it; undefined when there is none. */
  pop(): R | undefined {
    return (this.#byTime.pop() ?? this.#waits.pop())?.record;
  }

  /** Ms until the next job is due as the clocks go now; infinity when there is none. */
  nextInMs({ now, monotonic }: Moment): number {
    const timed = this.#byTime.peek();
    const wait = this.#waits.peek();
    return Math.min(
      timed === undefined ? Number.POSITIVE_INFINITY : timed.until - now,
      wait === undefined ? Number.POSITIVE_INFINITY : wait.until - monotonic,
    );
  }
}
