import { jobBytes } from "../../model/job/job.js";
import { FinishedOrder } from "./indexes/finished-order.js";
import { HeldOrder } from "./indexes/unique-keys.js";
import type { QueuedJob } from "./queue-state.js";
import { small } from "./records/run-record.js";

/** The finished jobs of all queues, and what they take. Each is in the order of its own queue too. */
export class FinishedJobs {
  /** By `jobBytes`. */
  bytes = 0;
  readonly #order = new FinishedOrder<QueuedJob>();
  /** Those that are kept until the end of a hold, whatever their age and number. */
  readonly #held = new HeldOrder<QueuedJob>();

  /** A job has finished. One that still holds its unique key is kept until the end of its hold. */
  push(record: QueuedJob): void {
    const run = record.changing;
    run.finishedBytes = jobBytes(record);
    this.bytes += run.finishedBytes;
    if (record.claim?.live) {
      this.#held.push(record.claim);
      record.queue.uniqueKeys?.kept.push(record.claim);
    } else this.#line(record);
  }

  /** The hold of a finished job has ended, and its claim is no longer live: it counts as finished now, at `monotonic`. */
  release(record: QueuedJob, monotonic: number): void {
    this.#held.discard();
    record.queue.uniqueKeys?.kept.discard();
    record.changing.keptSince = small(Math.ceil(monotonic));
    this.#line(record);
  }

  /** The job that finished first; when only those are left that holds keep, the one whose hold ends first. */
  oldest(): QueuedJob | undefined {
    return this.#order.peek() ?? this.#held.peek()?.record;
  }

  /** A finished job is gone now. `wasHeld`: a hold kept it. */
  discard(record: QueuedJob, wasHeld: boolean): void {
    this.bytes -= record.changing.finishedBytes;
    if (wasHeld) {
      this.#held.discard();
      record.queue.uniqueKeys?.kept.discard();
    } else {
      this.#order.discard();
      record.queue.finished.discard();
    }
  }

  #line(record: QueuedJob): void {
    this.#order.push(record);
    record.queue.finished.push(record);
  }
}
