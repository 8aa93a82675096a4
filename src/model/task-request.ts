import type { NewTask } from "./new-task.js";
import { toPayload } from "./task-payload.js";
import { type TraceContext, toTraceContext } from "./trace-context.js";
import { copyMetadata, type JobRequest } from "./validate.js";

/**
 * Converts a job that a program asks for. `trace`: what it belongs to unless it says so itself; undefined: to none. `path`: prefix of the
 * fields that errors name. FIELD_INVALID for what has no JSON and for metadata that is none; the operations check the rest.
 */
export function toJobRequest(task: NewTask, trace: TraceContext | undefined, path = ""): JobRequest {
  const { payload, runAfter, expiresAt, metadata, traceContext } = task;
  return {
    ...task,
    payload: toPayload(payload, `${path}payload`),
    metadata: metadata && copyMetadata(metadata, path),
    traceContext: traceContext ? toTraceContext(traceContext) : trace,
    runAfter: toTime(runAfter),
    expiresAt: toTime(expiresAt),
  };
}

/** Returns a time in ms since 1970. */
export function toTime(at: Date | number | undefined): number | undefined {
  return at instanceof Date ? at.getTime() : at;
}
