import { type Job, PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import type { Payload } from "../../model/job/job.js";
import { toPayload } from "../../model/request/payload.js";
import { fromValue } from "./value.js";

/** A payload as requests have it. */
export type PayloadKind =
  | { case: "payloadJson"; value: string }
  | { case: "payloadBytes"; value: Uint8Array<ArrayBuffer> }
  | { case: undefined };

/** Converts a JSON value or bytes for a message. Throws FIELD_INVALID, naming `field`, for a value that cannot travel. */
export function toPayloadKind(field: string, given: unknown): PayloadKind {
  const payload = toPayload(given, field);
  if (payload === undefined) return { case: undefined };
  if (typeof payload === "string") return { case: "payloadJson", value: payload };
  return { case: "payloadBytes", value: payload as Uint8Array<ArrayBuffer> };
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
