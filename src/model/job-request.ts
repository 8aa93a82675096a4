import type { JobUpdate, NewJob } from "./new-job.js";
import { toPayload } from "./payload.js";
import { type TraceContext, toTraceContext } from "./trace-context.js";
import { copyMetadata, type JobRequest, type UpdateRequest } from "./validate.js";

/**
 * Converts a job that a program asks for. `trace`: what it belongs to unless it says so itself; undefined: to none. `path`: prefix of the
 * fields that errors name. FIELD_INVALID for what has no JSON and for metadata that is none; the operations check the rest.
 */
export function toJobRequest(job: NewJob, trace: TraceContext | undefined, path = ""): JobRequest {
  const { payload, runAfter, expiresAt, metadata, traceContext } = job;
  return {
    ...job,
    payload: toPayload(payload, `${path}payload`),
    metadata: metadata && copyMetadata(metadata, path),
    traceContext: traceContext ? toTraceContext(traceContext) : trace,
    runAfter: toMs(runAfter),
    expiresAt: toMs(expiresAt),
  };
}

/** The same of what is to change of a job. */
export function toUpdateRequest({ priority, delayMs, runAfter, payload }: JobUpdate): UpdateRequest {
  return { priority, delayMs, runAfter: toMs(runAfter), payload: toPayload(payload, "payload") };
}

/** A time in ms since 1970. */
export function toMs<T>(time: Date | T): number | T {
  return time instanceof Date ? time.getTime() : time;
}
