import type { JobRecord } from "../records/job-record.js";
import { OrderedQueue } from "./ordered-queue.js";

/** The DONE and CANCELED jobs of a queue or a store in the order they finished: that in which their retention ends. */
export class FinishedOrder<T extends JobRecord> extends OrderedQueue<T> {
  constructor() {
    super(
      (a, b) => (a.run?.keptSince ?? 0) - (b.run?.keptSince ?? 0),
      (record) => !record.isGone,
    );
  }
}
