import type { Job } from "../api/job.js";
import { JobContent } from "../api/job-content.js";
import type { Job as CoreJob } from "../model/job/job.js";

/** A job of the core as callers of a task queue see it. The store keeps the job of the core, so what callers may change is copied. */
class LocalJob extends JobContent {
  constructor(job: CoreJob) {
    super(job.payload, job.result);
    this.id = job.id;
    this.queue = job.queue;
    this.type = job.type;
    this.status = job.status;
    this.priority = job.priority;
    this.revision = job.revision;
    this.retryCount = job.retryCount;
    this.deliveries = job.deliveries;
    this.lostLeases = job.lostLeases;
    this.error = job.error;
    this.progress = job.progress;
    this.cancelRequested = job.cancelRequested;
    this.worker = job.worker;
    this.updatedAt = job.updatedAt;
    this.runAfter = job.runAfter;
    this.startedAt = job.startedAt;
    this.finishedAt = job.finishedAt;
    this.resultDropped = job.resultDropped;
    this.maxRetries = job.maxRetries;
    this.backoff = job.backoff;
    this.timeoutMs = job.timeoutMs;
    this.metadata = { ...job.metadata };
    this.traceContext = job.traceContext;
    this.expiresAt = job.expiresAt;
    this.unique = job.unique;
    this.key = job.key || undefined;
    this.schedule = job.schedule;
    this.scheduledFor = job.scheduledFor;
    this.pendingState = job.pendingState;
    this.heldBy = job.heldBy;
    this.attemptErrors = [...job.attemptErrors];
    this.createdAt = job.createdAt;
  }
}

/** Shows a job of the core to whoever asked for it. */
export function toJob<T extends Job>(job: CoreJob): T {
  return new LocalJob(job) as unknown as T;
}
