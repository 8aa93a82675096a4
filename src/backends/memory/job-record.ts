import type { Change } from "../../core/backend.js";
import type { AttemptError, Backoff, Job, JobStatus, Payload, Progress } from "../../core/job.js";
import type { SettleKind } from "../../core/observer.js";
import type { QueueState } from "./queue-state.js";

/** What a job has only after its first change; kept apart so that waiting jobs stay small. */
export class RunRecord {
  /** The current lease; undefined when there is none. */
  token: string | undefined;
  /** The token that settled the job last, and how, so that repeating the write is harmless. */
  settledToken: string | undefined;
  settledBy: SettleKind | undefined;
  /** End of the lease, on the monotonic clock. */
  leaseUntil = 0;
  revision = 1;
  retryCount = 0;
  deliveries = 0;
  lostLeases = 0;
  startedAt: number | undefined;
  finishedAt: number | undefined;
  worker = "";
  error = "";
  /** Its beginning, for the change log: one string for all entries that say it. */
  errorStart = "";
  attemptErrors: readonly AttemptError[] = [];
  result: Payload | undefined;
  progress: Progress | undefined;
  cancelRequested = false;

  constructor(public updatedAt: number) {}
}

/** What few jobs set; shared by those that say the same. */
export interface JobOptions {
  readonly maxRetries: number;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly requestId: string | undefined;
}

/** A job in memory. One million of these are meant to fit; run `npm run bench -- memory` after adding a field. */
export class JobRecord {
  status: JobStatus = "PENDING";
  /** Whether it waits among the scheduled jobs; otherwise, while PENDING, among the ready ones. */
  scheduled = false;
  /** Whether it was deleted. */
  gone = false;
  /** Undefined before its first change. */
  run: RunRecord | undefined;

  constructor(
    readonly id: string,
    readonly queue: QueueState,
    readonly type: string,
    readonly payload: Payload | undefined,
    readonly priority: number,
    readonly options: JobOptions,
    readonly createdAt: number,
    public runAfter: number,
  ) {}

  /** What changes, made when it is needed first. */
  get changing(): RunRecord {
    this.run ??= new RunRecord(this.createdAt);
    return this.run;
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
    revision: run?.revision ?? 1,
    retryCount: run?.retryCount ?? 0,
    deliveries: run?.deliveries ?? 0,
    lostLeases: run?.lostLeases ?? 0,
    error: run?.error ?? "",
    progress: run?.progress,
    cancelRequested: run?.cancelRequested ?? false,
    worker: run?.worker ?? "",
    createdAt: record.createdAt,
    updatedAt: run?.updatedAt ?? record.createdAt,
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
    revision: run?.revision ?? 1,
    retryCount: run?.retryCount ?? 0,
    deliveries: run?.deliveries ?? 0,
    lostLeases: run?.lostLeases ?? 0,
    error: run?.errorStart ?? "",
    progress: run?.progress,
    cancelRequested: run?.cancelRequested ?? false,
    worker: run?.worker ?? "",
    updatedAt: run?.updatedAt ?? record.createdAt,
    runAfter: record.runAfter,
    startedAt: run?.startedAt,
    finishedAt: run?.finishedAt,
  };
}
