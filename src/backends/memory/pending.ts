import type { Job } from "../../model/job/job.js";
import type { Pending, PendingState } from "../../model/job/pending-state.js";
import type { JobStore } from "./job-store.js";
import type { QueuedJob } from "./queue-state.js";
import { heldForMs } from "./rates.js";
import { toJob } from "./records/copies.js";

// What is due in the queue of a job must have been made ready: `JobStore.promote`.

/** A copy of a job that is read: with what it waits for, if it is PENDING. */
export function toReadJob(store: JobStore, record: QueuedJob): Job {
  const job = toJob(record);
  return record.status === "PENDING" ? { ...job, ...pendingOf(record, store.clock.monotonic()) } : job;
}

/** Returns a function that tells what a job waits for; undefined unless it is PENDING. */
export function pendingStatesOf(store: JobStore): (record: QueuedJob) => PendingState | undefined {
  const monotonic = store.clock.monotonic();
  return (record) => (record.status === "PENDING" ? pendingOf(record, monotonic).pendingState : undefined);
}

function pendingOf(record: QueuedJob, monotonic: number): Pending {
  const { queue } = record;
  return queue.pendingOf(record, heldForMs(queue, monotonic));
}
