import { utf8Length } from "../common/text.js";
import { type TraceContext, traceContextBytes } from "../log/trace-context.js";
import type { HeldBy, PendingState } from "./pending-state.js";
import type { Unique } from "./unique.js";

/**
 * The states of a job and the transitions between them. No other transition is legal; a backend makes each in one
 * atomic operation. FAILED is never the stored status: it appears in the change log only.
 *
 * | from    | to       | when                                                                     |
 * |---------|----------|--------------------------------------------------------------------------|
 * | (new)   | PENDING  | created                                                                  |
 * | PENDING | RUNNING  | leased                                                                   |
 * | PENDING | CANCELED | cancelled before it ran, or expired before its first lease               |
 * | RUNNING | DONE     | completed with the current lease token                                   |
 * | RUNNING | FAILED   | the handler failed, timed out, or its worker reported failure            |
 * | FAILED  | PENDING  | retries left; same operation as RUNNING to FAILED, logged as two changes |
 * | FAILED  | DEAD     | no retries left, or must not be retried; same operation, two changes     |
 * | RUNNING | PENDING  | lease expired or released, also in a drain: uses no retry, keeps place   |
 * | RUNNING | DEAD     | its lease was lost more than MAX_LOST_LEASES times                       |
 * | RUNNING | CANCELED | cancel requested, then failed or released by the worker, or lease lost   |
 * | DEAD    | PENDING  | replayed                                                                 |
 */
export const TRANSITIONS: Readonly<Record<JobStatus, readonly JobStatus[]>> = {
  PENDING: ["RUNNING", "CANCELED"],
  RUNNING: ["DONE", "FAILED", "PENDING", "DEAD", "CANCELED"],
  FAILED: ["PENDING", "DEAD"],
  DEAD: ["PENDING"],
  DONE: [],
  CANCELED: [],
};

/** The status of a job; the table above has the transitions. */
export type JobStatus = "PENDING" | "RUNNING" | "DONE" | "FAILED" | "DEAD" | "CANCELED";

/** All statuses, in the order of the protos. */
export const JOB_STATUSES: readonly JobStatus[] = ["PENDING", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELED"];

/** Whether a job of this status changes only by a replay or deletion from now on. */
export function isFinal(status: JobStatus): boolean {
  return status === "DONE" || status === "DEAD" || status === "CANCELED";
}

/** A payload or result: JSON text, or opaque bytes. JSON is passed on as text and parsed only for the handler. */
export type Payload = string | Uint8Array;

/** The JSON text of a payload or result; undefined for bytes, and when there is none. */
export function textOf(content: Payload | undefined): string | undefined {
  return typeof content === "string" ? content : undefined;
}

/** The error of one failed attempt or lost lease. */
export interface AttemptError {
  /** When it ended, ms since 1970. */
  readonly at: number;
  /** The error text, cut to 512 characters. */
  readonly error: string;
  /** The number of the delivery, from 1. */
  readonly delivery: number;
  /** The name of the worker that ran it. */
  readonly worker: string;
}

/** A progress report from a handler. */
export interface Progress {
  /** 0 to 100. */
  readonly percent: number;
  /** Free text. */
  readonly message: string;
}

/** The delays before retries; see `backoffDelay`. They grow, or stand in a list. */
export type Backoff = GrowingBackoff | ListedBackoff;

/** Delays that grow with each retry. */
export interface GrowingBackoff {
  /** Delay before the first retry, ms. */
  readonly baseDelayMs: number;
  /** Largest delay without jitter, ms. */
  readonly maxDelayMs: number;
  /** By how much each delay is longer than the one before, 1 (all are the same) to 10. Default 2. */
  readonly multiplier?: number | undefined;
  readonly delaysMs?: undefined;
}

/** Delays one by one. */
export interface ListedBackoff {
  /** Delay before each retry, ms, 1 to 20 of them; the last one counts for all further retries. */
  readonly delaysMs: readonly number[];
  readonly baseDelayMs?: undefined;
  readonly maxDelayMs?: undefined;
  readonly multiplier?: undefined;
}

/** The fields of a job that never change. */
export interface JobSpec {
  /** Decimal Snowflake id. */
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  readonly payload: Payload | undefined;
  /** 0 to 10, higher first. */
  readonly priority: number;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  /** Longest time an attempt may take, ms; 0: no limit. */
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The trace that it belongs to; undefined: it was created without one. */
  readonly traceContext?: TraceContext | undefined;
  /** When it is CANCELED if it was never handed out by then, ms since 1970; undefined: never. */
  readonly expiresAt?: number | undefined;
  /** The name of the schedule of its queue that created it; undefined: a caller did. */
  readonly schedule?: string | undefined;
  /** The time of the schedule that it was created for, ms since 1970; `runAfter` may be later by jitter. Set with `schedule`. */
  readonly scheduledFor?: number | undefined;
  /** The key that it holds or held in its queue, and until when; undefined: it was created without one. */
  readonly unique?: Unique | undefined;
  /** Whose it is, such as a tenant or an account: 1 to 128 characters; undefined: it has none. */
  readonly key?: string | undefined;
}

/** The fields of a job that change, without result and attempt errors: what a change log entry contains. */
export interface JobState {
  readonly status: JobStatus;
  /** Starts at 1 and grows by 1 with every change that appears in the change log. */
  readonly revision: number;
  /** Retries used since it was created or replayed. */
  readonly retryCount: number;
  /** How often it was leased to a worker. */
  readonly deliveries: number;
  /** How often its lease ran out before it was settled, since it was created or replayed. */
  readonly lostLeases: number;
  /** Error of the last failed attempt or lost lease; "" if there was none. */
  readonly error: string;
  readonly progress: Progress | undefined;
  readonly cancelRequested: boolean;
  /** Name of the worker that runs the job or ran it last; "" before the first lease. */
  readonly worker: string;
  /** Times in ms since 1970. */
  readonly updatedAt: number;
  readonly runAfter: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
}

/** Returns the state of a job right after its creation. Times in ms since 1970. */
export function createdState(createdAt: number, runAfter: number): JobState {
  return {
    status: "PENDING",
    revision: 1,
    retryCount: 0,
    deliveries: 0,
    lostLeases: 0,
    error: "",
    progress: undefined,
    cancelRequested: false,
    worker: "",
    updatedAt: createdAt,
    runAfter,
    startedAt: undefined,
    finishedAt: undefined,
  };
}

/** A job as it was at one moment. */
export interface Job extends JobSpec, JobState {
  readonly attemptErrors: readonly AttemptError[];
  readonly result: Payload | undefined;
  /** Whether it is DONE and its result was left out, as the store had no room for it. */
  readonly resultDropped: boolean;
  /** Ms since 1970. */
  readonly createdAt: number;
  /** What it waits for; undefined unless it is PENDING and was read: the answer of a create does not tell it. */
  readonly pendingState?: PendingState | undefined;
  /** Why no worker gets it though its time has come; undefined when nothing holds it back, and as above. */
  readonly heldBy?: HeldBy | undefined;
}

/**
 * Returns the approximate size of a job in bytes, with its payload, result, metadata and errors. It is the one figure
 * wherever the bytes of jobs count: leases, pages, what is kept. The scripts of Redis estimate it with `bytesOf`.
 */
export function jobBytes(
  job: Pick<Job, "payload" | "result" | "metadata" | "traceContext" | "unique" | "key" | "error" | "attemptErrors">,
): number {
  const { payload, result, metadata, traceContext, unique, key: own } = job;
  let bytes = JOB_OVERHEAD_BYTES + payloadBytes(payload) + payloadBytes(result) + errorBytes(job);
  if (traceContext !== undefined) bytes += traceContextBytes(traceContext);
  if (own !== undefined) bytes += own.length;
  if (unique !== undefined) bytes += unique.key.length;
  for (const key in metadata) bytes += key.length + (metadata[key]?.length ?? 0);
  return bytes;
}

/** Bytes that `jobBytes` counts for the other fields of a job. */
export const JOB_OVERHEAD_BYTES = 200;

/** Returns what the errors of a job are counted as in `jobBytes`. */
export function errorBytes({ error, attemptErrors }: Pick<Job, "error" | "attemptErrors">): number {
  let bytes = error.length;
  for (const attempt of attemptErrors) bytes += attempt.error.length;
  return bytes;
}

/** Returns the size of a payload in bytes; JSON text counts as UTF-8. */
export function payloadBytes(payload: Payload | undefined): number {
  if (payload === undefined) return 0;
  return typeof payload === "string" ? utf8Length(payload) : payload.byteLength;
}

/** The error of a job that was CANCELED because its time to begin was over. */
export const EXPIRED = "expired before it ran";

/** The error recorded when a lease expires before the job was settled. */
export const LEASE_RAN_OUT = "the lease ran out: worker gone or stuck";

/** Returns the error recorded when a poison job goes to the dead-letter queue after this many lost leases. */
export function poisonJobError(lostLeases: number | string): string {
  return `poison job: its lease was lost ${lostLeases} times`;
}
