import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { TaskQueueError } from "../model/errors.js";

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
  const code = isBroken ? "UNAVAILABLE" : codeName(error.code);
  return new TaskQueueError(info?.reason ?? code, error.rawMessage, {
    code,
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
