import type { JobStatus } from "../model/job.js";

/** Told what the core does, for metrics. Each method is called right after the fact and must not throw. */
export interface Observer {
  /** Jobs were created here. */
  enqueued(queue: string, type: string, count: number): void;
  /** A job was leased here, so long after it became ready, ms. */
  leased(queue: string, type: string, pickupMs: number, isRedelivery: boolean): void;
  /** A worker settled a job here; `status` is the one after it: DONE, PENDING, DEAD, CANCELED. */
  settled(kind: SettleKind, queue: string, type: string, status: JobStatus, durationMs: number): void;
  /** A lease ran out; `status` is the job's after it. */
  leaseLost(queue: string, type: string, status: JobStatus): void;
  /** A write with a token that is not current was refused. */
  staleWrite(kind: SettleKind): void;
}

/** The ways a worker ends a lease. */
export type SettleKind = "complete" | "fail" | "release";

/** An observer that does nothing. */
export const silentObserver: Observer = {
  enqueued() {},
  leased() {},
  settled() {},
  leaseLost() {},
  staleWrite() {},
};
