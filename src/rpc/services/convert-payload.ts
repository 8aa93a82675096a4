import { toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type Job as JobPb, PayloadFormat } from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { JobCompletion } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { LIMITS } from "../../model/common/limits.js";
import { type Payload, payloadBytes } from "../../model/job/job.js";
import { surrogateProblem, tooManyBytes } from "../../model/request/validate.js";
import { Violations } from "../../model/request/violations.js";
import { type JsonMember, memberProblem } from "../../wire/json/json-fields.js";
import { BadValue, JsonText } from "../../wire/json/json-text.js";
import { DECODE_LIMITS } from "../wire-options.js";

/** Whether payloads and results are told as text; see `PayloadFormat`. Adds to `violations`, or throws, what is no format. */
export function asText(format: PayloadFormat, given?: Violations): boolean {
  if (format === PayloadFormat.TEXT) return true;
  if (format === PayloadFormat.VALUE || format === PayloadFormat.UNSPECIFIED) return false;
  const violations = given ?? new Violations();
  violations.add("payloadFormat", `is not a payload format: ${format}`);
  if (given === undefined) violations.throwIfAny();
  return false;
}

/** Converts a payload or a result; undefined when there is none, or when it was added to `violations`. */
export function toPayload(
  violations: Violations,
  field: string,
  kind: CreateJobRequest["payloadKind"] | JobCompletion["resultKind"],
): Payload | undefined {
  if (kind.case === undefined) return undefined;
  // A copy: the bytes of the message are a part of the whole request, which would stay in memory as long as the job.
  if (kind.case === "payloadBytes" || kind.case === "resultBytes") return new Uint8Array(kind.value);
  if (kind.case === "payloadJson" || kind.case === "resultJson") return toText(violations, `${field}Json`, kind);
  if (kind.value instanceof JsonText) return kind.value.text;
  if (kind.value instanceof BadValue) {
    violations.add(field, kind.value.problem);
    return undefined;
  }
  return valueToText(violations, field, kind.value);
}

/** Takes JSON text as it is; what cannot be a payload is added to `violations`. */
function toText(violations: Violations, field: string, member: JsonMember): string | undefined {
  const { value } = member;
  const size = payloadBytes(value);
  const problem =
    size > LIMITS.payloadBytes ? tooManyBytes(size) : (memberProblem(member, DECODE_LIMITS) ?? surrogateProblem(value));
  if (problem === undefined) return value;
  violations.add(field, problem);
  return undefined;
}

/** Converts a protobuf Value to JSON text; what cannot be converted is added to `violations`. */
function valueToText(violations: Violations, field: string, value: Value): string | undefined {
  try {
    return JSON.stringify(toJson(ValueSchema, value));
  } catch (error) {
    // NaN and infinity have no JSON. Thousands of levels overflow the stack.
    const tooDeep = error instanceof RangeError;
    violations.add(field, tooDeep ? "is nested too deep" : "must be a JSON value: no NaN, no infinity, no unset value");
    return undefined;
  }
}

/** Converts a payload to its field of a message, as text or not. */
export function fromPayload(payload: Payload | undefined, isText: boolean): JobPb["payloadKind"] {
  if (payload === undefined) return { case: undefined };
  if (typeof payload !== "string") return { case: "payloadBytes", value: payload as Uint8Array<ArrayBuffer> };
  return isText ? { case: "payloadJson", value: payload } : { case: "payload", value: new JsonText(payload) };
}

/** The same of a result. */
export function fromResult(result: Payload | undefined, isText: boolean): JobPb["resultKind"] {
  if (result === undefined) return { case: undefined };
  if (typeof result !== "string") return { case: "resultBytes", value: result as Uint8Array<ArrayBuffer> };
  return isText ? { case: "resultJson", value: result } : { case: "result", value: new JsonText(result) };
}
