import type { Job, JobSpec, JobState, JobStatus, Payload, Progress } from "../model/job.js";
import type { Outcome, RetryDecision } from "../model/outcome.js";
import type { Queue, QueueSettings } from "../model/queue.js";

/**
 * The port between the core and what keeps the jobs. Every operation is whole and atomic: of a batch, for each item,
 * unless it says that the batch is. A backend refuses what the state table in job.ts does not allow, and appends each
 * state change to the change log in the same step.
 *
 * Time is the backend's own (in Redis, that of Redis); durations go in and come out. Expected failures are
 * `TaskQueueError`s.
 */
export interface Backend {
  /** What it is, for people. */
  readonly kind: string;
  /** Whether jobs survive the end of this process. */
  readonly durable: boolean;

  /** Makes it ready; `listener` is told what happens from then on. Creates the default queue. */
  start(listener: BackendListener): Promise<void>;
  /** Lets go of what it holds; idempotent. */
  stop(): Promise<void>;

  /** The time that it stamps jobs with, ms since 1970. */
  now(): Promise<number>;

  /**
   * Creates jobs; answers in order. Every queue is checked before the first job is created, so that QUEUE_NOT_FOUND and
   * QUEUE_FULL refuse the whole; the jobs of one queue are created in one step. A requestId known to the queue, or used
   * earlier in the batch, creates nothing and answers the job that has it.
   */
  enqueue(jobs: readonly NewJob[]): Promise<readonly EnqueueResult[]>;
  /** Leases up to `max` ready jobs: from the first queue as many as it gives, then the next, each in its own order. */
  lease(request: LeaseRequest): Promise<readonly Lease[]>;
  /** RUNNING to DONE for the current token. */
  complete(items: readonly Completion[]): Promise<readonly Settlement[]>;
  /** RUNNING through FAILED to PENDING or DEAD for the current token; to CANCELED if that was asked for. */
  fail(items: readonly Failure[]): Promise<readonly Settlement[]>;
  /** RUNNING to PENDING for the current token, at its old place; to CANCELED if that was asked for. */
  release(items: readonly LeaseRef[]): Promise<readonly Settlement[]>;
  /** Moves the end of a lease and stores progress, for the current token. */
  extend(items: readonly Extension[]): Promise<readonly ExtendResult[]>;

  /** Cancels; answers the job after it. JOB_NOT_FOUND, or JOB_STATE_CONFLICT when DONE or DEAD. */
  cancel(id: string): Promise<Job>;
  /** Reads jobs, in order; undefined where there is none. `queue` is where they may be, if somebody knows. */
  get(ids: readonly string[], queue?: string): Promise<readonly (Job | undefined)[]>;
  /** One page of a queue by descending id. Examines a bounded number of jobs. QUEUE_NOT_FOUND. */
  list(query: ListQuery): Promise<ListPage>;
  /** One page of the dead jobs of a queue by time of death. Examines a bounded number of jobs. QUEUE_NOT_FOUND. */
  listDead(query: ListDeadQuery): Promise<ListPage>;
  /** DEAD to PENDING, ready now. */
  replay(ids: readonly string[]): Promise<readonly RowOutcome[]>;
  /** Deletes jobs that are in one of these statuses (never PENDING or RUNNING). */
  remove(ids: readonly string[], statuses: readonly JobStatus[]): Promise<readonly RowOutcome[]>;

  /** QUEUE_EXISTS. */
  createQueue(name: string, settings: QueueSettings): Promise<Queue>;
  /** The named queues that exist, or all, by name. */
  queues(names?: readonly string[]): Promise<readonly Queue[]>;
  /** The names and weights of all queues, by name: cheap, with no figures. */
  queueNames(): Promise<readonly QueueName[]>;
  /** Changes some settings. QUEUE_NOT_FOUND; QUEUE_NOT_EMPTY for a new ordering while jobs wait. */
  updateQueue(name: string, settings: Partial<QueueSettings>): Promise<Queue>;
  /** QUEUE_NOT_FOUND. */
  setPaused(name: string, paused: boolean): Promise<Queue>;
  /** QUEUE_NOT_FOUND; without `force` QUEUE_NOT_EMPTY when a job waits, runs or is dead. */
  deleteQueue(name: string, force: boolean): Promise<void>;
  /** Deletes PENDING jobs of a queue, up to `limit` (default: all); answers how many. QUEUE_NOT_FOUND. */
  purge(name: string, limit?: number): Promise<number>;

  /**
   * Does what is due: ends leases that ran out, makes scheduled jobs ready, forgets finished jobs. Bounded work: asks
   * to be called again at once when there is more.
   */
  tick(): Promise<TickResult>;

  /** The position after the newest change. */
  head(): Promise<string>;
  /**
   * The changes after a position that match, oldest first, and the position to read on from. Examines a bounded
   * number, so that it may answer none and a position further on. WATCH_COMPACTED; FIELD_INVALID for a bad cursor.
   */
  read(cursor: string, limit: number, filter: ChangeFilter): Promise<ChangePage>;
}

/** Told by a backend what happens. Called right after the step, never inside it; must not throw. */
export interface BackendListener {
  /** Jobs of this queue may have become ready. */
  ready(queue: string): void;
  /** `tick` has something to do in so many ms. */
  due(inMs: number): void;
  /** These changes were appended to the change log: of each queue in its order, each change once. */
  changes(batch: ChangeBatch): void;
  /** A queue was created, changed or deleted. */
  queues(): void;
  /** The backend can be reached, or not any more: then operations are refused with BACKEND_UNAVAILABLE. */
  available(isAvailable: boolean): void;
  /** Some changes may never be told: whoever waits for one must look for itself. */
  resync(): void;
}

/** Changes of one step. */
export interface ChangeBatch {
  /** May be read only when it is asked for. */
  readonly changes: readonly Change[];
  /** Whether a worker may have to know of them that did not cause them: a cancel was asked for, a lease was lost. */
  readonly concernsWorkers: boolean;
}

/** A job to create. */
export interface NewJob extends JobSpec {
  /** Wait before it is ready, ms, or the time when it is, ms since 1970. Neither: now. */
  readonly delayMs?: number | undefined;
  readonly runAfter?: number | undefined;
  /** Unique in its queue while the job is kept; undefined: no check. */
  readonly requestId?: string | undefined;
}

export interface EnqueueResult {
  readonly id: string;
  /** The job that has the requestId, when no job was created. */
  readonly existing?: Job | undefined;
  readonly createdAt: number;
  readonly runAfter: number;
}

/** A queue as the selector needs it. */
export interface QueueName {
  readonly name: string;
  readonly weight: number;
}

export interface LeaseRequest {
  /** In order of preference; unknown ones are passed over. */
  readonly queues: readonly string[];
  readonly types: readonly string[];
  readonly max: number;
  readonly leaseMs: number;
  /** Who asks, for people. */
  readonly worker: string;
  /** Bytes of jobs, by `jobBytes` or about that, after which no more are leased; the last may go over. Default: none. */
  readonly maxBytes?: number | undefined;
  /**
   * Makes the call safe to repeat: for `leaseMs` from then on, the same requestId of the same worker answers those of
   * its leases that are still held, as they are now, and leases nothing; also with a `max` of 0. When none is held, and
   * when none was leased, it is as if it was never used. A backend keeps a bounded number of these, the latest.
   */
  readonly requestId?: string | undefined;
}

/** The right to run a job for a while. */
export interface Lease {
  readonly job: Job;
  /** Proof of it; every write is checked against it. */
  readonly token: string;
  readonly expiresInMs: number;
}

/** Names a lease. */
export interface LeaseRef {
  readonly jobId: string;
  readonly token: string;
}

export interface Completion extends LeaseRef {
  readonly result: Payload | undefined;
}

export interface Failure extends LeaseRef {
  readonly error: string;
  readonly retry: RetryDecision;
  /** Random, 0 to 1: the jitter of the backoff. */
  readonly jitter: number;
}

/** With neither a length nor progress it only asks: nothing is changed. */
export interface Extension extends LeaseRef {
  /** New length of the lease from now, ms; never ends it sooner. Undefined: leave its end. */
  readonly leaseMs?: number | undefined;
  readonly progress?: Progress | undefined;
}

/** What a settling write did. `status` and the rest are set when this write changed the job. */
export interface Settlement {
  readonly outcome: Outcome;
  readonly applied?: {
    readonly queue: string;
    readonly type: string;
    /** The status after it. */
    readonly status: JobStatus;
    /** Length of the attempt, ms. */
    readonly durationMs: number;
  };
}

export interface ExtendResult {
  /** CANCEL_REQUESTED: progress is stored, but the lease is not extended: stop and acknowledge. */
  readonly outcome: "OK" | "LEASE_LOST" | "CANCEL_REQUESTED";
  readonly expiresInMs: number;
}

/** NOT_FOUND: no such job. CONFLICT: it is in another state, given beside it. */
export type RowOutcome =
  | { readonly outcome: "APPLIED"; readonly job: Job }
  | { readonly outcome: "CONFLICT"; readonly status: JobStatus }
  | { readonly outcome: "NOT_FOUND" };

export interface ListQuery {
  readonly queue: string;
  /** Empty: every status. */
  readonly statuses: readonly JobStatus[];
  readonly type?: string | undefined;
  /** `next` of the page before. PAGE_TOKEN_INVALID when it is none. */
  readonly after?: string | undefined;
  readonly limit: number;
  /** Bytes of jobs, by `jobBytes`, after which the page ends; its first job is let in whatever its size. Default: none. */
  readonly maxBytes?: number | undefined;
}

export interface ListDeadQuery {
  readonly queue: string;
  readonly type?: string | undefined;
  readonly after?: string | undefined;
  readonly limit: number;
  readonly maxBytes?: number | undefined;
  /** Latest death first, or oldest first. */
  readonly order: "NEWEST" | "OLDEST";
}

export interface ListPage {
  readonly jobs: readonly Job[];
  /** Asks for the next page; undefined: there is none. */
  readonly next: string | undefined;
}

/** A job whose lease ran out. */
export interface LostLease {
  readonly queue: string;
  readonly type: string;
  /** The status after it: PENDING, DEAD or CANCELED. */
  readonly status: JobStatus;
}

export interface TickResult {
  readonly lost: readonly LostLease[];
  /** When to call again, ms; undefined: nothing is due. */
  readonly nextInMs: number | undefined;
}

/** One entry of the change log. Its error is cut to 256 characters. */
export interface Change extends JobState {
  readonly jobId: string;
  readonly queue: string;
  readonly type: string;
  readonly priority: number;
  /** Whether the job was deleted; the rest is then its last state, but for the revision, which is one more. */
  readonly deleted: boolean;
}

/** Which changes to read; a missing set matches all. */
export interface ChangeFilter {
  readonly queues?: ReadonlySet<string> | undefined;
  readonly types?: ReadonlySet<string> | undefined;
  readonly statuses?: ReadonlySet<JobStatus> | undefined;
}

export interface ChangePage {
  readonly entries: readonly { readonly change: Change; readonly cursor: string }[];
  readonly next: string;
  /** Whether more can be read at once. */
  readonly more: boolean;
}

/** Settings that every backend takes. */
export interface BackendOptions {
  /** Leases a job may lose before it goes to the dead-letter queue. Default 5. */
  readonly maxLostLeases: number;
  /** How long DONE and CANCELED jobs stay readable, ms. Default 300,000. */
  readonly completeJobTtlMs: number;
  /** How many of them stay readable in a queue. Default 100,000. */
  readonly maxCompletedJobs: number;
}

/** The defaults of `BackendOptions`. */
export const DEFAULT_BACKEND_OPTIONS: BackendOptions = {
  maxLostLeases: 5,
  completeJobTtlMs: 300_000,
  maxCompletedJobs: 100_000,
};
