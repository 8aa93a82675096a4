/** Why a call was refused: constant names that clients may rely on. */
export type ErrorReason =
  | "FIELD_INVALID"
  | "PAGE_TOKEN_INVALID"
  | "QUEUE_NOT_FOUND"
  | "JOB_NOT_FOUND"
  | "QUEUE_EXISTS"
  | "QUEUE_NOT_EMPTY"
  | "JOB_STATE_CONFLICT"
  | "LEASE_LOST"
  | "QUEUE_FULL"
  | "TOO_MANY_STREAMS"
  | "WATCH_COMPACTED"
  | "BACKEND_UNAVAILABLE"
  | "SERVER_DRAINING";

/** Codes of gRPC that a refusal may carry; `CODE_OF_REASON` says which reason has which. */
export type ErrorCode =
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "FAILED_PRECONDITION"
  | "RESOURCE_EXHAUSTED"
  | "OUT_OF_RANGE"
  | "UNAVAILABLE";

/** The code that each reason goes out with, over every protocol. */
export const CODE_OF_REASON: Readonly<Record<ErrorReason, ErrorCode>> = {
  FIELD_INVALID: "INVALID_ARGUMENT",
  PAGE_TOKEN_INVALID: "INVALID_ARGUMENT",
  QUEUE_NOT_FOUND: "NOT_FOUND",
  JOB_NOT_FOUND: "NOT_FOUND",
  QUEUE_EXISTS: "ALREADY_EXISTS",
  QUEUE_NOT_EMPTY: "FAILED_PRECONDITION",
  JOB_STATE_CONFLICT: "FAILED_PRECONDITION",
  LEASE_LOST: "FAILED_PRECONDITION",
  QUEUE_FULL: "RESOURCE_EXHAUSTED",
  TOO_MANY_STREAMS: "RESOURCE_EXHAUSTED",
  WATCH_COMPACTED: "OUT_OF_RANGE",
  BACKEND_UNAVAILABLE: "UNAVAILABLE",
  SERVER_DRAINING: "UNAVAILABLE",
};

/** One bad field of an input. */
export interface FieldViolation {
  /** Path of the field in camelCase, as in `requests[3].maxRetries`. */
  readonly field: string;
  /** What is wrong with it and what would be right. */
  readonly description: string;
}

/**
 * An expected failure that the caller can understand and act on: of the library, of the server, and of a client's call.
 * Anything else thrown is a bug or a fault.
 */
export class TaskQueueError extends Error {
  override readonly name = "TaskQueueError";
  /** Why. A client's call that failed without an answer of a GoTaskQ server has its `code` here. */
  readonly reason: ErrorReason | (string & {});
  /** The code of gRPC, as in `NOT_FOUND`. */
  readonly code: string;
  /** The things it is about, by name: queue, job_id, status. */
  readonly metadata: Readonly<Record<string, string>>;
  /** All bad fields, with FIELD_INVALID. */
  readonly violations: readonly FieldViolation[];
  /** When trying again may help, in ms from now. */
  readonly retryAfterMs: number | undefined;

  /** `code` defaults to that of the reason. */
  constructor(
    reason: ErrorReason | (string & {}),
    message: string,
    details: {
      code?: string | undefined;
      metadata?: Readonly<Record<string, string>> | undefined;
      violations?: readonly FieldViolation[] | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.reason = reason;
    this.code = details.code ?? CODE_OF_REASON[reason as ErrorReason] ?? reason;
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** Bad input; names every bad field, and counts those that are too many to name. */
export function fieldInvalid(violations: readonly FieldViolation[], more = 0): TaskQueueError {
  return new TaskQueueError("FIELD_INVALID", describeViolations(violations, more), {
    violations,
    ...(more > 0 && { metadata: { more_violations: String(more) } }),
  });
}

/** Bad fields spelled out in a message; the others are only among the violations. */
const FIELDS_IN_MESSAGE = 20;

/** The message of bad input. */
export function describeViolations(violations: readonly FieldViolation[], more = 0): string {
  const text = violations.slice(0, FIELDS_IN_MESSAGE).map(({ field, description }) => `${field}: ${description}`);
  const rest = violations.length - text.length + more;
  return text.join("; ") + (rest > 0 ? `; and ${rest} more` : "");
}

/** A page token that this server did not make for this filter. */
export function pageTokenInvalid(): TaskQueueError {
  const description = "is not a next_page_token of this listing; start again without one";
  return new TaskQueueError("PAGE_TOKEN_INVALID", `pageToken: ${description}`, {
    violations: [{ field: "pageToken", description }],
  });
}

/** No queue has this name. */
export function queueNotFound(queue: string): TaskQueueError {
  return new TaskQueueError("QUEUE_NOT_FOUND", `queue "${queue}" does not exist`, { metadata: { queue } });
}

/** The name is taken. */
export function queueExists(queue: string): TaskQueueError {
  return new TaskQueueError("QUEUE_EXISTS", `queue "${queue}" exists already`, { metadata: { queue } });
}

/** The queue holds jobs that stand in the way. */
export function queueNotEmpty(queue: string, message: string): TaskQueueError {
  return new TaskQueueError("QUEUE_NOT_EMPTY", `queue "${queue}" ${message}`, { metadata: { queue } });
}

/** The queue has as many waiting jobs as it may. */
export function queueFull(queue: string, maxDepth?: number): TaskQueueError {
  return new TaskQueueError("QUEUE_FULL", `queue "${queue}" is full: ${maxDepth} jobs wait`, {
    metadata: { queue, max_depth: String(maxDepth) },
    retryAfterMs: 1000,
  });
}

/** No job has this id, or it is not kept any more. */
export function jobNotFound(id: string, message = `job ${id} does not exist, or is not kept any more`): TaskQueueError {
  return new TaskQueueError("JOB_NOT_FOUND", message, { metadata: { job_id: id } });
}

/** What keeps the jobs has no room for more. */
export function memoryFull(
  message = "the memory of this server is nearly full: let jobs run, or purge some",
  cause?: unknown,
): TaskQueueError {
  return new TaskQueueError("QUEUE_FULL", message, { retryAfterMs: 1000, cause });
}

/** What keeps the jobs cannot be reached, or does not answer. Nobody knows whether a write was done. */
export function backendUnavailable(message: string, cause?: unknown): TaskQueueError {
  return new TaskQueueError("BACKEND_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
}

/** Whether the backend could not be reached. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof TaskQueueError && error.reason === "BACKEND_UNAVAILABLE";
}

/** The job is in a state in which this cannot be done. */
export function jobStateConflict(id: string, status: string, wanted: string): TaskQueueError {
  return new TaskQueueError("JOB_STATE_CONFLICT", `job ${id} is ${status}, not ${wanted}`, {
    metadata: { job_id: id, status },
  });
}

/** The cursor is older than the change log. */
export function watchCompacted(): TaskQueueError {
  return new TaskQueueError(
    "WATCH_COMPACTED",
    "the cursor is older than the kept change log: list the jobs again, then watch without a cursor",
  );
}

/** This server is shutting down. */
export function serverDraining(): TaskQueueError {
  return new TaskQueueError("SERVER_DRAINING", "this server is shutting down", { retryAfterMs: 1000 });
}
