import type { Change } from "../../core/backend.js";
import type { SettleKind } from "../../core/observer.js";
import type { AttemptError, Backoff, Job, JobStatus, Payload, Progress } from "../../model/job.js";

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

/** What the change log keeps of what a job says: little, as it outlives the job. */
export interface JobLabel {
  readonly queue: string;
  readonly type: string;
  readonly priority: number;
}

/** What many jobs say alike: those of a queue and type that do share one of these. */
export interface SharedJobSpec<Queue = unknown> {
  readonly label: JobLabel;
  readonly queue: Queue;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** When a job was created and when it may run; shared by the jobs of a moment. */
export interface JobTimes {
  readonly createdAt: number;
  readonly runAfter: number;
}

/** Where a job stands: in one of the lines of its queue while it is PENDING; `GONE` from its deletion on. */
export type JobPlace = "NONE" | "READY" | "SCHEDULED" | "GONE";

/** A job in memory. One million of these are meant to fit; run `npm run bench -- memory` after adding a field. */
export class JobRecord<Queue = unknown> {
  status: JobStatus = "PENDING";
  place: JobPlace = "NONE";
  /** Undefined before its first change. */
  run: RunRecord | undefined;

  constructor(
    readonly id: string,
    readonly shared: SharedJobSpec<Queue>,
    readonly payload: Payload | undefined,
    readonly requestId: string | undefined,
    public times: JobTimes,
  ) {}

  get queue(): Queue {
    return this.shared.queue;
  }

  get type(): string {
    return this.shared.label.type;
  }

  get priority(): number {
    return this.shared.label.priority;
  }

  get createdAt(): number {
    return this.times.createdAt;
  }

  get runAfter(): number {
    return this.times.runAfter;
  }

  set runAfter(runAfter: number) {
    this.times = { createdAt: this.times.createdAt, runAfter };
  }

  get isGone(): boolean {
    return this.place === "GONE";
  }

  /** What changes, made when it is needed first. */
  get changing(): RunRecord {
    this.run ??= new RunRecord(this.createdAt);
    return this.run;
  }
}

/** The job as the core sees it. */
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
    updatedAt: run?.updatedAt ?? times.createdAt,
    runAfter: times.runAfter,
    startedAt: run?.startedAt,
    finishedAt: run?.finishedAt,
    attemptErrors: run?.attemptErrors ?? [],
    result: run?.result,
  };
}

/** The change log entry for the state the job is in now. */
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
    updatedAt: run?.updatedAt ?? times.createdAt,
    runAfter: times.runAfter,
    startedAt: run?.startedAt,
    finishedAt: run?.finishedAt,
  };
}
