import type { JobUpdate, NewJob } from "../job/new-job.js";
import { type TraceContext, toTraceContext } from "../log/trace-context.js";
import { toPayload } from "./payload.js";
import { copyMetadata, type JobRequest, type UpdateRequest } from "./validate.js";

/**
 * Converts a job that a program asks for. `trace`: what it belongs to unless it says so itself; undefined: to none. `path`: prefix of the
 * fields that errors name. FIELD_INVALID for what has no JSON and for metadata that is none; the operations check the rest. The fields are
 * listed one by one: a spread makes an object that is slow to make and to read.
 */
export function toJobRequest(job: NewJob, trace: TraceContext | undefined, path = ""): JobRequest {
  const { metadata, traceContext } = job;
  return {
    queue: job.queue,
    type: job.type,
    payload: toPayload(job.payload, `${path}payload`),
    priority: job.priority,
    delayMs: job.delayMs,
    runAfter: toMs(job.runAfter),
    maxRetries: job.maxRetries,
    backoff: job.backoff,
    timeoutMs: job.timeoutMs,
    ttlMs: job.ttlMs,
    expiresAt: toMs(job.expiresAt),
    key: job.key,
    unique: job.unique,
    metadata: metadata && copyMetadata(metadata, path),
    requestId: job.requestId,
    traceContext: traceContext ? toTraceContext(traceContext) : trace,
  } satisfies Record<keyof JobRequest, unknown>;
}

/** The same of the jobs of a batch. */
export function toJobRequests(jobs: readonly NewJob[], trace: TraceContext | undefined): JobRequest[] {
  return jobs.map((job, index) => toJobRequest(job, trace, `requests[${index}].`));
}

/** The same of what is to change of a job. */
export function toUpdateRequest({ priority, delayMs, runAfter, payload }: JobUpdate): UpdateRequest {
  return { priority, delayMs, runAfter: toMs(runAfter), payload: toPayload(payload, "payload") };
}

/** A time in ms since 1970. */
export function toMs<T>(time: Date | T): number | T {
  return time instanceof Date ? time.getTime() : time;
}
