import type { JobRecord, WaitingPlace } from "../records/job-record.js";
import { type Moment, type Next, TwoClocks } from "./two-clocks.js";

/** A job that waits. One that leaves before its time is over comes back with another record, if at all (`JobStore.replace`). */
interface Wait<R> {
  readonly record: R;
  /** When it is over, ms on the clock that it is kept by. */
  readonly until: number;
}

/**
 * The PENDING jobs of a queue that are not ready yet. Those with a time of their own (`run_after`) are due by the wall
 * clock, whatever it does; a wait lasts as long as was said, whatever the wall clock does.
 */
export class Schedule<R extends JobRecord> {
  readonly #waits: TwoClocks<Wait<R>>;
  #retrying = 0;

  constructor(isPending: (record: R) => boolean) {
    this.#waits = new TwoClocks(({ record }) => isPending(record));
  }

  get size(): number {
    return this.#waits.size;
  }

  /** How many of them wait out a backoff. */
  get retrying(): number {
    return this.#retrying;
  }

  /** Keeps a job until its `runAfter` by the wall clock. */
  addTimed(record: R): void {
    record.place = "SCHEDULED";
    this.#waits.timed.push({ record, until: record.runAfter });
  }

  /** Keeps a job until `until`, ms on the monotonic clock. */
  addWaiting(record: R, until: number, place: "WAITING" | "RETRYING"): void {
    record.place = place;
    if (place === "RETRYING") this.#retrying++;
    this.#waits.measured.push({ record, until });
  }

  /** Reports that a job that was in this place waits there no more: it is no longer PENDING, or its record is gone. */
  discard(place: WaitingPlace): void {
    const { timed, measured } = this.#waits;
    if (place === "RETRYING") this.#retrying--;
    (place === "SCHEDULED" ? timed : measured).discard();
  }

  /** Removes a job that is due and returns it; undefined when none is. */
  popDue(moment: Moment): R | undefined {
    return this.#taken(this.#waits.due(moment)?.pop());
  }

  /** Removes any job and returns it; undefined when there is none. */
  pop(): R | undefined {
    return this.#taken(this.#waits.timed.pop() ?? this.#waits.measured.pop());
  }

  #taken(wait: Wait<R> | undefined): R | undefined {
    if (wait?.record.place === "RETRYING") this.#retrying--;
    return wait?.record;
  }

  /** Every job that waits, in no particular order. */
  *[Symbol.iterator](): Generator<R> {
    for (const { record } of this.#waits.timed) yield record;
    for (const { record } of this.#waits.measured) yield record;
  }

  /** When the next jobs are due. */
  get next(): Next {
    return this.#waits.next;
  }
}
