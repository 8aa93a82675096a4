import type { Change } from "../../../core/port/changes.js";
import type { Job } from "../../../model/job/job.js";
import type { JobRecord } from "./job-record.js";
import { NO_ERRORS } from "./run-record.js";

/** A copy of the job, as the core sees it. */
export function toJob(record: JobRecord): Job {
  const { shared, times, run } = record;
  const { label } = shared;
  return {
    id: record.id,
    queue: label.queue,
    type: label.type,
    payload: record.payload,
    priority: label.priority,
    maxRetries: shared.maxRetries,
    backoff: shared.backoff,
    timeoutMs: shared.timeoutMs,
    metadata: shared.metadata,
    traceContext: record.traceContext,
    expiresAt: record.expiresAt,
    schedule: record.schedule,
    scheduledFor: record.scheduledFor,
    key: record.key,
    unique: record.unique,
    status: record.status,
    revision: run?.revision ?? 1,
    retryCount: run?.retryCount ?? 0,
    deliveries: run?.deliveries ?? 0,
    lostLeases: run?.lostLeases ?? 0,
    error: run?.error ?? "",
    progress: run?.progress,
    cancelRequested: run?.cancelRequested ?? false,
    worker: run?.worker ?? "",
    createdAt: times.createdAt,
    updatedAt: record.updatedAt,
    runAfter: times.runAfter,
    startedAt: record.startedAt,
    finishedAt: record.finishedAt,
    attemptErrors: run?.attemptErrors ?? NO_ERRORS,
    result: run?.result,
    resultDropped: run?.resultDropped ?? false,
  };
}

/** The change log entry for the current state of the job. */
export function toChange(record: JobRecord): Change {
  const { times, run } = record;
  const { label } = record.shared;
  return {
    jobId: record.id,
    queue: label.queue,
    type: label.type,
    priority: label.priority,
    deleted: record.isGone,
    status: record.status,
    revision: run?.revision ?? 1,
    retryCount: run?.retryCount ?? 0,
    deliveries: run?.deliveries ?? 0,
    lostLeases: run?.lostLeases ?? 0,
    error: run?.errorStart ?? "",
    progress: run?.progress,
    cancelRequested: run?.cancelRequested ?? false,
    worker: run?.worker ?? "",
    updatedAt: record.updatedAt,
    runAfter: times.runAfter,
    startedAt: record.startedAt,
    finishedAt: record.finishedAt,
  };
}
