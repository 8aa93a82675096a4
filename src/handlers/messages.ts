import type { RunJob, RunOutcome } from "../core/handler-runner.js";
import type { ErrorDescription } from "../model/common/describe-error.js";
import type { ErrorReason, FieldViolation } from "../model/common/errors.js";
import type { AbortReason, EnqueuedJob } from "../model/handler/handler.js";
import type { Progress } from "../model/job/job.js";
import type { JobFields } from "../model/log/job-fields.js";
import type { LogLevel } from "../model/log/logger.js";
import type { JobRequest } from "../model/request/validate.js";

// What the server and a thread or child process tell each other about one run of a handler. All of it can be cloned.

/** The job of a run, without what a handler does not see. */
export function toRunJob(job: RunJob): RunJob {
  const { id, queue, type, payload, priority, metadata, deliveries, retryCount, maxRetries, createdAt } = job;
  const { timeoutMs } = job;
  // A copy of exactly these bytes: they may lie in a buffer that is larger, and is the store's.
  const own = payload instanceof Uint8Array ? new Uint8Array(payload) : payload;
  const { key, schedule, scheduledFor, traceContext } = job;
  const rest = { deliveries, retryCount, maxRetries, createdAt, key, schedule, scheduledFor, traceContext };
  return { id, queue, type, payload: own, priority, metadata, timeoutMs, ...rest };
}

/** What is told to a run. */
export type ToRun =
  | { readonly kind: "abort"; readonly reason: AbortReason }
  /** So much of the log lines has been written: see `LogSender`. */
  | { readonly kind: "read"; readonly size: number }
  /** What came of the creates that the run asked for under this number. */
  | { readonly kind: "created"; readonly number: number; readonly answer: readonly EnqueuedJob[] | SentError };

/** A `TaskQueueError`, or another one by its text, on its way to a thread or process. */
export interface SentError {
  readonly message: string;
  readonly reason?: ErrorReason | (string & {});
  readonly violations?: readonly FieldViolation[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number | undefined;
}

/** What a run tells. `outcome` and `uncaught` are the last. */
export type FromRun =
  | { readonly kind: "began" }
  | { readonly kind: "progress"; readonly progress: Progress }
  /** Asks for a job, or for a batch of them. It is answered under this number, with one for each. */
  | {
      readonly kind: "create";
      readonly number: number;
      readonly requests: readonly JobRequest[];
      readonly isBatch: boolean;
    }
  /** `fields` is JSON. `size` is what it counts until it is read. */
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly fields: string;
      readonly message: string;
      readonly size: number;
    }
  /** So many lines were left out. */
  | { readonly kind: "dropped"; readonly lines: number }
  | { readonly kind: "outcome"; readonly outcome: SentOutcome }
  /** An error that nobody caught ends the thread or process. */
  | { readonly kind: "uncaught"; readonly error: ErrorDescription };

type FailOutcome = Extract<RunOutcome, { readonly kind: "fail" }>;

/** `RunOutcome`, with a description of what was thrown. */
export type SentOutcome =
  | Exclude<RunOutcome, FailOutcome>
  | (Omit<FailOutcome, "thrown" | "how"> & { readonly thrown: ErrorDescription });

/** A stray error of a thread or process: a promise was rejected and nobody handled it. */
export interface Stray {
  readonly kind: "stray";
  readonly error: ErrorDescription;
  /** The job that ran then; undefined: none did. */
  readonly job: JobFields | undefined;
}
