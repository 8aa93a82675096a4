import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.js";
import { toApiError } from "../../api/api-error.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { lengthOf } from "./times.js";

/** Codes that transports report for a broken connection, besides UNAVAILABLE. The server itself sends none of these. */
const BROKEN: ReadonlySet<Code> = new Set([Code.Aborted, Code.Canceled, Code.Unknown]);

/**
 * Codes of Node for calls that the server did not begin: they were still to be sent, or the server ended the connection
 * (GOAWAY) before it took them.
 */
const NOT_BEGUN: ReadonlySet<string> = new Set([
  "ERR_HTTP2_GOAWAY_SESSION",
  "ERR_HTTP2_INVALID_SESSION",
  "ERR_HTTP2_STREAM_CANCEL",
]);

/** What Node was doing when no connection came about: then nothing was sent. */
const CONNECTING: ReadonlySet<string> = new Set(["connect", "getaddrinfo"]);

/** Codes of Node for a broken connection that Connect reports as INTERNAL. Nobody knows what became of the call. */
const BROKEN_IN_NODE: ReadonlySet<string> = new Set([
  ...NOT_BEGUN,
  "ERR_HTTP2_SESSION_ERROR",
  "ERR_HTTP2_STREAM_ERROR",
  "ERR_STREAM_PREMATURE_CLOSE",
  "EPIPE",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Returns what a call threw as a `TaskQueueError`: with the server's reason, or the gRPC code when there is none. */
export function toTaskQueueError(thrown: unknown): TaskQueueError {
  if (thrown instanceof TaskQueueError) return thrown;
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === "gotaskq");
  const violations = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  const retryDelay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const isBroken = info === undefined && (BROKEN.has(error.code) || nodeErrors(error).some(isBrokenInNode));
  const code = isBroken ? "UNAVAILABLE" : codeName(error.code);
  const given = new TaskQueueError(info?.reason ?? code, error.rawMessage, {
    code,
    metadata: info?.metadata,
    violations: violations.map(({ field, description }) => ({ field: toCamelCase(field), description })),
    retryAfterMs: lengthOf(retryDelay),
    requestId: error.findDetails(RequestInfoSchema)[0]?.requestId,
    cause: thrown,
  });
  return toApiError(given);
}

/**
 * Whether the server did not begin with the call, so that it may be made again whatever it does: there was no connection, the server
 * refused the stream, or the connection ended before.
 */
export function isNotBegun(error: TaskQueueError): boolean {
  return nodeErrors(error.cause).some(
    ({ code, message, syscall = "" }) =>
      NOT_BEGUN.has(code) ||
      CONNECTING.has(syscall) ||
      (code === "ERR_HTTP2_STREAM_ERROR" && /REFUSED_STREAM/.test(message)),
  );
}

function isBrokenInNode({ code }: { readonly code: string }): boolean {
  return BROKEN_IN_NODE.has(code);
}

/** An error of Node. */
interface NodeError extends Error {
  readonly code: string;
  /** What the system was asked for, where it failed. */
  readonly syscall?: string;
}

/** Returns the errors of Node, which have a constant `code`, among an error and its causes. */
function nodeErrors(error: unknown): NodeError[] {
  const found: NodeError[] = [];
  for (let each = error; each instanceof Error; each = each.cause) {
    if ("code" in each && typeof each.code === "string") found.push(each as NodeError);
  }
  return found;
}

/** Codes for which the same call would fail again: the call, or the state of what it is about, is at fault. */
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

/** Whether the same call may succeed later, as when the server is away, drains, or has no room now. */
export function isPassing({ code, reason }: TaskQueueError): boolean {
  return !FOR_GOOD.has(code) && reason !== "MESSAGE_TOO_LARGE";
}

/** Returns the name of a code as gRPC writes it, as in `NOT_FOUND`. */
function codeName(code: Code): string {
  return (Code[code] ?? String(code)).replace(/(?<!^)[A-Z]/g, "_$&").toUpperCase();
}

/** Returns the path of a field in camelCase. What is in quotes is a key of the caller's and is left as it is. */
function toCamelCase(field: string): string {
  return field.replace(/"[^"]*"|_([a-z])/g, (part, letter?: string) => letter?.toUpperCase() ?? part);
}

/** The reason of an abort by which a client ends a stream of a server that has been silent for too long. */
export function serverSilent(): TaskQueueError {
  return new TaskQueueError("UNAVAILABLE", "the server has been silent for too long");
}

/** Whether whoever made a call ended it, and not the silence of its server. */
export function isAborted(signal: AbortSignal | undefined): boolean {
  if (signal === undefined || !signal.aborted) return false;
  return !(signal.reason instanceof TaskQueueError && signal.reason.code === "UNAVAILABLE");
}
