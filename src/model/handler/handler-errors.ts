import { errorText } from "../common/describe-error.js";

// What a handler throws decides by its `name`, so errors of another copy of this package count too: see `retryDecision`.

/** Thrown by a handler to say that the job must not be retried: it becomes DEAD at once. */
export class PermanentError extends Error {
  override readonly name = "PermanentError";
}

/** Thrown by a handler to retry after `retryAfterMs` (0 to 1 year) instead of the job's backoff. Uses a retry. */
export class RetryAfterError extends Error {
  override readonly name = "RetryAfterError";

  constructor(
    message: string,
    readonly retryAfterMs: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Thrown by a handler to have the job run again after `delayMs` (0 to 1 year), as if this attempt had not been made: uses no
 * retry, and leaves no error.
 */
export class SnoozeError extends Error {
  override readonly name = "SnoozeError";

  constructor(
    message: string,
    readonly delayMs: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * Returns what to throw when another try cannot help: `throw permanent("no such user")`. `reason` is a text, or what was caught: its
 * text becomes the error of the job, and it is kept as the cause.
 */
export function permanent(reason: unknown): PermanentError {
  return new PermanentError(...told(reason));
}

/** Returns what to throw for a retry after so many ms instead of the job's backoff. `reason` as of `permanent`. */
export function retryAfter(ms: number, reason: unknown = `to be retried after ${ms} ms`): RetryAfterError {
  const [message, options] = told(reason);
  return new RetryAfterError(message, ms, options);
}

/** Returns what to throw to run again after so many ms, as if this attempt had not been made. `reason` as of `permanent`. */
export function snooze(ms: number, reason: unknown = `put off for ${ms} ms`): SnoozeError {
  const [message, options] = told(reason);
  return new SnoozeError(message, ms, options);
}

function told(reason: unknown): [message: string, options?: ErrorOptions] {
  return typeof reason === "string" ? [reason] : [errorText(reason), { cause: reason }];
}
