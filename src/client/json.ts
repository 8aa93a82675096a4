import { type Job, PayloadFormat } from "../../gen/gotaskq/v1/job_pb.js";
import { errorText } from "../model/describe-error.js";
import { fieldInvalid } from "../model/errors.js";
import { isBytes } from "../model/guarded.js";
import type { Payload } from "../model/job.js";
import { toJsonText } from "../model/text.js";
import { fromValue } from "./value.js";

/** A payload as requests have it. */
export type PayloadKind =
  | { case: "payloadJson"; value: string }
  | { case: "payloadBytes"; value: Uint8Array<ArrayBuffer> }
  | { case: undefined };

/** Converts a JSON value or bytes for a message. Throws FIELD_INVALID, naming `field`, for a value that has no JSON. */
export function toPayloadKind(field: string, payload: unknown): PayloadKind {
  if (payload === undefined) return { case: undefined };
  // A copy: the caller may go on to use its bytes for something else.
  if (isBytes(payload)) return { case: "payloadBytes", value: new Uint8Array(payload) };
  return { case: "payloadJson", value: textOf(field, payload) };
}

function textOf(field: string, value: unknown): string {
  let problem = "it has none";
  try {
    // As `JSON.stringify` writes it: a Date becomes text, undefined fields are left out.
    const text = toJsonText(value);
    if (text !== undefined) return text;
  } catch (error) {
    problem = errorText(error);
  }
  throw fieldInvalid([{ field, description: `cannot be written as JSON: ${problem}` }]);
}

/** How a client asks for payloads and results: nobody parses a text on the way, nor here before it is read. */
export const payloadFormat = PayloadFormat.TEXT;

/** Returns the JSON text or bytes of a message. */
export function fromPayloadKind(kind: Job["payloadKind"] | Job["resultKind"]): Payload | undefined {
  if (kind.case === undefined) return undefined;
  // A copy: those of the message may be a small part of a large buffer.
  if (kind.case === "payloadBytes" || kind.case === "resultBytes") return new Uint8Array(kind.value);
  if (kind.case === "payloadJson" || kind.case === "resultJson") return kind.value;
  return JSON.stringify(fromValue(kind.value));
}
