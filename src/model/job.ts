import { utf8Length } from "./text.js";

/**
 * The life of a job. Nothing but these steps is legal; a backend takes each in one atomic operation.
 *
 * | from    | to       | when                                                                     |
 * |---------|----------|--------------------------------------------------------------------------|
 * | (new)   | PENDING  | created                                                                  |
 * | PENDING | RUNNING  | leased                                                                   |
 * | PENDING | CANCELED | cancelled before it ran                                                  |
 * | RUNNING | DONE     | completed with the current token                                         |
 * | RUNNING | FAILED   | the handler failed, timed out, or its worker reported failure            |
 * | FAILED  | PENDING  | retries left; same step as RUNNING to FAILED, seen as two changes        |
 * | FAILED  | DEAD     | none left, or never to be retried; same step as RUNNING to FAILED        |
 * | RUNNING | PENDING  | lease expired, released or drained: no retry used, same place in line    |
 * | RUNNING | DEAD     | its lease was lost more than MAX_LOST_LEASES times                       |
 * | RUNNING | CANCELED | cancel asked, then acknowledged by the worker or its lease ended         |
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

/** A state of a job; the table is above. */
export type JobStatus = "PENDING" | "RUNNING" | "DONE" | "FAILED" | "DEAD" | "CANCELED";

/** Every status, in the order of the protos. */
export const JOB_STATUSES: readonly JobStatus[] = ["PENDING", "RUNNING", "DONE", "FAILED", "DEAD", "CANCELED"];

/** Whether a job of this status will never change again by itself. */
export function isFinal(status: JobStatus): boolean {
  return status === "DONE" || status === "DEAD" || status === "CANCELED";
}

/** A payload or result: JSON text, or opaque bytes. Text stays text from the edge to the handler. */
export type Payload = string | Uint8Array;

/** One failed attempt. */
export interface AttemptError {
  /** When, ms since 1970. */
  readonly at: number;
  /** What it said, cut to 512 characters. */
  readonly error: string;
  /** Which delivery it was, from 1. */
  readonly delivery: number;
  /** Who ran it. */
  readonly worker: string;
}

/** A progress report of a handler. */
export interface Progress {
  /** 0 to 100. */
  readonly percent: number;
  /** Free text. */
  readonly message: string;
}

/** The waits between retries; see `backoffDelay`. */
export interface Backoff {
  /** Before the first retry, ms. */
  readonly baseDelayMs: number;
  /** The longest, before jitter, ms. */
  readonly maxDelayMs: number;
}

/** What never changes about a job. */
export interface JobSpec {
  /** Decimal Snowflake. */
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  readonly payload: Payload | undefined;
  /** 0 to 10, higher first. */
  readonly priority: number;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  /** Longest attempt, ms; 0: no limit. */
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What changes about a job, without its result and history: what a change log entry carries. */
export interface JobState {
  readonly status: JobStatus;
  /** +1 at every visible change, from 1. */
  readonly revision: number;
  readonly retryCount: number;
  readonly deliveries: number;
  readonly lostLeases: number;
  /** What the last failed attempt said; "" before. */
  readonly error: string;
  readonly progress: Progress | undefined;
  readonly cancelRequested: boolean;
  /** Who runs it or ran it last; "" before. */
  readonly worker: string;
  /** Times in ms since 1970. */
  readonly updatedAt: number;
  readonly runAfter: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
}

/** A job at one moment. */
export interface Job extends JobSpec, JobState {
  readonly attemptErrors: readonly AttemptError[];
  readonly result: Payload | undefined;
  /** Ms since 1970. */
  readonly createdAt: number;
}

/** About how many bytes a job has, with its payload, result, metadata and errors. */
export function jobBytes({ payload, result, metadata, error, attemptErrors }: Job): number {
  let bytes = JOB_OVERHEAD_BYTES + payloadBytes(payload) + payloadBytes(result) + error.length;
  for (const key in metadata) bytes += key.length + (metadata[key]?.length ?? 0);
  for (const attempt of attemptErrors) bytes += attempt.error.length;
  return bytes;
}

/** What the other fields of a job take. */
const JOB_OVERHEAD_BYTES = 200;

/** Bytes of a payload: of JSON text, in UTF-8. */
export function payloadBytes(payload: Payload | undefined): number {
  if (payload === undefined) return 0;
  return typeof payload === "string" ? utf8Length(payload) : payload.byteLength;
}

/** What is recorded when a lease ran out and nobody settled the job. */
export const LEASE_RAN_OUT = "the lease ran out: worker gone or stuck";

/** What is recorded when a job goes to the dead-letter queue because it lost this many leases. */
export function poisonJobError(lostLeases: number | string): string {
  return `poison job: its lease was lost ${lostLeases} times`;
}
