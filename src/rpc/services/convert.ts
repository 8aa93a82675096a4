import { create } from "@bufbuild/protobuf";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import {
  type AttemptError as AttemptErrorPb,
  type Backoff as BackoffPb,
  type Heartbeat,
  HeartbeatSchema,
  type Job as JobPb,
  JobStatus as JobStatusPb,
  type PendingState as PendingStatePb,
  type Progress as ProgressPb,
  type TraceContext as TraceContextPb,
  UniqueConflict as UniqueConflictPb,
  type Unique as UniquePb,
} from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequest, JobChange, UpdateJobRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { Change } from "../../core/port/changes.js";
import type { BackoffRequest } from "../../model/job/backoff.js";
import type { AttemptError, Job, JobStatus, Progress } from "../../model/job/job.js";
import { HELD_BY, PENDING_STATES, type PendingState } from "../../model/job/pending-state.js";
import { UNIQUE_CONFLICTS, UNIQUE_UNTIL, type Unique, type UniqueRequest } from "../../model/job/unique.js";
import { type TraceContext, toTraceContext } from "../../model/log/trace-context.js";
import type { JobRequest, UpdateRequest } from "../../model/request/validate.js";
import type { Violations } from "../../model/request/violations.js";
import { hasEntries } from "../../wire/fields.js";
import { fromPayload, fromResult, toPayload } from "./convert-payload.js";
import { fromDuration, fromMs, fromTime } from "./times.js";

/** Bounds of a Timestamp (the years 1 to 9999) and of a Duration (10,000 years either way), in seconds. */
const MAX_TIMESTAMP_SECONDS = 253_402_300_799n;
const MIN_TIMESTAMP_SECONDS = -62_135_596_800n;
const MAX_DURATION_SECONDS = 315_576_000_000n;

const STATUS_TO_PB: Readonly<Record<JobStatus, JobStatusPb>> = {
  PENDING: JobStatusPb.PENDING,
  RUNNING: JobStatusPb.RUNNING,
  DONE: JobStatusPb.DONE,
  FAILED: JobStatusPb.FAILED,
  DEAD: JobStatusPb.DEAD,
  CANCELED: JobStatusPb.CANCELED,
};

const STATUS_FROM_PB: ReadonlyMap<JobStatusPb, JobStatus> = new Map(
  Object.entries(STATUS_TO_PB).map(([status, pb]) => [pb, status as JobStatus]),
);

/** Converts the statuses of a filter. Adds to `violations` those that do not exist. */
export function toStatuses(violations: Violations, field: string, statuses: readonly JobStatusPb[]): JobStatus[] {
  return statuses.flatMap((pb, index) => {
    const status = STATUS_FROM_PB.get(pb);
    if (status === undefined) violations.add(`${field}[${index}]`, `is not a job status: ${pb}`);
    return status ?? [];
  });
}

/** Converts the pending states of a filter. Adds to `violations` those that do not exist. */
export function toPendingStates(
  violations: Violations,
  field: string,
  states: readonly PendingStatePb[],
): PendingState[] {
  return states.flatMap((pb, index) => {
    const state = PENDING_STATES[pb - 1];
    if (state === undefined) violations.add(`${field}[${index}]`, `is not a pending state: ${pb}`);
    return state ?? [];
  });
}

/**
 * Converts the request for a new job; what cannot be converted is added to `violations`. `traceContext`: that of the call,
 * which counts when the request has none of its own.
 */
export function toJobRequest(
  violations: Violations,
  request: CreateJobRequest,
  traceContext: TraceContext | undefined,
): JobRequest {
  const { schedule, backoff, traceContext: own } = request;
  return {
    queue: request.queue,
    type: request.type,
    payload: toPayload(violations, "payload", request.payloadKind),
    priority: request.priority,
    delayMs: schedule.case === "delay" ? toMs(violations, "delay", schedule.value) : undefined,
    runAfter: schedule.case === "runAfter" ? toTime(violations, "runAfter", schedule.value) : undefined,
    maxRetries: request.maxRetries,
    backoff: backoff && toBackoffRequest(violations, "backoff", backoff),
    timeoutMs: toMs(violations, "timeout", request.timeout),
    ttlMs: toMs(violations, "ttl", request.ttl),
    expiresAt: request.expiresAt && toTime(violations, "expiresAt", request.expiresAt),
    unique: request.unique && toUniqueRequest(violations, request.unique),
    key: request.key,
    metadata: hasEntries(request.metadata) ? request.metadata : undefined,
    requestId: request.requestId,
    traceContext: own === undefined ? traceContext : toTraceContext(own),
  };
}

/** Converts what is to change of a job; what cannot be converted is added to `violations`. */
export function toUpdateRequest(violations: Violations, request: UpdateJobRequest): UpdateRequest {
  const { schedule } = request;
  return {
    priority: request.priority,
    delayMs: schedule.case === "delay" ? toMs(violations, "delay", schedule.value) : undefined,
    runAfter: schedule.case === "runAfter" ? toTime(violations, "runAfter", schedule.value) : undefined,
    payload: toPayload(violations, "payload", request.payloadKind),
  };
}

function toUniqueRequest(violations: Violations, { key, until, hold, onConflict }: UniquePb): UniqueRequest {
  const oneOf = <T>(field: string, values: readonly T[], pb: number) => {
    if (pb < 0 || pb > values.length) violations.add(field, `must be one of ${values.join(", ")}, got ${pb}`);
    return values[pb - 1];
  };
  return {
    key,
    until: oneOf("unique.until", UNIQUE_UNTIL, until),
    holdMs: toMs(violations, "unique.hold", hold),
    onConflict: oneOf("unique.onConflict", UNIQUE_CONFLICTS, onConflict),
  };
}

function fromUnique({ key, until, holdMs }: Unique): UniquePb {
  const made: UniquePb = {
    $typeName: "gotaskq.v1.Unique",
    key,
    until: UNIQUE_UNTIL.indexOf(until) + 1,
    onConflict: UniqueConflictPb.UNSPECIFIED,
  };
  if (holdMs > 0) made.hold = fromDuration(holdMs);
  return made;
}

/** Converts a backoff that is asked for. `field`: its name. */
export function toBackoffRequest(violations: Violations, field: string, backoff: BackoffPb): BackoffRequest {
  const { baseDelay, maxDelay, multiplier, delays } = backoff;
  return {
    baseDelayMs: toMs(violations, `${field}.baseDelay`, baseDelay),
    maxDelayMs: toMs(violations, `${field}.maxDelay`, maxDelay),
    multiplier,
    // An entry that is no duration is in the violations.
    delaysMs:
      delays.length === 0
        ? undefined
        : delays.map((delay, at) => toMs(violations, `${field}.delays[${at}]`, delay) ?? 0),
  };
}

/** Converts a Duration to ms. A part of a ms is rounded away from zero, so that a negative one stays negative. */
export function toMs(violations: Violations, field: string, duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const { seconds, nanos } = duration;
  const inRange = seconds >= -MAX_DURATION_SECONDS && seconds <= MAX_DURATION_SECONDS && Math.abs(nanos) < 1e9;
  const sameSign = seconds === 0n || nanos === 0 || seconds < 0n === nanos < 0;
  if (!inRange || !sameSign) {
    violations.add(field, "is not a valid duration");
    return undefined;
  }
  return Number(seconds) * 1000 + wholeMs(nanos);
}

/** Nanoseconds in whole ms, rounded away from zero. The library's own rounding would turn 0.4 ms into 0. */
function wholeMs(nanos: number): number {
  return nanos < 0 ? Math.floor(nanos / 1e6) : Math.ceil(nanos / 1e6);
}

/** Converts a Timestamp to ms since 1970. A part of a ms is rounded up, so that nothing runs too early. */
export function toTime(violations: Violations, field: string, time: Timestamp | undefined): number | undefined {
  if (time === undefined) return undefined;
  const { seconds, nanos } = time;
  if (seconds < MIN_TIMESTAMP_SECONDS || seconds > MAX_TIMESTAMP_SECONDS || nanos < 0 || nanos >= 1e9) {
    violations.add(field, "is not a valid time");
    return undefined;
  }
  return Number(seconds) * 1000 + wholeMs(nanos);
}

/**
 * Converts a job to its message, with its payload and result as text or not. Written as a literal, like its parts: `create`
 * looks at every field of every message, and this runs for each job that a worker gets.
 */
export function fromJob(job: Job, isText: boolean): JobPb {
  return {
    $typeName: "gotaskq.v1.Job",
    id: job.id,
    queue: job.queue,
    type: job.type,
    payloadKind: fromPayload(job.payload, isText),
    status: STATUS_TO_PB[job.status],
    priority: job.priority,
    maxRetries: job.maxRetries,
    retryCount: job.retryCount,
    deliveries: job.deliveries,
    lostLeases: job.lostLeases,
    error: job.error,
    attemptErrors: job.attemptErrors.length === 0 ? [] : job.attemptErrors.map(fromAttemptError),
    resultKind: fromResult(job.result, isText),
    progress: fromProgress(job.progress),
    metadata: job.metadata as Record<string, string>,
    backoff: fromBackoff(job.backoff),
    timeout: job.timeoutMs > 0 ? fromDuration(job.timeoutMs) : undefined,
    cancelRequested: job.cancelRequested,
    worker: job.worker,
    revision: job.revision,
    createdAt: fromMs(job.createdAt),
    updatedAt: fromMs(job.updatedAt),
    runAfter: fromMs(job.runAfter),
    startedAt: fromTime(job.startedAt),
    finishedAt: fromTime(job.finishedAt),
    resultDropped: job.resultDropped,
    traceContext: job.traceContext && fromTraceContext(job.traceContext),
    expiresAt: fromTime(job.expiresAt),
    unique: job.unique && fromUnique(job.unique),
    key: job.key ?? "",
    schedule: job.schedule ?? "",
    scheduledFor: fromTime(job.scheduledFor),
    pendingState: job.pendingState === undefined ? 0 : PENDING_STATES.indexOf(job.pendingState) + 1,
    heldBy: job.heldBy === undefined ? 0 : HELD_BY.indexOf(job.heldBy) + 1,
  };
}

/**
 * Converts a job that has just been created to what its creator cannot know from what it asked for. The rest is left out: the
 * queue, type, payload, priority, metadata, unique key and key are what the request says.
 */
export function fromNewJob(job: Job): JobPb {
  return {
    $typeName: "gotaskq.v1.Job",
    id: job.id,
    queue: "",
    type: "",
    payloadKind: { case: undefined },
    status: STATUS_TO_PB[job.status],
    priority: 0,
    maxRetries: job.maxRetries,
    retryCount: 0,
    deliveries: 0,
    lostLeases: 0,
    error: "",
    attemptErrors: [],
    resultKind: { case: undefined },
    metadata: {},
    backoff: fromBackoff(job.backoff),
    timeout: job.timeoutMs > 0 ? fromDuration(job.timeoutMs) : undefined,
    cancelRequested: false,
    worker: "",
    revision: job.revision,
    createdAt: fromMs(job.createdAt),
    updatedAt: fromMs(job.updatedAt),
    runAfter: fromMs(job.runAfter),
    resultDropped: false,
    traceContext: job.traceContext && fromTraceContext(job.traceContext),
    expiresAt: fromTime(job.expiresAt),
    key: "",
    schedule: "",
    pendingState: 0,
    heldBy: 0,
  };
}

function fromTraceContext({ traceparent, tracestate, baggage }: TraceContext): TraceContextPb {
  return { $typeName: "gotaskq.v1.TraceContext", traceparent, tracestate, baggage };
}

function fromAttemptError({ at, error, delivery, worker }: AttemptError): AttemptErrorPb {
  return { $typeName: "gotaskq.v1.AttemptError", time: fromMs(at), error, delivery, worker };
}

/** The last backoff and its message: nearly all jobs have the default, and neither object is ever changed. */
let lastBackoff: BackoffRequest | undefined;
let lastBackoffPb: BackoffPb | undefined;

/** Converts a backoff to its message. */
export function fromBackoff(backoff: BackoffRequest): BackoffPb {
  if (backoff !== lastBackoff || lastBackoffPb === undefined) {
    const { baseDelayMs, maxDelayMs, multiplier, delaysMs = [] } = backoff;
    const made: BackoffPb = { $typeName: "gotaskq.v1.Backoff", delays: delaysMs.map(fromDuration) };
    if (baseDelayMs !== undefined) made.baseDelay = fromDuration(baseDelayMs);
    if (maxDelayMs !== undefined) made.maxDelay = fromDuration(maxDelayMs);
    if (multiplier !== undefined) made.multiplier = multiplier;
    lastBackoff = backoff;
    lastBackoffPb = made;
  }
  return lastBackoffPb;
}

function fromProgress(progress: Progress | undefined): ProgressPb | undefined {
  return progress && { $typeName: "gotaskq.v1.Progress", percent: progress.percent, message: progress.message };
}

/** Converts a change to its message. */
export function fromChange(change: Change): JobChange {
  return {
    $typeName: "gotaskq.v1.JobChange",
    jobId: change.jobId,
    queue: change.queue,
    type: change.type,
    status: STATUS_TO_PB[change.status],
    revision: change.revision,
    time: fromMs(change.updatedAt),
    deleted: change.deleted,
    priority: change.priority,
    retryCount: change.retryCount,
    deliveries: change.deliveries,
    lostLeases: change.lostLeases,
    error: change.error,
    progress: fromProgress(change.progress),
    cancelRequested: change.cancelRequested,
    worker: change.worker,
    runAfter: fromMs(change.runAfter),
    startedAt: fromTime(change.startedAt),
    finishedAt: fromTime(change.finishedAt),
  };
}

/** Returns a heartbeat message. `at`: ms since 1970. */
export function fromHeartbeat(at: number): Heartbeat {
  return create(HeartbeatSchema, { time: fromMs(at) });
}
