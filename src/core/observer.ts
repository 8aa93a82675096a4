import type { JobStatus } from "../model/job/job.js";

/** Called about what the core does, for metrics. Each method is called right after the fact and must not throw. */
export interface Observer {
  /** Jobs were created through this process. */
  enqueued(queue: string, type: string, count: number): void;
  /** A job was leased through this process, `pickupMs` ms after it became ready. */
  leased(queue: string, type: string, pickupMs: number, isRedelivery: boolean): void;
  /**
   * A job was settled through this process. `status` is the job's after that: DONE, PENDING, DEAD or CANCELED. `reason` comes with
   * `fail`.
   */
  settled(
    kind: SettleKind,
    queue: string,
    type: string,
    status: JobStatus,
    durationMs: number,
    reason?: FailureReason,
  ): void;
  /**
   * A lease was lost, as this process found: it ran out, or its worker is gone. `status` is the job's after that: PENDING, DEAD
   * or CANCELED.
   */
  leaseLost(queue: string, type: string, status: JobStatus): void;
  /** A job expired before it ran, as this process found. */
  expired(queue: string, type: string): void;
  /** Times of a schedule made jobs, through this process; `enqueued` counts these jobs too. */
  scheduleFired(queue: string, type: string, count: number): void;
  /** Times of a schedule made no job, as this process found: see `ScheduleSkip`. */
  scheduleSkipped(queue: string, type: string, reason: "OVERLAP" | "MISFIRE"): void;
  /** A settle with a lease token that is not current was refused. */
  staleWrite(kind: SettleKind): void;
}

/**
 * Why an attempt failed.
 *
 * - error: its handler threw, or its worker reported a failure.
 * - permanent: the same, and it said never to retry.
 * - timeout: it took longer than the job's timeout, in this process.
 * - crashed: the thread or process it ran in ended.
 */
export type FailureReason = "error" | "permanent" | "timeout" | "crashed";

/** The ways to settle a job. */
export type SettleKind = "complete" | "fail" | "release";

/** An observer that does nothing. */
export const silentObserver: Observer = {
  enqueued() {},
  leased() {},
  settled() {},
  leaseLost() {},
  expired() {},
  scheduleFired() {},
  scheduleSkipped() {},
  staleWrite() {},
};
