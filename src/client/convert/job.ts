import {
  type Job as JobPb,
  JobStatus as JobStatusPb,
  PendingState as PendingStatePb,
} from "../../../gen/gotaskq/v1/job_pb.js";
import type { JobChange as JobChangePb } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { Job, JobChange } from "../../api/job.js";
import { JobContent } from "../../api/job-content.js";
import { JOB_STATUSES, type JobStatus, type Progress } from "../../model/job/job.js";
import { HELD_BY, PENDING_STATES, type PendingState } from "../../model/job/pending-state.js";
import { toTraceContext } from "../../model/log/trace-context.js";
import { fromBackoff } from "./backoff.js";
import { fromPayloadKind } from "./json.js";
import { lengthOf, timeOf } from "./times.js";
import { fromUnique } from "./unique.js";

/** Converts statuses for the filter of a request. */
export function toStatuses(statuses: Iterable<JobStatus> = []): JobStatusPb[] {
  return [...statuses].map((status) => JobStatusPb[status] ?? JobStatusPb.UNSPECIFIED);
}

/** Converts pending states for the filter of a request. */
export function toPendingStates(states: Iterable<PendingState> = []): PendingStatePb[] {
  return [...states].map((state) => PendingStatePb[state] ?? PendingStatePb.UNSPECIFIED);
}

/** A job of a server as callers of a task queue see it. */
class RemoteJob extends JobContent {
  constructor(job: JobPb) {
    super(fromPayloadKind(job.payloadKind), fromPayloadKind(job.resultKind));
    this.id = job.id;
    this.queue = job.queue;
    this.type = job.type;
    this.status = statusOf(job);
    this.priority = job.priority;
    this.revision = job.revision;
    this.retryCount = job.retryCount;
    this.deliveries = job.deliveries;
    this.lostLeases = job.lostLeases;
    this.error = job.error;
    this.progress = progressOf(job);
    this.cancelRequested = job.cancelRequested;
    this.worker = job.worker;
    this.updatedAt = timeOf(job.updatedAt) ?? 0;
    this.runAfter = timeOf(job.runAfter) ?? 0;
    this.startedAt = timeOf(job.startedAt);
    this.finishedAt = timeOf(job.finishedAt);
    this.resultDropped = job.resultDropped;
    this.maxRetries = job.maxRetries;
    this.backoff = fromBackoff(job.backoff);
    this.timeoutMs = lengthOf(job.timeout) ?? 0;
    this.metadata = job.metadata;
    this.traceContext = job.traceContext && toTraceContext(job.traceContext);
    this.expiresAt = timeOf(job.expiresAt);
    this.unique = job.unique && fromUnique(job.unique);
    this.key = job.key || undefined;
    this.schedule = job.schedule || undefined;
    this.scheduledFor = timeOf(job.scheduledFor);
    this.pendingState = PENDING_STATES[job.pendingState - 1];
    this.heldBy = HELD_BY[job.heldBy - 1];
    this.attemptErrors = job.attemptErrors.map(({ time, error, delivery, worker }) => ({
      at: timeOf(time) ?? 0,
      error,
      delivery,
      worker,
    }));
    this.createdAt = timeOf(job.createdAt) ?? 0;
  }
}

/** Converts a job from its message. */
export function fromJob(job: JobPb): Job {
  return new RemoteJob(job);
}

/** Converts a change of a job from its message. */
export function fromChange(change: JobChangePb): JobChange {
  return {
    jobId: change.jobId,
    queue: change.queue,
    type: change.type,
    status: statusOf(change),
    priority: change.priority,
    revision: change.revision,
    retryCount: change.retryCount,
    deliveries: change.deliveries,
    lostLeases: change.lostLeases,
    error: change.error,
    progress: progressOf(change),
    cancelRequested: change.cancelRequested,
    worker: change.worker,
    updatedAt: timeOf(change.time) ?? 0,
    runAfter: timeOf(change.runAfter) ?? 0,
    startedAt: timeOf(change.startedAt),
    finishedAt: timeOf(change.finishedAt),
    deleted: change.deleted,
  };
}

function statusOf({ status }: JobPb | JobChangePb): JobStatus {
  return JOB_STATUSES[status - 1] ?? "PENDING";
}

function progressOf({ progress }: JobPb | JobChangePb): Progress | undefined {
  return progress && { percent: progress.percent, message: progress.message };
}
