import { create, toJson } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  type AttemptError as AttemptErrorPb,
  type Backoff as BackoffPb,
  type Heartbeat,
  HeartbeatSchema,
  type Job as JobPb,
  JobStatus as JobStatusPb,
  PayloadFormat,
  type PendingState as PendingStatePb,
  type Progress as ProgressPb,
  type TraceContext as TraceContextPb,
  UniqueConflict as UniqueConflictPb,
  type Unique as UniquePb,
} from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequest, JobChange, UpdateJobRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { JobCompletion } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { Change } from "../../core/port/changes.js";
import type { BackoffRequest } from "../../model/backoff.js";
import {
  type AttemptError,
  type Job,
  type JobStatus,
  type Payload,
  type Progress,
  payloadBytes,
} from "../../model/job.js";
import { LIMITS } from "../../model/limits.js";
import { HELD_BY, PENDING_STATES, type PendingState } from "../../model/pending-state.js";
import { type TraceContext, toTraceContext } from "../../model/trace-context.js";
import { UNIQUE_CONFLICTS, UNIQUE_UNTIL, type Unique, type UniqueRequest } from "../../model/unique.js";
import { type JobRequest, surrogateProblem, tooManyBytes, type UpdateRequest } from "../../model/validate.js";
import { Violations } from "../../model/violations.js";
import { hasEntries } from "../../wire/fields.js";
import { type JsonMember, memberProblem } from "../../wire/json-fields.js";
import { BadValue, JsonText } from "../../wire/json-text.js";
import { DECODE_LIMITS } from "../wire-options.js";
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

/** Whether payloads and results are told as text; see `PayloadFormat`. Adds to `violations`, or throws, what is no format. */
export function asText(format: PayloadFormat, given?: Violations): boolean {
  if (format === PayloadFormat.TEXT) return true;
  if (format === PayloadFormat.VALUE || format === PayloadFormat.UNSPECIFIED) return false;
  const violations = given ?? new Violations();
  violations.add("payloadFormat", `is not a payload format: ${format}`);
  if (given === undefined) violations.throwIfAny();
  return false;
}

/** Converts a payload or a result; undefined when there is none, or when it was added to `violations`. */
export function toPayload(
  violations: Violations,
  field: string,
  kind: CreateJobRequest["payloadKind"] | JobCompletion["resultKind"],
): Payload | undefined {
  if (kind.case === undefined) return undefined;
  // A copy: the bytes of the message are a part of the whole request, which would stay in memory as long as the job.
  if (kind.case === "payloadBytes" || kind.case === "resultBytes") return new Uint8Array(kind.value);
  if (kind.case === "payloadJson" || kind.case === "resultJson") return toText(violations, `${field}Json`, kind);
  if (kind.value instanceof JsonText) return kind.value.text;
  if (kind.value instanceof BadValue) {
    violations.add(field, kind.value.problem);
    return undefined;
  }
  return valueToText(violations, field, kind.value);
}

/** Takes JSON text as it is; what cannot be a payload is added to `violations`. */
function toText(violations: Violations, field: string, member: JsonMember): string | undefined {
  const { value } = member;
  const size = payloadBytes(value);
  const problem =
    size > LIMITS.payloadBytes ? tooManyBytes(size) : (memberProblem(member, DECODE_LIMITS) ?? surrogateProblem(value));
  if (problem === undefined) return value;
  violations.add(field, problem);
  return undefined;
}

/** Converts a protobuf Value to JSON text; what cannot be converted is added to `violations`. */
export function valueToText(violations: Violations, field: string, value: Value): string | undefined {
  try {
    return JSON.stringify(toJson(ValueSchema, value));
  } catch (error) {
    // NaN and infinity have no JSON. Thousands of levels overflow the stack.
    const tooDeep = error instanceof RangeError;
    violations.add(field, tooDeep ? "is nested too deep" : "must be a JSON value: no NaN, no infinity, no unset value");
    return undefined;
  }
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
 * Converts a job to its message, with its payload and result as text or not. Written as a literal, like its parts: `create` looks at every field of every message,
 * and this runs for each job that a worker gets.
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

/** Converts a payload to its field of a message, as text or not. */
export function fromPayload(payload: Payload | undefined, isText: boolean): JobPb["payloadKind"] {
  if (payload === undefined) return { case: undefined };
  if (typeof payload !== "string") return { case: "payloadBytes", value: payload as Uint8Array<ArrayBuffer> };
  return isText ? { case: "payloadJson", value: payload } : { case: "payload", value: new JsonText(payload) };
}

/** The same of a result. */
function fromResult(result: Payload | undefined, isText: boolean): JobPb["resultKind"] {
  if (result === undefined) return { case: undefined };
  if (typeof result !== "string") return { case: "resultBytes", value: result as Uint8Array<ArrayBuffer> };
  return isText ? { case: "resultJson", value: result } : { case: "result", value: new JsonText(result) };
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
