import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";

/** Why a call was refused: constant names of the server. */
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

/** One bad field of an input. */
export interface FieldViolation {
  /** Path of the field in camelCase, as in `requests[3].maxRetries`. */
  readonly field: string;
  /** What is wrong with it and what would be right. */
  readonly description: string;
}

/** A call that failed. */
export class TaskQueueError extends Error {
  override readonly name = "TaskQueueError";
  /** The code of gRPC, as in `NOT_FOUND`. */
  readonly code: string;
  /** Why. What did not come from a GoTaskQ server, a refused connection for instance, has its `code` here. */
  readonly reason: ErrorReason | (string & {});
  /** The things it is about, by name: queue, job_id, status. */
  readonly metadata: Readonly<Record<string, string>>;
  /** All bad fields, with FIELD_INVALID. */
  readonly violations: readonly FieldViolation[];
  /** When trying again may help, in ms from now. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    details: {
      reason?: string | undefined;
      metadata?: Readonly<Record<string, string>> | undefined;
      violations?: readonly FieldViolation[];
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { cause: details.cause });
    this.code = code;
    this.reason = details.reason ?? code;
    this.metadata = details.metadata ?? {};
    this.violations = details.violations ?? [];
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** What transports make of a connection that broke, besides UNAVAILABLE. The server answers none of these by itself. */
const BROKEN: ReadonlySet<Code> = new Set([Code.Aborted, Code.Canceled, Code.Unknown]);

/** What a call threw, as callers see it. */
export function toTaskQueueError(thrown: unknown): TaskQueueError {
  if (thrown instanceof TaskQueueError) return thrown;
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "gotaskq");
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  const retryDelay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const isBroken = info === undefined && BROKEN.has(error.code);
  return new TaskQueueError(isBroken ? "UNAVAILABLE" : codeName(error.code), error.rawMessage, {
    reason: info?.reason,
    metadata: info?.metadata,
    violations: violations.map(({ field, description }) => ({ field: toCamelCase(field), description })),
    retryAfterMs: retryDelay && durationMs(retryDelay),
    cause: thrown,
  });
}

/** Codes that say: the call itself is at fault, or the state of what it is about. The same call fails again. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "FAILED_PRECONDITION",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
]);

/** Whether the same call may succeed later: the server is away, draining, or has no room now. */
export function isPassing({ code }: TaskQueueError): boolean {
  return !FOR_GOOD.has(code);
}

function codeName(code: Code): string {
  return (Code[code] ?? String(code)).replace(/(?<!^)[A-Z]/g, "_$&").toUpperCase();
}

/** The path of a field as this library has it; what stands in quotes is a key of the caller's and stays. */
function toCamelCase(field: string): string {
  return field.replace(/"[^"]*"|_([a-z])/g, (part, letter?: string) => letter?.toUpperCase() ?? part);
}
