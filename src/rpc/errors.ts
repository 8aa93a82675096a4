import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { describeViolations, type ErrorCode, type TaskQueueError } from "../model/errors.js";

/** The domain of every ErrorInfo that this server sends. */
export const ERROR_DOMAIN = "gotaskq";

/** The Connect code of each error code of the model. */
const CODES: Readonly<Record<ErrorCode, Code>> = {
  INVALID_ARGUMENT: Code.InvalidArgument,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  FAILED_PRECONDITION: Code.FailedPrecondition,
  RESOURCE_EXHAUSTED: Code.ResourceExhausted,
  OUT_OF_RANGE: Code.OutOfRange,
  UNAVAILABLE: Code.Unavailable,
};

/**
 * Converts an expected failure to the error a client gets: code, message, and the google.rpc details (ErrorInfo always,
 * BadRequest when fields are bad, RetryInfo when the caller may retry after some ms).
 */
export function toConnectError(error: TaskQueueError): ConnectError {
  const { reason, retryAfterMs, metadata } = error;
  const violations = error.violations.map(({ field, description }) => ({ field: toSnakeCase(field), description }));
  const message =
    violations.length > 0 ? describeViolations(violations, Number(metadata.more_violations ?? 0)) : error.message;
  const result = new ConnectError(message, CODES[error.code as ErrorCode]);
  result.details.push({
    desc: ErrorInfoSchema,
    value: create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: { ...metadata } }),
  });
  if (violations.length > 0) {
    const value = create(BadRequestSchema, { fieldViolations: violations });
    result.details.push({ desc: BadRequestSchema, value });
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(retryAfterMs);
    result.details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  return result;
}

/**
 * Converts a field path to the snake_case of the protos. A quoted part is a key that the caller chose, and stays as it
 * is.
 */
function toSnakeCase(field: string): string {
  return field.replace(/"[^"]*"|[A-Z]/g, (part) => (part.length === 1 ? `_${part.toLowerCase()}` : part));
}
