import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import type { ErrorReason } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { challengeOf } from "../errors.js";

/** What the original says in a case, and with which status; undefined: what is ours. */
export interface OwnError {
  readonly text?: string;
  readonly status?: number;
}

/** The errors in which a path has words of its own, by the reason. */
export type OwnErrors = (reason: ErrorReason, metadata: Readonly<Record<string, string>>) => OwnError | undefined;

/** An error as an answer of plain HTTP. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The field that is said to be bad when the body is no JSON. */
export const BODY_FIELD = "json";

/** What the original says of a field, whatever is wrong with it. */
const FIELD_TEXTS: Readonly<Record<string, string>> = {
  priority: `priority must be between 0 and ${LIMITS.priority}`,
};

/** What users call fields that have another name in our messages. */
const FIELD_NAMES: Readonly<Record<string, string>> = { payload_json: "payload" };

/** The body of an error. */
export function errorBody(text: string): string {
  return `{"error":${JSON.stringify(text)}}\n`;
}

/** An error of a call: in the words of the original where it has some, else in ours. */
export function toErrorAnswer(error: ConnectError, own: OwnErrors = () => undefined): ErrorAnswer {
  const [info] = error.findDetails(ErrorInfoSchema);
  const known = info && own(info.reason as ErrorReason, info.metadata);
  const status = known?.status ?? (info?.reason === "MESSAGE_TOO_LARGE" ? 413 : codeToHttpStatus(error.code));
  const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const headers: Record<string, string> = challengeOf(error);
  if (retry !== undefined) headers["retry-after"] = String(Number(retry.seconds) + (retry.nanos > 0 ? 1 : 0));
  return { status, headers, body: errorBody(known?.text ?? textOf(error)) };
}

function textOf(error: ConnectError): string {
  const fieldViolations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  if (fieldViolations.length === 0) return error.rawMessage;
  return fieldViolations.map(({ field, description }) => textOfField(field, description)).join("; ");
}

function textOfField(field: string, description: string): string {
  if (field === BODY_FIELD) return `invalid json: the request ${description}`;
  // An empty one: the only one that is too short.
  if (field === "type" && description.endsWith(", has 0")) return "type is required";
  return FIELD_TEXTS[field] ?? `${FIELD_NAMES[field] ?? field}: ${description}`;
}
