import { LIMITS } from "./limits.js";
/** Why a call was refused: constant names that clients may rely on. */
export type ErrorReason =
  | "FIELD_INVALID"
  | "PAGE_TOKEN_INVALID"
  | "REQUEST_ID_REUSED"
  | "QUEUE_NOT_FOUND"
  | "JOB_NOT_FOUND"
  | "SCHEDULE_NOT_FOUND"
  | "QUEUE_EXISTS"
  | "JOB_EXISTS"
  | "SCHEDULE_EXISTS"
  | "QUEUE_NOT_EMPTY"
  | "JOB_STATE_CONFLICT"
  | "LEASE_LOST"
  | "UPGRADE_REQUIRED"
  | "QUEUE_FULL"
  | "MESSAGE_TOO_LARGE"
  | "TOO_MANY_STREAMS"
  | "WATCH_COMPACTED"
  | "TOKEN_INVALID"
  | "TOO_MANY_ATTEMPTS"
  | "AUTHORIZER_UNAVAILABLE"
  | "SCOPE_MISSING"
  | "BACKEND_UNAVAILABLE"
  | "SERVER_DRAINING";

/** The gRPC codes that a refusal may carry; `CODE_OF_REASON` maps each reason to one. */
export type ErrorCode =
  | "INVALID_ARGUMENT"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "FAILED_PRECONDITION"
  | "RESOURCE_EXHAUSTED"
  | "OUT_OF_RANGE"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "UNAVAILABLE";

/** The code sent with each reason; the same over every protocol. */
export const CODE_OF_REASON: Readonly<Record<ErrorReason, ErrorCode>> = {
  FIELD_INVALID: "INVALID_ARGUMENT",
  PAGE_TOKEN_INVALID: "INVALID_ARGUMENT",
  REQUEST_ID_REUSED: "INVALID_ARGUMENT",
  QUEUE_NOT_FOUND: "NOT_FOUND",
  JOB_NOT_FOUND: "NOT_FOUND",
  SCHEDULE_NOT_FOUND: "NOT_FOUND",
  QUEUE_EXISTS: "ALREADY_EXISTS",
  JOB_EXISTS: "ALREADY_EXISTS",
  SCHEDULE_EXISTS: "ALREADY_EXISTS",
  QUEUE_NOT_EMPTY: "FAILED_PRECONDITION",
  JOB_STATE_CONFLICT: "FAILED_PRECONDITION",
  LEASE_LOST: "FAILED_PRECONDITION",
  UPGRADE_REQUIRED: "FAILED_PRECONDITION",
  QUEUE_FULL: "RESOURCE_EXHAUSTED",
  MESSAGE_TOO_LARGE: "RESOURCE_EXHAUSTED",
  TOO_MANY_STREAMS: "RESOURCE_EXHAUSTED",
  WATCH_COMPACTED: "OUT_OF_RANGE",
  TOKEN_INVALID: "UNAUTHENTICATED",
  TOO_MANY_ATTEMPTS: "RESOURCE_EXHAUSTED",
  AUTHORIZER_UNAVAILABLE: "UNAVAILABLE",
  SCOPE_MISSING: "PERMISSION_DENIED",
  BACKEND_UNAVAILABLE: "UNAVAILABLE",
  SERVER_DRAINING: "UNAVAILABLE",
};

/** One invalid field of an input. */
export interface FieldViolation {
  /** Path of the field in camelCase, for example `requests[3].maxRetries`. */
  readonly field: string;
  /** What is wrong with the value and what would be valid. */
  readonly description: string;
}

/** Marks our errors, also for other copies of this package in the same program. */
const BRAND = Symbol.for("gotaskq.TaskQueueError");

/**
 * An expected failure that the caller can understand and act on. The library, the server and the client throw it;
 * anything else thrown is a bug or a fault. `instanceof` finds those of every entry point, and of another copy of this package.
 */
export class TaskQueueError extends Error {
  static {
    // Of the class: so errors show no more than what they say.
    Object.defineProperty(TaskQueueError.prototype, BRAND, { value: true });
    Object.defineProperty(TaskQueueError, Symbol.hasInstance, { value: isInstance });
  }

  override readonly name = "TaskQueueError";
  /** Why it failed. When a client call got no answer from a GoTaskQ server, this is the same as `code`. */
  readonly reason: ErrorReason | (string & {});
  /** The gRPC code, for example `NOT_FOUND`. */
  readonly code: string;
  /** What the error is about, for example `queue`, `job_id` or `status`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The invalid fields: set with FIELD_INVALID, PAGE_TOKEN_INVALID and REQUEST_ID_REUSED, otherwise empty. */
  readonly violations: readonly FieldViolation[];
  /** Delay after which a retry may succeed, ms; undefined: not known. */
  readonly retryAfterMs: number | undefined;
  /** What the server calls the request, in its log too; undefined where no server answered. */
  readonly requestId: string | undefined;

  /** `code` defaults to the code of the reason, or to the reason itself where it is not an `ErrorReason`. */
  constructor(
    reason: ErrorReason | (string & {}),
    message: string,
    details: {
      code?: string | undefined;
      metadata?: Readonly<Record<string, string>> | undefined;
      violations?: readonly FieldViolation[] | undefined;
      retryAfterMs?: number | undefined;
      requestId?: string | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.reason = reason;
    this.code = details.code ?? CODE_OF_REASON[reason as ErrorReason] ?? reason;
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
    this.requestId = details.requestId;
  }
}

function isInstance(this: unknown, value: unknown): boolean {
  // A class of somebody else that extends ours has instances of its own only.
  if (this !== TaskQueueError) return Function.prototype[Symbol.hasInstance].call(this, value);
  return typeof value === "object" && value !== null && BRAND in value;
}

/** Bad input; names every bad field, and counts those that are too many to name. */
export function fieldInvalid(found: readonly FieldViolation[], more = 0): TaskQueueError {
  const violations = found.map(({ field, description }) => ({ field: cut(field), description: cut(description) }));
  return new TaskQueueError("FIELD_INVALID", describeViolations(violations, more), {
    violations,
    ...(more > 0 && { metadata: { more_violations: String(more) } }),
  });
}

/** A part of a text that fits in a refusal: names and values may be the caller's. */
function cut(text: string): string {
  const fits = text.length <= LIMITS.violationLength;
  return fits ? text.toWellFormed() : `${text.slice(0, LIMITS.violationLength).toWellFormed()}...`;
}

/** Bad fields spelled out in a message; the others are only among the violations. */
const FIELDS_IN_MESSAGE = 20;

/** Returns the message of a FIELD_INVALID error. */
export function describeViolations(violations: readonly FieldViolation[], more = 0): string {
  const text = violations.slice(0, FIELDS_IN_MESSAGE).map(({ field, description }) => `${field}: ${description}`);
  const rest = violations.length - text.length + more;
  return text.join("; ") + (rest > 0 ? `; and ${rest} more` : "");
}

/** A message of a client is larger than this server reads, in bytes when decompressed. It will be the next time too. */
export function messageTooLarge(maxBytes: number): TaskQueueError {
  return new TaskQueueError("MESSAGE_TOO_LARGE", `a message may have at most ${maxBytes} bytes`, {
    metadata: { max_bytes: String(maxBytes) },
  });
}

/** A page token that this server did not make for this filter. */
export function pageTokenInvalid(): TaskQueueError {
  const description = "is not a next_page_token of this listing; start again without one";
  return new TaskQueueError("PAGE_TOKEN_INVALID", `pageToken: ${description}`, {
    violations: [{ field: "pageToken", description }],
  });
}

/** REQUEST_ID_REUSED: the request id of this create was used before, for another content. `index`: of a batch. */
export function requestIdReused(index?: number): TaskQueueError {
  const field = index === undefined ? "requestId" : `requests[${index}].requestId`;
  const description = "was used before, for a job with another content; use a new one";
  return new TaskQueueError("REQUEST_ID_REUSED", `${field}: ${description}`, { violations: [{ field, description }] });
}

/**
 * JOB_EXISTS: another job holds the unique key of this create. `id`: that job; undefined: an earlier one of the same batch.
 * `index`: of a batch.
 */
export function jobExists(key: string, id: string | undefined, index?: number): TaskQueueError {
  const field = index === undefined ? "unique" : `requests[${index}].unique`;
  const holder = id === undefined ? "an earlier job of this batch" : `job ${id}`;
  return new TaskQueueError("JOB_EXISTS", `${field}: ${holder} holds the key ${JSON.stringify(key)}`, {
    metadata: { ...(id !== undefined && { job_id: id }), ...(index !== undefined && { index: String(index) }) },
  });
}

/** QUEUE_NOT_FOUND: no queue has this name. */
export function queueNotFound(queue: string): TaskQueueError {
  return new TaskQueueError("QUEUE_NOT_FOUND", `queue "${queue}" does not exist`, { metadata: { queue } });
}

/** QUEUE_EXISTS: a queue has this name already. */
export function queueExists(queue: string): TaskQueueError {
  return new TaskQueueError("QUEUE_EXISTS", `queue "${queue}" exists already`, { metadata: { queue } });
}

/** SCHEDULE_NOT_FOUND: its queue has no schedule of this name. */
export function scheduleNotFound(queue: string, name: string): TaskQueueError {
  const message = `queue "${queue}" has no schedule "${name}"`;
  return new TaskQueueError("SCHEDULE_NOT_FOUND", message, { metadata: { queue, schedule: name } });
}

/** SCHEDULE_EXISTS: its queue has a schedule of this name already. */
export function scheduleExists(queue: string, name: string): TaskQueueError {
  const message = `queue "${queue}" has a schedule "${name}" already`;
  return new TaskQueueError("SCHEDULE_EXISTS", message, { metadata: { queue, schedule: name } });
}

/** QUEUE_NOT_EMPTY: the queue holds jobs that prevent the operation. */
export function queueNotEmpty(queue: string, message: string): TaskQueueError {
  return new TaskQueueError("QUEUE_NOT_EMPTY", `queue "${queue}" ${message}`, { metadata: { queue } });
}

/** QUEUE_FULL: the queue has as many waiting jobs as `maxDepth` allows. */
export function queueFull(queue: string, maxDepth?: number): TaskQueueError {
  return new TaskQueueError("QUEUE_FULL", `queue "${queue}" is full: ${maxDepth} jobs wait`, {
    metadata: { queue, max_depth: String(maxDepth) },
    retryAfterMs: 1000,
  });
}

/** JOB_NOT_FOUND: no job has this id, or the job is no longer kept. */
export function jobNotFound(id: string, message = `job ${id} does not exist, or is not kept any more`): TaskQueueError {
  return new TaskQueueError("JOB_NOT_FOUND", message, { metadata: { job_id: id } });
}

/** QUEUE_FULL because the store (this process, or Redis) has no memory for more jobs; names no queue. */
export function memoryFull(
  message = "the memory of this server is nearly full: let jobs run, or purge some",
  cause?: unknown,
): TaskQueueError {
  return new TaskQueueError("QUEUE_FULL", message, { retryAfterMs: 1000, cause });
}

/** BACKEND_UNAVAILABLE: the store cannot be reached or does not answer. Whether a write took effect is unknown. */
export function backendUnavailable(message: string, cause?: unknown): TaskQueueError {
  return new TaskQueueError("BACKEND_UNAVAILABLE", message, { retryAfterMs: 1000, cause });
}

/** Whether an error says that the backend could not be reached. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof TaskQueueError && error.reason === "BACKEND_UNAVAILABLE";
}

/** JOB_STATE_CONFLICT: the operation is not possible while the job has this status. */
export function jobStateConflict(id: string, status: string, wanted: string): TaskQueueError {
  return new TaskQueueError("JOB_STATE_CONFLICT", `job ${id} is ${status}, not ${wanted}`, {
    metadata: { job_id: id, status },
  });
}

/** JOB_STATE_CONFLICT: a DEAD job cannot be replayed while another holds its unique key. */
export function uniqueKeyHeld(id: string, holder: string): TaskQueueError {
  return new TaskQueueError("JOB_STATE_CONFLICT", `job ${id} is DEAD, and job ${holder} holds its unique key now`, {
    metadata: { job_id: id, status: "DEAD", held_by: holder },
  });
}

/** FIELD_INVALID: the time that a job is given, by this field, is one at which it has expired. */
export function runsTooLate(field: "delay" | "runAfter"): TaskQueueError {
  return fieldInvalid([{ field, description: "must be before the job expires: it would not run at all" }]);
}

/** UPGRADE_REQUIRED: a queue needs a feature that this server, or another of the same store, is too old for. */
export function upgradeRequired(
  queue: string,
  feature: string,
  why = "which this server is too old for: upgrade it",
): TaskQueueError {
  return new TaskQueueError("UPGRADE_REQUIRED", `queue "${queue}" needs the feature "${feature}", ${why}`, {
    metadata: { queue, feature },
  });
}

/** WATCH_COMPACTED: the change log no longer has the changes after the cursor. */
export function watchCompacted(): TaskQueueError {
  return new TaskQueueError(
    "WATCH_COMPACTED",
    "the cursor is older than the kept change log: list the jobs again, then watch without a cursor",
  );
}

/** LEASE_LOST: a worker gave no sign of life from the beginning of a lease to its end. */
export function workerSilent(): TaskQueueError {
  const message =
    "a lease ended and nothing was heard of its worker: extend leases while jobs run, and open a new stream";
  return new TaskQueueError("LEASE_LOST", message);
}

/** SERVER_DRAINING: this server is shutting down. */
export function serverDraining(): TaskQueueError {
  return new TaskQueueError("SERVER_DRAINING", "this server is shutting down", { retryAfterMs: 1000 });
}

/** TOKEN_INVALID: a call without a token, or with one that is none of this server's or has ended. */
export function tokenInvalid(message: string, retryAfterMs?: number): TaskQueueError {
  return new TaskQueueError("TOKEN_INVALID", message, { retryAfterMs });
}

/** SCOPE_MISSING: a caller that is known may not do this; with `queue`, not in this queue, and with `*`, not in all of them. */
export function scopeMissing(scope: string, caller: string, queue?: string): TaskQueueError {
  const named = queue?.slice(0, LIMITS.violationLength);
  const message = `the token "${caller}" ${whyNot(scope, named)}`;
  return new TaskQueueError("SCOPE_MISSING", message, {
    metadata: { scope, caller, ...(named !== undefined && { queue: named }) },
  });
}

function whyNot(scope: string, queue: string | undefined): string {
  if (queue === undefined) return `lacks the scope "${scope}"`;
  return queue === "*"
    ? "is for some queues only, and this is about all of them"
    : `may not reach the queue "${queue}"`;
}
