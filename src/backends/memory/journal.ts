import type { Change } from "../../core/port/changes.js";
import type { LeaseRef } from "../../core/port/leases.js";
import type { QueuedJob, QueueState } from "./queue-state.js";

/** A lease call with a request id, and the leases it got; see `LeaseRequests`. */
export interface AnsweredLeaseRequest {
  readonly worker: string;
  readonly requestId: string;
  readonly refs: readonly LeaseRef[];
  readonly leaseMs: number;
}

/**
 * Told by a `JobStore` what an operation changes, while it changes it. The records are to be read after the operation:
 * several changes of a job may follow each other in one. `saved.ts` turns them into text.
 */
export interface StoreJournal {
  /** A new job; `changed` follows. */
  added(record: QueuedJob): void;
  /**
   * What a job was created with has changed; `changed` follows. `before`: its record until now, if it has another now; it is
   * told of no more.
   */
  revised(record: QueuedJob, before?: QueuedJob): void;
  /** A job changed; `change` is what the change log says of it, if anything. A job that is gone changes once more at the most. */
  changed(record: QueuedJob, change?: Change): void;
  /** A job is gone: its record is empty when the operation has ended. */
  gone(record: QueuedJob): void;
  /** A queue was created, changed or deleted (no longer in `JobStore.queues`), or one of its counters went up. */
  queueChanged(queue: QueueState): void;
  /** A schedule of a queue was created, changed or deleted (no longer in `QueueState.schedules`). */
  scheduleChanged(queue: QueueState, name: string): void;
  /** A create with a request id met the job that holds its unique key, and is remembered. */
  met(queue: QueueState, requestId: string): void;
  /** A lease call with a request id got leases. */
  leaseRequest(request: AnsweredLeaseRequest): void;
}
