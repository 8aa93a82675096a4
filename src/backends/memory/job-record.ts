import type { Change } from "../../core/backend.js";
import type { AttemptError, Backoff, Job, JobStatus, Payload, Progress } from "../../core/job.js";
import type { QueueState } from "./queue-state.js";

/** What a job has only after it was first leased; kept apart so that waiting jobs stay small. */
export class RunRecord {
  /** The current lease; undefined when there is none. */
  token: string | undefined;
  /** The token that settled the job last, so that repeating the write is harmless. */
  settledToken: string | undefined;
  /** End of the lease, on the monotonic clock. */
  leaseUntil = 0;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  worker = "";
  error = "";
  attemptErrors: readonly AttemptError[] = [];
  result: Payload | undefined;
  progress: Progress | undefined;
  cancelRequested = false;
}

/** What few jobs set; shared by those that set the same. */
export interface JobOptions {
  readonly maxRetries: number;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A job in memory. One million of these are meant to fit; look at `npm run bench -- memory` after adding a field. */
export class JobRecord {
  status: JobStatus = "PENDING";
  revision = 1;
  retryCount = 0;
  deliveries = 0;
  lostLeases = 0;
  updatedAt: number;
  /** Whether it waits among the scheduled jobs; otherwise, while PENDING, among the ready ones. */
  scheduled = false;
  /** Whether it was deleted. */
  gone = false;
  run: RunRecord | undefined;

  constructor(
    readonly id: string,
    readonly queue: QueueState,
    readonly type: string,
    readonly payload: Payload | undefined,
    readonly priority: number,
    readonly options: JobOptions,
    readonly requestId: string | undefined,
    readonly createdAt: number,
    public runAfter: number,
  ) {
    this.updatedAt = createdAt;
  }
}

/** The job as the core sees it. */
export function toJob(record: JobRecord): Job {
  const { options, run } = record;
  return {
    id: record.id,
    queue: record.queue.name,
    type: record.type,
    payload: record.payload,
    priority: record.priority,
    maxRetries: options.maxRetries,
    backoff: options.backoff,
    timeoutMs: options.timeoutMs,
    metadata: options.metadata,
    status: record.status,
    revision: record.revision,
    retryCount: record.retryCount,
    deliveries: record.deliveries,
    lostLeases: record.lostLeases,
    error: run?.error ?? "",
    progress: run?.progress,
    cancelRequested: run?.cancelRequested ?? false,
    worker: run?.worker ?? "",
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    runAfter: record.runAfter,
    startedAt: run?.startedAt,
    finishedAt: run?.finishedAt,
    attemptErrors: run?.attemptErrors ?? [],
    result: run?.result,
  };
}

/** The change log entry for the state the job is in now. */
export function toChange(record: JobRecord): Change {
  const { run } = record;
  return {
    jobId: record.id,
    queue: record.queue.name,
    type: record.type,
    priority: record.priority,
    deleted: record.gone,
    status: record.status,
    revision: record.revision,
    retryCount: record.retryCount,
    deliveries: record.deliveries,
    lostLeases: record.lostLeases,
    error: run?.error ?? "",
    progress: run?.progress,
    cancelRequested: run?.cancelRequested ?? false,
    worker: run?.worker ?? "",
    updatedAt: record.updatedAt,
    runAfter: record.runAfter,
    startedAt: run?.startedAt,
    finishedAt: run?.finishedAt,
  };
}
