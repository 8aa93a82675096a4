import type { Logger } from "./logger.js";

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
