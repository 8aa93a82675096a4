import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { describeViolations, type ErrorCode, type FieldViolation, type TaskQueueError } from "../model/errors.js";

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

/** How a client spells the names of fields: as JSON has them, or as the protos do. */
export type Spelling = "camelCase" | "snake_case";

/**
 * Bytes of the text of an error, and of the bad fields in its details. In gRPC both go out as headers, the text twice and the
 * details in base64; clients take 8 KiB of headers in all, some less, and make an error of another kind of one that is larger.
 */
const MAX_MESSAGE_BYTES = 500;
const MAX_VIOLATION_BYTES = 1200;

/** An expected failure as a client sees it: the code, the text, and the details of google.rpc; less than 4 KiB in all. */
export function toConnectError(error: TaskQueueError, spelling: Spelling): ConnectError {
  const { reason, retryAfterMs, metadata } = error;
  const { named, more } = namedViolations(error, spelling);
  const message = named.length > 0 ? describeWithin(named, more) : error.message;
  const result = new ConnectError(message, CODES[error.code as ErrorCode]);
  const counted = more > 0 ? { ...metadata, more_violations: String(more) } : { ...metadata };
  result.details.push({
    desc: ErrorInfoSchema,
    value: create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: counted }),
  });
  if (named.length > 0) {
    const value = create(BadRequestSchema, { fieldViolations: named });
    result.details.push({ desc: BadRequestSchema, value });
  }
  if (retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(retryAfterMs);
    result.details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  return result;
}

/** The bad fields that there is room for, at least one, and how many more there are. */
function namedViolations({ violations, metadata }: TaskQueueError, spelling: Spelling) {
  const named: FieldViolation[] = [];
  let bytes = 0;
  for (const { field, description } of violations) {
    const name = spelling === "snake_case" ? toSnakeCase(field) : field;
    bytes += Buffer.byteLength(name) + Buffer.byteLength(description);
    if (named.length > 0 && bytes > MAX_VIOLATION_BYTES) break;
    named.push({ field: name, description });
  }
  return { named, more: Number(metadata.more_violations ?? 0) + violations.length - named.length };
}

/** The text for bad fields: as many of them as there is room for. */
function describeWithin(named: readonly FieldViolation[], more: number): string {
  for (let count = named.length; count > 1; count--) {
    const text = describeViolations(named.slice(0, count), more + named.length - count);
    if (Buffer.byteLength(text) <= MAX_MESSAGE_BYTES) return text;
  }
  return describeViolations(named.slice(0, 1), more + named.length - 1);
}

/** The path of a field as the protos have it; what stands in quotes is a key of the caller's and stays. */
function toSnakeCase(field: string): string {
  return field.replace(/"[^"]*"|[A-Z]/g, (part) => (part.length === 1 ? `_${part.toLowerCase()}` : part));
}
