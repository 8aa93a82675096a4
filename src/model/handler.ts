import type { Progress } from "./job.js";
import { LIMITS } from "./limits.js";
import type { Logger } from "./logger.js";
import { cutText } from "./text.js";

/** Any value that JSON can carry. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/**
 * Runs one attempt of a job. What it returns becomes the result: a JSON value, bytes, or nothing. When it throws, the
 * attempt has failed: the job is retried after its backoff, or dead when no retries are left.
 */
export type Handler = (job: HandlerJob, context: HandlerContext) => unknown;

/** Handlers by job type. */
export type Handlers = Readonly<Record<string, Handler>>;

/** What a handler knows of its job. */
export interface HandlerJob {
  readonly id: string;
  readonly queue: string;
  readonly type: string;
  /** The payload as submitted: a JSON value, bytes, or undefined. */
  // biome-ignore lint/suspicious/noExplicitAny: a handler knows the shape of its own payload, nobody else does
  readonly payload: any;
  readonly priority: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Which delivery this is, from 1; counts crashes too. */
  readonly deliveries: number;
  /** Retries used so far: 0 in the first attempt. */
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly createdAt: Date;
}

/** What a handler may use while it runs. */
export interface HandlerContext {
  /**
   * Aborted when the attempt should end: the job was cancelled, its timeout passed, the server shuts down, or the
   * lease was lost. Its `reason` is an `AttemptAborted`. Throw it (`signal.throwIfAborted()`) to acknowledge; a handler
   * that returns all the same has completed the job.
   */
  readonly signal: AbortSignal;
  /** Reports how far it is: 0 to 100, and a text. Cheap: at most ten reports a second are written, the last always. */
  progress(percent: number, message?: string): void;
  /** Logs with the job's id, type and queue. */
  readonly logger: Logger;
}

/** Why an attempt should end. */
export type AbortReason = "CANCELED" | "TIMEOUT" | "SHUTDOWN" | "LEASE_LOST";

/** The reason of an aborted `HandlerContext.signal`. */
export class AttemptAborted extends Error {
  override readonly name = "AbortError";

  constructor(
    readonly reason: AbortReason,
    message: string,
  ) {
    super(message);
  }
}

/** Thrown by a handler: this job must never be retried. It is dead at once. */
export class PermanentError extends Error {
  override readonly name = "PermanentError";
}

/** Thrown by a handler: retry after so many ms, instead of the job's backoff. Uses a retry. */
export class RetryAfterError extends Error {
  override readonly name = "RetryAfterError";

  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/**
 * How long a handler that goes on after its timeout keeps its slot, ms. It keeps it so that no more handlers run than there
 * are slots, but not forever, so that one that hangs does not cost a slot for good. When the lease was lost, the slot is
 * free at once: the server counts the job as nobody's and hands out the next.
 */
export const STUCK_HANDLER_MS = 5000;

/** How long handlers have to react to the abort at shutdown, ms. */
export const ABORT_GRACE_MS = 500;

const ABORT_MESSAGES: Readonly<Record<Exclude<AbortReason, "SHUTDOWN">, string>> = {
  CANCELED: "the job was cancelled",
  TIMEOUT: "the attempt took longer than the job's timeout",
  LEASE_LOST: "the lease was lost: another worker may run the job",
};

/** The reason to abort a handler's signal with. `host` is what runs the handler, as in "the worker is shutting down". */
export function attemptAborted(reason: AbortReason, host: "server" | "worker"): AttemptAborted {
  return new AttemptAborted(reason, reason === "SHUTDOWN" ? `the ${host} is shutting down` : ABORT_MESSAGES[reason]);
}

/** A progress report as it is kept: the percentage within 0 to 100, the message cut to its limit. */
export function toProgress(percent: unknown, message: unknown = ""): Progress {
  return {
    percent: Math.min(100, Math.max(0, Number(percent) || 0)),
    message: cutText(String(message), LIMITS.progressLength).toWellFormed(),
  };
}
