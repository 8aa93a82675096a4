import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";

/** The statuses a job can be found in, in the order of its life. */
export const STATUSES = ["PENDING", "RUNNING", "DONE", "DEAD", "CANCELED"] as const;

/** The name of a status as everywhere in GoTaskQ, as in `PENDING`. */
export function statusName(status: JobStatus): string {
  return JobStatus[status] ?? String(status);
}

/** The status of a name; undefined when there is none. */
export function statusOf(name: string | null): JobStatus | undefined {
  const found = STATUSES.find((each) => each === name);
  return found && JobStatus[found];
}

/** Whether a job has come to its end: it may be deleted then. */
export function isFinal(status: JobStatus): boolean {
  return status === JobStatus.DONE || status === JobStatus.DEAD || status === JobStatus.CANCELED;
}

/** Whether it may be cancelled. */
export function isOpen(status: JobStatus): boolean {
  return status === JobStatus.PENDING || status === JobStatus.RUNNING;
}

/** Whether it waits for a time to come. */
export function isScheduled(status: JobStatus, runAfter: Timestamp | undefined, now: number): boolean {
  return status === JobStatus.PENDING && runAfter !== undefined && timestampMs(runAfter) > now;
}
