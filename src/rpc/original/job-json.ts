import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Job, JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { jsonEncoderOf } from "../../wire/json/json-encoder.js";

const toText = jsonEncoderOf(TimestampSchema) as (time: Timestamp) => string;

/**
 * A job as the original tells it: with the same members, in the same order. Its payload stands there as it was sent, to the letter; one
 * that is bytes, which the original does not have, is told as base64 beside it. `delay` is what the original answers: always 0.
 */
export function toJobJson(job: Job): string {
  const { id, type, priority, maxRetries, retryCount, error, payloadKind } = job;
  const bytes = payloadKind.case === "payloadBytes" ? `,"payload_bytes":"${base64(payloadKind.value)}"` : "";
  const payload = payloadKind.case === "payloadJson" ? payloadKind.value : "null";
  return (
    `{"id":${JSON.stringify(id)},"type":${JSON.stringify(type)},"payload":${payload}${bytes}` +
    `,"status":"${JobStatus[job.status]}","priority":${priority},"delay":0` +
    `,"max_retries":${maxRetries},"retry_count":${retryCount}` +
    (error === "" ? "" : `,"error":${JSON.stringify(error)}`) +
    `${time("created_at", job.createdAt)}${time("updated_at", job.updatedAt)}${time("run_after", job.runAfter)}}`
  );
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Of a caller that may not read, only the id and the status are told: there are no times. */
function time(name: string, at: Timestamp | undefined): string {
  return at === undefined ? "" : `,"${name}":${toText(at)}`;
}
