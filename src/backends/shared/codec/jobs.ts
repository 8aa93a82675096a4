import type { NewJob } from "../../../core/port/new-jobs.js";
import { type AttemptError, type Backoff, JOB_STATUSES, type Job, type JobStatus } from "../../../model/job/job.js";
import {
  readMetadata,
  readPayload,
  type Whole,
  type WrittenMetadata,
  type WrittenPayload,
  writeMetadata,
} from "./whole.js";

/** Delays that grow: the first, the longest, and the multiplier if there is one. Delays one by one: a list in a list. */
type WrittenBackoff = readonly [number, number, number?] | readonly [readonly number[]];

/** What most new jobs do not have. */
type RareNewFields = Pick<
  NewJob,
  "traceContext" | "expiresAt" | "schedule" | "scheduledFor" | "unique" | "key" | "ttlMs" | "onConflict"
>;

/** A job to create, as frames have it. Null: undefined. */
export type WrittenNewJob = readonly [
  id: string,
  queue: string,
  type: string,
  payload: WrittenPayload,
  priority: number,
  maxRetries: number,
  backoff: WrittenBackoff,
  timeoutMs: number,
  metadata: WrittenMetadata,
  delayMs: number | null,
  runAfter: number | null,
  requestId: string | null,
  digest: string | null,
  open: number | null,
  rare: RareNewFields | null,
];

export function writeNewJob(job: NewJob): WrittenNewJob {
  return [
    job.id,
    job.queue,
    job.type,
    job.payload ?? null,
    job.priority,
    job.maxRetries,
    writeBackoff(job.backoff),
    job.timeoutMs,
    writeMetadata(job.metadata),
    job.delayMs ?? null,
    job.runAfter ?? null,
    job.requestId ?? null,
    job.digest ?? null,
    job.open ?? null,
    rareOf(job),
  ];
}

export function readNewJob(written: WrittenNewJob): NewJob {
  const rare = written[14];
  const job: Whole<NewJob> = {
    id: written[0],
    queue: written[1],
    type: written[2],
    payload: readPayload(written[3]),
    priority: written[4],
    maxRetries: written[5],
    backoff: readBackoff(written[6]),
    timeoutMs: written[7],
    metadata: readMetadata(written[8]),
    delayMs: written[9] ?? undefined,
    runAfter: written[10] ?? undefined,
    requestId: written[11] ?? undefined,
    digest: written[12] ?? undefined,
    open: written[13] ?? undefined,
    traceContext: rare?.traceContext,
    expiresAt: rare?.expiresAt,
    schedule: rare?.schedule,
    scheduledFor: rare?.scheduledFor,
    unique: rare?.unique,
    key: rare?.key,
    ttlMs: rare?.ttlMs,
    onConflict: rare?.onConflict,
  };
  return job;
}

function rareOf(job: NewJob): RareNewFields | null {
  const { traceContext, expiresAt, schedule, scheduledFor, unique, key, ttlMs, onConflict } = job;
  const isTimeless = expiresAt === undefined && ttlMs === undefined && schedule === undefined;
  const isPlain = isTimeless && scheduledFor === undefined && onConflict === undefined;
  if (isPlain && traceContext === undefined && unique === undefined && key === undefined) return null;
  return { traceContext, expiresAt, schedule, scheduledFor, unique, key, ttlMs, onConflict };
}

function writeBackoff({ baseDelayMs, maxDelayMs, multiplier, delaysMs }: Backoff): WrittenBackoff {
  if (delaysMs !== undefined) return [delaysMs];
  return multiplier === undefined ? [baseDelayMs, maxDelayMs] : [baseDelayMs, maxDelayMs, multiplier];
}

function readBackoff(written: WrittenBackoff): Backoff {
  if (written.length === 1) return { delaysMs: written[0] };
  const [baseDelayMs, maxDelayMs, multiplier] = written;
  return multiplier === undefined ? { baseDelayMs, maxDelayMs } : { baseDelayMs, maxDelayMs, multiplier };
}

/** What a job does not have that waits for its first attempt, or is in it. */
type WrittenState = readonly [
  retryCount: number,
  lostLeases: number,
  error: string,
  progress: Job["progress"] | null,
  cancelRequested: boolean,
  finishedAt: number | null,
  attemptErrors: readonly AttemptError[],
  result: WrittenPayload,
  resultDropped: boolean,
  pendingState: Job["pendingState"] | null,
  heldBy: Job["heldBy"] | null,
];

type RareFields = Pick<Job, "traceContext" | "expiresAt" | "schedule" | "scheduledFor" | "unique" | "key">;

/** A job, as frames have it. Null: undefined, or of `state` and `rare` that there is nothing to say. */
export type WrittenJob = readonly [
  id: string,
  queue: string,
  type: string,
  payload: WrittenPayload,
  priority: number,
  maxRetries: number,
  backoff: WrittenBackoff,
  timeoutMs: number,
  metadata: WrittenMetadata,
  status: number,
  revision: number,
  deliveries: number,
  worker: string,
  createdAt: number,
  updatedAt: number,
  runAfter: number,
  startedAt: number | null,
  state: WrittenState | null,
  rare: RareFields | null,
];

export function writeJob(job: Job): WrittenJob {
  return [
    job.id,
    job.queue,
    job.type,
    job.payload ?? null,
    job.priority,
    job.maxRetries,
    writeBackoff(job.backoff),
    job.timeoutMs,
    writeMetadata(job.metadata),
    writeStatus(job.status),
    job.revision,
    job.deliveries,
    job.worker,
    job.createdAt,
    job.updatedAt,
    job.runAfter,
    job.startedAt ?? null,
    stateOf(job),
    rareFieldsOf(job),
  ];
}

const NO_ERRORS: readonly AttemptError[] = [];

export function readJob(written: WrittenJob): Job {
  const state = written[17];
  const rare = written[18];
  const job: Whole<Job> = {
    id: written[0],
    queue: written[1],
    type: written[2],
    payload: readPayload(written[3]),
    priority: written[4],
    maxRetries: written[5],
    backoff: readBackoff(written[6]),
    timeoutMs: written[7],
    metadata: readMetadata(written[8]),
    traceContext: rare?.traceContext,
    expiresAt: rare?.expiresAt,
    schedule: rare?.schedule,
    scheduledFor: rare?.scheduledFor,
    key: rare?.key,
    unique: rare?.unique,
    status: readStatus(written[9]),
    revision: written[10],
    retryCount: state === null ? 0 : state[0],
    deliveries: written[11],
    lostLeases: state === null ? 0 : state[1],
    error: state === null ? "" : state[2],
    progress: state?.[3] ?? undefined,
    cancelRequested: state?.[4] ?? false,
    worker: written[12],
    createdAt: written[13],
    updatedAt: written[14],
    runAfter: written[15],
    startedAt: written[16] ?? undefined,
    finishedAt: state?.[5] ?? undefined,
    attemptErrors: state?.[6] ?? NO_ERRORS,
    result: state === null ? undefined : readPayload(state[7]),
    resultDropped: state?.[8] ?? false,
    pendingState: state?.[9] ?? undefined,
    heldBy: state?.[10] ?? undefined,
  };
  return job;
}

function stateOf(job: Job): WrittenState | null {
  const { retryCount, lostLeases, error, progress, cancelRequested, finishedAt, attemptErrors } = job;
  const { result, resultDropped, pendingState, heldBy } = job;
  const isUnfinished = finishedAt === undefined && result === undefined && !resultDropped;
  const isUntried = retryCount === 0 && lostLeases === 0 && error === "" && attemptErrors.length === 0;
  const isQuiet = progress === undefined && !cancelRequested && pendingState === undefined && heldBy === undefined;
  if (isUnfinished && isUntried && isQuiet) return null;
  return [
    retryCount,
    lostLeases,
    error,
    progress ?? null,
    cancelRequested,
    finishedAt ?? null,
    attemptErrors,
    result ?? null,
    resultDropped,
    pendingState ?? null,
    heldBy ?? null,
  ];
}

function rareFieldsOf({ traceContext, expiresAt, schedule, scheduledFor, unique, key }: Job): RareFields | null {
  const isTimeless = expiresAt === undefined && schedule === undefined && scheduledFor === undefined;
  if (isTimeless && traceContext === undefined && unique === undefined && key === undefined) return null;
  return { traceContext, expiresAt, schedule, scheduledFor, unique, key };
}

/** A status as frames have it. */
export function writeStatus(status: JobStatus): number {
  return JOB_STATUSES.indexOf(status);
}

export function readStatus(written: number): JobStatus {
  return JOB_STATUSES[written] as JobStatus;
}
