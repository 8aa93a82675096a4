import { durationMs, type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Job as JobPb,
  JobStatus as JobStatusPb,
  PendingState as PendingStatePb,
} from "../../gen/gotaskq/v1/job_pb.js";
import type { JobChange as JobChangePb } from "../../gen/gotaskq/v1/job_service_pb.js";
import type { JsonValue } from "../model/handler.js";
import { type AttemptError, type Backoff, JOB_STATUSES, type JobStatus, type Progress } from "../model/job.js";
import { HELD_BY, type HeldBy, PENDING_STATES, type PendingState } from "../model/pending-state.js";
import { type TraceContext, toTraceContext } from "../model/trace-context.js";
import type { Unique } from "../model/unique.js";
import { fromBackoff } from "./backoff.js";
import { fromPayloadKind } from "./json.js";
import { fromUnique } from "./unique.js";

/** The part of a job that changes, with its queue, type and priority. Times in ms since 1970. */
export interface JobState {
  readonly queue: string;
  readonly type: string;
  readonly status: JobStatus;
  /** 0 to 10, higher first. */
  readonly priority: number;
  /** +1 at every visible change, from 1. */
  readonly revision: number;
  /** Retries used since it was created or replayed. */
  readonly retryCount: number;
  /** How often it was leased to a worker. */
  readonly deliveries: number;
  /** How often its lease ran out before it was settled, since it was created or replayed. */
  readonly lostLeases: number;
  /** Error text of the last failed attempt; "" before the first failure. */
  readonly error: string;
  readonly progress: Progress | undefined;
  readonly cancelRequested: boolean;
  /** Name of the worker that runs it or ran it last; "" before. */
  readonly worker: string;
  readonly runAfter: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
}

/** A job at one moment. Durations in ms, times in ms since 1970. */
export interface Job extends JobState {
  readonly id: string;
  /** A JSON value, bytes, or undefined. */
  readonly payload: JsonValue | Uint8Array | undefined;
  /** What its handler returned, set once it is DONE: a JSON value, bytes, or undefined. */
  readonly result: JsonValue | Uint8Array | undefined;
  /** Whether its handler returned a result that was left out, as the server had no room to keep it. */
  readonly resultDropped: boolean;
  readonly maxRetries: number;
  readonly backoff: Backoff;
  /** Longest run of one attempt. 0: no limit. */
  readonly timeoutMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The trace that it belongs to; undefined: it was created without one. */
  readonly traceContext: TraceContext | undefined;
  /** When it is CANCELED if no worker was given it by then; undefined: never. */
  readonly expiresAt: number | undefined;
  /** The unique key that it holds or held in its queue, and until when; undefined: it was created without one. */
  readonly unique: Unique | undefined;
  /** Whose it is: what its queue bounds and gives turns by; "": it has none. */
  readonly key: string;
  /** The name of the schedule of its queue that made it; "": somebody created it. */
  readonly schedule: string;
  /** The time of that schedule that it was made for; undefined: no schedule made it. */
  readonly scheduledFor: number | undefined;
  /** What it waits for, as of when it was read; undefined: it is not PENDING, or a create has answered it. */
  readonly pendingState: PendingState | undefined;
  /** Why no worker gets it though its time has come; undefined: nothing holds it back, and as above. */
  readonly heldBy: HeldBy | undefined;
  /** The last 10 failed attempts, oldest first. */
  readonly attemptErrors: readonly AttemptError[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One page of a listing. */
export interface JobPage {
  readonly jobs: readonly Job[];
  /** Put it into the filter to get the next page. "" when there is none. */
  readonly nextPageToken: string;
}

/** One change of one job, without payload and result. */
export interface JobChange extends JobState {
  readonly jobId: string;
  /** When it changed, ms since 1970. */
  readonly at: number;
  /** Whether the job was deleted. The other fields are then its last state. */
  readonly deleted: boolean;
}

/** Converts statuses for the filter of a request. */
export function toStatuses(statuses: Iterable<JobStatus> = []): JobStatusPb[] {
  return [...statuses].map((status) => JobStatusPb[status] ?? JobStatusPb.UNSPECIFIED);
}

/** Converts pending states for the filter of a request. */
export function toPendingStates(states: Iterable<PendingState> = []): PendingStatePb[] {
  return [...states].map((state) => PendingStatePb[state] ?? PendingStatePb.UNSPECIFIED);
}

/** Converts a job from its message. */
export function fromJob(job: JobPb): Job {
  return {
    id: job.id,
    ...fromState(job),
    payload: fromPayloadKind(job.payloadKind),
    result: fromPayloadKind(job.resultKind),
    resultDropped: job.resultDropped,
    maxRetries: job.maxRetries,
    backoff: fromBackoff(job.backoff),
    timeoutMs: job.timeout ? durationMs(job.timeout) : 0,
    metadata: job.metadata,
    traceContext: job.traceContext && toTraceContext(job.traceContext),
    expiresAt: toMs(job.expiresAt),
    unique: job.unique && fromUnique(job.unique),
    key: job.key,
    schedule: job.schedule,
    scheduledFor: toMs(job.scheduledFor),
    pendingState: PENDING_STATES[job.pendingState - 1],
    heldBy: HELD_BY[job.heldBy - 1],
    attemptErrors: job.attemptErrors.map(({ time, error, delivery, worker }) => ({
      at: toMs(time) ?? 0,
      error,
      delivery,
      worker,
    })),
    createdAt: toMs(job.createdAt) ?? 0,
    updatedAt: toMs(job.updatedAt) ?? 0,
  };
}

/** Converts a change of a job from its message. */
export function fromChange(change: JobChangePb): JobChange {
  return { jobId: change.jobId, ...fromState(change), at: toMs(change.time) ?? 0, deleted: change.deleted };
}

function fromState(state: JobPb | JobChangePb): JobState {
  return {
    queue: state.queue,
    type: state.type,
    status: JOB_STATUSES[state.status - 1] ?? "PENDING",
    priority: state.priority,
    revision: state.revision,
    retryCount: state.retryCount,
    deliveries: state.deliveries,
    lostLeases: state.lostLeases,
    error: state.error,
    progress: state.progress && { percent: state.progress.percent, message: state.progress.message },
    cancelRequested: state.cancelRequested,
    worker: state.worker,
    runAfter: toMs(state.runAfter) ?? 0,
    startedAt: toMs(state.startedAt),
    finishedAt: toMs(state.finishedAt),
  };
}

function toMs(time: Timestamp | undefined): number | undefined {
  return time && timestampMs(time);
}
