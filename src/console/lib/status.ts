import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { JobStatus, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";

/** The statuses that a stored job can have, in the order of its life. */
export const STATUSES = ["PENDING", "RUNNING", "DONE", "DEAD", "CANCELED"] as const;

/** What PENDING jobs may wait for. */
export const WAITS = ["READY", "SCHEDULED", "RETRYING", "LIMITED"] as const;

/** Returns what PENDING jobs wait for by its name; undefined when there is none. */
export function pendingStateOf(name: string | null): PendingState | undefined {
  const found = WAITS.find((each) => each === name);
  return found && PendingState[found];
}

/** The name of a status as it is used everywhere in GoTaskQ, as in `PENDING`. */
export function statusName(status: JobStatus): string {
  return JobStatus[status] ?? String(status);
}

/** Returns the status with a name; undefined when there is none. */
export function statusOf(name: string | null): JobStatus | undefined {
  const found = STATUSES.find((each) => each === name);
  return found && JobStatus[found];
}

/** Whether a job is finished. Only then may it be deleted. */
export function isFinal(status: JobStatus): boolean {
  return status === JobStatus.DONE || status === JobStatus.DEAD || status === JobStatus.CANCELED;
}

/** Whether a job may be cancelled. */
export function isOpen(status: JobStatus): boolean {
  return status === JobStatus.PENDING || status === JobStatus.RUNNING;
}

/** Whether a job waits for its start time. */
export function isScheduled(status: JobStatus, runAfter: Timestamp | undefined, now: number): boolean {
  return status === JobStatus.PENDING && runAfter !== undefined && timestampMs(runAfter) > now;
}
