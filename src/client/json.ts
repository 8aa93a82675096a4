import type { JsonValue as PbJsonValue } from "@bufbuild/protobuf";
import type { Value } from "@bufbuild/protobuf/wkt";
import type { Job } from "../../gen/gotaskq/v1/job_pb.js";
import { errorText } from "../model/describe-error.js";
import { fieldInvalid } from "../model/errors.js";
import { isBytes } from "../model/guarded.js";
import type { JsonValue } from "../model/handler.js";
import { toJsonText } from "../model/text.js";
import { fromValue, toValue } from "./value.js";

/** Converts a JSON value or bytes for a message. Throws FIELD_INVALID, naming `field`, for a value that has no JSON. */
export function toPayloadKind<A extends string, B extends string>(
  field: string,
  payload: unknown,
  json: A,
  bytes: B,
): { case: A; value: Value } | { case: B; value: Uint8Array<ArrayBuffer> } | { case: undefined } {
  if (payload === undefined) return { case: undefined };
  if (isBytes(payload)) return { case: bytes, value: payload as Uint8Array<ArrayBuffer> };
  return { case: json, value: messageOf(field, payload) };
}

function messageOf(field: string, value: unknown): Value {
  let problem = "it has none";
  try {
    // As `JSON.stringify` writes it: a Date becomes text, undefined fields are left out.
    const text = toJsonText(value);
    if (text !== undefined) return parseValue(text);
  } catch (error) {
    problem = errorText(error);
  }
  throw fieldInvalid([{ field, description: `cannot be written as JSON: ${problem}` }]);
}

/** Converts JSON text for a message. Throws an error for text that is nested very deep. */
export function parseValue(text: string): Value {
  return toValue(JSON.parse(text) as PbJsonValue);
}

/** Returns the JSON value or bytes of a message. */
export function fromPayloadKind(kind: Job["payloadKind"] | Job["resultKind"]): JsonValue | Uint8Array | undefined {
  if (kind.case === undefined) return undefined;
  if (kind.case === "payloadBytes" || kind.case === "resultBytes") return kind.value;
  if (kind.case === "payloadJson" || kind.case === "resultJson") return JSON.parse(kind.value) as JsonValue;
  return fromValue(kind.value) as JsonValue;
}
