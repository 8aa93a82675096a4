import { jobBytes } from "../../model/job.js";
import { FinishedOrder } from "./indexes/finished-order.js";
import type { QueuedJob } from "./queue-state.js";

/** The finished jobs of all queues, and what they take. Each is in the order of its own queue too. */
export class FinishedJobs {
  /** By `jobBytes`. */
  bytes = 0;
  readonly #order = new FinishedOrder<QueuedJob>();

  /** A job has finished. */
  push(record: QueuedJob): void {
    const run = record.changing;
    run.finishedBytes = jobBytes(record);
    this.bytes += run.finishedBytes;
    this.#order.push(record);
    record.queue.finished.push(record);
  }

  /** The job that finished first. */
  oldest(): QueuedJob | undefined {
    return this.#order.peek();
  }

  /** A finished job is gone now. */
  discard(record: QueuedJob): void {
    this.bytes -= record.changing.finishedBytes;
    this.#order.discard();
    record.queue.finished.discard();
  }
}
