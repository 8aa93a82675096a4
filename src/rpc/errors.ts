import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../gen/google/rpc/error_details_pb.js";
import {
  describeViolations,
  type ErrorCode,
  type FieldViolation,
  type TaskQueueError,
} from "../model/common/errors.js";
import { encodeGrpcMessage } from "./grpc-status.js";

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
  UNAUTHENTICATED: Code.Unauthenticated,
  PERMISSION_DENIED: Code.PermissionDenied,
  UNAVAILABLE: Code.Unavailable,
};

/** How a client spells the names of fields: as JSON has them, or as the protos do. */
export type Spelling = "camelCase" | "snake_case";

/**
 * Bytes that an error may take, its text and its bad fields, beside some 500 of headers, the id of the request (twice, of at most
 * 128 characters), and what has a fixed length. In gRPC both
 * go out as headers, the text twice, escaped and in base64, and the details in base64; in Connect the details go out twice.
 * Clients take 8 KiB of headers in all, some less, and make an error of another kind of one that is larger.
 */
const MAX_BYTES = 2900;

/** Of the text, and of the name of one field or what is wrong with it. */
const MAX_MESSAGE_BYTES = 500;
const MAX_PART_BYTES = 480;

/** An expected failure as a client sees it: the code, the text, and the details of google.rpc; less than 4 KiB in all. */
export function toConnectError(error: TaskQueueError, spelling: Spelling): ConnectError {
  const { reason, retryAfterMs, metadata } = error;
  const violations = error.violations.map(({ field, description }) => ({
    field: shorten(spelling === "snake_case" ? toSnakeCase(field) : field),
    description: shorten(description),
  }));
  const unnamed = Number(metadata.more_violations ?? 0);
  const message = violations.length > 0 ? describeWithin(violations, unnamed) : shorten(error.message);
  const named = firstOf(violations, MAX_BYTES - sizeOf(message));
  const more = unnamed + violations.length - named.length;
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

/** Adds the id of the request to what an error tells its client. Idempotent: returns whether it was not there yet. */
export function addRequestInfo(error: ConnectError, requestId: string): boolean {
  const isThere = error.details.some((each) => ("desc" in each ? each.desc.typeName : each.type) === REQUEST_INFO);
  if (!isThere) error.details.push({ desc: RequestInfoSchema, value: create(RequestInfoSchema, { requestId }) });
  return !isThere;
}

const REQUEST_INFO = RequestInfoSchema.typeName;

/** The reason that an error of ours tells; undefined for others. */
export function reasonOf(error: ConnectError): string | undefined {
  for (const detail of error.details) {
    if ("desc" in detail && detail.desc === ErrorInfoSchema) return (detail.value as ErrorInfo).reason;
  }
  return undefined;
}

/** The header that tells a client of plain HTTP how to say who it is. */
export function challengeOf({ code }: ConnectError): { "www-authenticate"?: string } {
  return code === Code.Unauthenticated ? { "www-authenticate": "Bearer" } : {};
}

/** The bad fields that there is room for, at least one. */
function firstOf(violations: FieldViolation[], maxBytes: number): FieldViolation[] {
  let bytes = 0;
  const end = violations.findIndex(({ field, description }, index) => {
    const inBase64 = (4 / 3) * (Buffer.byteLength(field) + Buffer.byteLength(description));
    bytes += inBase64 + sizeOf(field) + sizeOf(description) + VIOLATION_BYTES;
    return index > 0 && bytes > maxBytes;
  });
  return end < 0 ? violations : violations.slice(0, end);
}

/** What a bad field takes beside its texts. */
const VIOLATION_BYTES = 40;

/** Bytes of a text as it goes out: escaped in a header of gRPC, or in JSON; the larger. */
function sizeOf(text: string): number {
  return Math.max(encodeGrpcMessage(text).length, Buffer.byteLength(JSON.stringify(text)));
}

/** A part of a text of a client that fits in an error. */
export function shorten(text: string): string {
  let part = text;
  for (let size = sizeOf(part); size > MAX_PART_BYTES; size = sizeOf(part)) {
    part = part.slice(0, Math.floor((part.length * MAX_PART_BYTES) / size));
  }
  return part === text ? text : `${part.toWellFormed()}...`;
}

/** The text for bad fields: as many of them as there is room for, at least one. */
function describeWithin(named: readonly FieldViolation[], more: number): string {
  for (let count = named.length; count > 1; count--) {
    const text = describeViolations(named.slice(0, count), more + named.length - count);
    if (sizeOf(text) <= MAX_MESSAGE_BYTES) return text;
  }
  return describeViolations(named.slice(0, 1), more + named.length - 1);
}

/** The path of a field as the protos have it; what stands in quotes is a key of the caller's and stays. */
function toSnakeCase(field: string): string {
  return field.replace(/"[^"]*"|[A-Z]/g, (part) => (part.length === 1 ? `_${part.toLowerCase()}` : part));
}
