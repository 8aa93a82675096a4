import { compareNumbers } from "../../../model/queue/ids.js";
import { JobTable } from "./job-table.js";
import { OrderedQueue } from "./ordered-queue.js";
import { SortedIndex } from "./sorted-index.js";

/** One death of a job, at `at`, ms since 1970. Not part of the job: after a replay a job may die again. */
export interface DeadEntry<R> {
  readonly record: R;
  readonly at: number;
  /** The same on the monotonic clock, ms. */
  readonly since: number;
  live: boolean;
}

interface Numbered {
  readonly number: string;
}

const compareDead = (a: DeadEntry<Numbered>, b: DeadEntry<Numbered>): number =>
  a.at - b.at || compareNumbers(a.record.number, b.record.number);

/** The DEAD jobs of a queue, by the time of their death. */
export class DeadLetters<R extends Numbered> {
  readonly #byTime = new SortedIndex<DeadEntry<R>>(compareDead, (entry) => entry.live);
  readonly #byNumber = new JobTable<DeadEntry<R>>();
  /** In the order in which they are deleted. */
  readonly #deaths = new OrderedQueue<DeadEntry<R>>(compareDead, (entry) => entry.live);

  get size(): number {
    return this.#byNumber.size;
  }

  /** A job died at `at`, ms since 1970; that is `since` on the monotonic clock. */
  bury(record: R, at: number, since: number): void {
    const entry = { record, at, since, live: true };
    this.#deaths.push(entry);
    this.#byNumber.add(record.number, entry);
    this.#byTime.insert(entry);
  }

  unbury(record: R): void {
    const entry = this.#byNumber.get(record.number);
    if (entry === undefined) return;
    entry.live = false;
    this.#byNumber.delete(record.number);
    this.#byTime.discard();
    this.#deaths.discard();
  }

  /** The job that died first. */
  oldest(): DeadEntry<R> | undefined {
    return this.#deaths.peek();
  }

  /** Deaths by time, those that are over too; with `after`, those that follow it in this order. */
  list(order: "NEWEST" | "OLDEST", after?: { at: number; number: string }): Generator<DeadEntry<R>> {
    if (after === undefined) return order === "NEWEST" ? this.#byTime.descending() : this.#byTime.ascending();
    const compare = (entry: DeadEntry<R>) => entry.at - after.at || compareNumbers(entry.record.number, after.number);
    if (order === "NEWEST") return this.#byTime.descending((entry) => compare(entry) < 0);
    return this.#byTime.ascending((entry) => compare(entry) <= 0);
  }

  /** Those that are DEAD now, the first death first. */
  *records(): Generator<R> {
    for (const { record, live } of this.#byTime.ascending()) if (live) yield record;
  }
}
