import { type TraceContext as TraceContextPb, TraceContextSchema } from "../../../gen/gotaskq/v1/job_pb.js";
import { type CreateJobRequest, CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { fieldInvalid } from "../../model/common/errors.js";
import type { NewJob } from "../../model/job/new-job.js";
import type { TraceContext } from "../../model/log/trace-context.js";
import { copyMetadata } from "../../model/request/validate.js";
import { toBackoff } from "./backoff.js";
import { type Converters, converters } from "./converters.js";
import { payloadFormat, toPayloadKind } from "./json.js";
import { toUnique } from "./unique.js";

/**
 * Converts a new job for a request. Throws FIELD_INVALID for values that a message cannot carry; the server checks the
 * rest.
 *
 * @param requestId used when the job has none, or an empty one
 * @param path of the job in a batch, for the fields named in errors
 */
export function toCreateRequest(job: NewJob, requestId: string, path = ""): CreateJobRequest {
  const { queue, type, payload, priority = 0, delayMs, runAfter, maxRetries, backoff, timeoutMs, metadata } = job;
  if (delayMs !== undefined && runAfter !== undefined) {
    throw fieldInvalid([{ field: `${path}delayMs`, description: "cannot be set together with runAfter" }]);
  }
  const { text, int, duration, time } = converters(path);
  // A literal: `create` looks at every field.
  const request: CreateJobRequest = {
    $typeName: CreateJobRequestSchema.typeName,
    queue: text("queue", queue ?? ""),
    type: text("type", type ?? ""),
    payloadKind: toPayloadKind(`${path}payload`, payload),
    priority: int("priority", priority),
    schedule: { case: undefined },
    metadata: toMetadata(metadata, path, text),
    requestId: text("requestId", job.requestId === "" ? requestId : (job.requestId ?? requestId)),
    key: text("key", job.key ?? ""),
    payloadFormat,
  };
  if (delayMs !== undefined) request.schedule = { case: "delay", value: duration("delayMs", delayMs) };
  if (runAfter !== undefined) request.schedule = { case: "runAfter", value: time("runAfter", runAfter) };
  if (job.ttlMs !== undefined) request.ttl = duration("ttlMs", job.ttlMs);
  if (job.expiresAt !== undefined) request.expiresAt = time("expiresAt", job.expiresAt);
  if (job.unique !== undefined) {
    text("unique.key", job.unique.key);
    request.unique = toUnique(job.unique, duration, `${path}unique.`);
  }
  if (maxRetries !== undefined) request.maxRetries = int("maxRetries", maxRetries);
  if (timeoutMs !== undefined) request.timeout = duration("timeoutMs", timeoutMs);
  if (job.traceContext !== undefined) request.traceContext = toTrace(job.traceContext, text);
  if (backoff !== undefined) request.backoff = toBackoff(backoff, duration);
  return request;
}

function toMetadata(given: NewJob["metadata"], path: string, text: Converters["text"]): Record<string, string> {
  const metadata = copyMetadata(given ?? {}, path);
  for (const name in metadata) text(`metadata[${JSON.stringify(name)}]`, metadata[name] as string);
  return metadata;
}

function toTrace(given: Partial<TraceContext>, text: Converters["text"]): TraceContextPb {
  const part = (name: keyof TraceContext) => text(`traceContext.${name}`, given[name] ?? "");
  return {
    $typeName: TraceContextSchema.typeName,
    traceparent: part("traceparent"),
    tracestate: part("tracestate"),
    baggage: part("baggage"),
  };
}
