import { fromJson, type JsonValue as PbJsonValue, toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import type { Job } from "../../gen/gotaskq/v1/job_pb.js";
import { TaskQueueError } from "./errors.js";

/** Any value that JSON can carry. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/** Levels of messages that are read and written: more than the server lets through, so that it is the server that says so. */
const DEPTH = { recursionLimit: 1000 };

/** A JSON value or bytes as a message has it. FIELD_INVALID, naming `field`, for what has no JSON. */
export function toPayloadKind<A extends string, B extends string>(
  field: string,
  payload: unknown,
  json: A,
  bytes: B,
): { case: A; value: Value } | { case: B; value: Uint8Array<ArrayBuffer> } | { case: undefined } {
  if (payload === undefined) return { case: undefined };
  if (payload instanceof Uint8Array) return { case: bytes, value: payload as Uint8Array<ArrayBuffer> };
  return { case: json, value: toValue(field, payload) };
}

function toValue(field: string, value: unknown): Value {
  let problem = "it has none";
  try {
    // What JSON makes of it: a Date is text, undefined fields are left out. Lone surrogates are no UTF-8.
    const text = JSON.stringify(value);
    if (text !== undefined) return fromJson(ValueSchema, JSON.parse(wellFormed(text)) as PbJsonValue, DEPTH);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const description = `cannot be written as JSON: ${problem}`;
  throw new TaskQueueError("INVALID_ARGUMENT", `${field}: ${description}`, {
    reason: "FIELD_INVALID",
    violations: [{ field, description }],
  });
}

/** JSON writes a lone surrogate as an escape; an escaped backslash before it is none. */
function wellFormed(json: string): string {
  if (!json.includes("\\ud")) return json;
  return json.replace(/\\\\|\\ud[89a-f][0-9a-f]{2}/g, (part) => (part === "\\\\" ? part : "\\ufffd"));
}

/** The JSON value or bytes of a message. */
export function fromPayloadKind(kind: Job["payloadKind"] | Job["resultKind"]): JsonValue | Uint8Array | undefined {
  if (kind.case === undefined) return undefined;
  if (kind.case === "payloadBytes" || kind.case === "resultBytes") return kind.value;
  return toJson(ValueSchema, kind.value) as JsonValue;
}
