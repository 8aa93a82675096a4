import type { Change } from "../../../core/port/changes.js";
import { writeSchedule } from "../../../core/stores/saved-schedule.js";
import { createdState, type Payload } from "../../../model/job/job.js";
import { REQUEST_ID_TTL_MS } from "../../../model/job/request-id.js";
import type { Unique } from "../../../model/job/unique.js";
import { savedTraceContext, type TraceContext } from "../../../model/log/trace-context.js";
import type { Schedule } from "../../../model/request/schedule.js";
import type { Moment } from "../indexes/two-clocks.js";
import type { AnsweredLeaseRequest } from "../journal.js";
import { keyOf } from "../lease-requests.js";
import type { QueuedJob, QueueState } from "../queue-state.js";
import { savedRate } from "../rates.js";
import { fieldsText } from "./fields-text.js";
import type { JobPlace, SharedJobSpec } from "./job-record.js";

/*
 * The records of a store as JSON texts with named fields, as a journal keeps them and `Restorer` reads them back. Fields
 * that have their first value are left out, so that one that an older record lacks has it too. Moments on the monotonic clock do not outlive a process: durations and
 * stamps of the wall clock stand in for them.
 */

/** A job as it was created: what changes only when it is revised. */
export interface SavedJob {
  readonly id: string;
  /** What it has in common with other jobs of its queue. */
  readonly spec: string;
  /** What it alone has; see `OwnFields`. */
  readonly own: string;
  readonly payload: Payload | undefined;
}

/** The fields of `SavedJob.own`. */
export interface OwnFields {
  readonly createdAt: number;
  readonly runAfter: number;
  /** Of its queue; see `QueueState`. */
  readonly generation?: number;
  /** Where it waits, until it has a state. */
  readonly place?: JobPlace;
  readonly requestId?: string;
  /** Tells the content of the request; see `contentDigest`. */
  readonly digest?: string;
  readonly traceContext?: Partial<TraceContext>;
  readonly expiresAt?: number;
  readonly hasTtl?: boolean;
  readonly schedule?: string;
  readonly scheduledFor?: number;
  readonly key?: string;
  readonly unique?: Unique;
}

/** A request id that is remembered without a job of its own: that is gone, or its create met another one. */
export interface SavedRequestId {
  readonly queue: string;
  readonly key: string;
  readonly record: string;
  /** When it may be forgotten, ms since 1970. */
  readonly until: number;
}

/** A lease call with a request id. */
export interface SavedLeaseRequest {
  readonly key: string;
  readonly record: string;
  readonly until: number;
}

/** A change with the first value of each field. */
export function firstChange(): Change {
  return { jobId: "", queue: "", type: "", priority: 0, deleted: false, ...createdState(0, 0) };
}

const FIRST_CHANGE = firstChange();

const specTexts = new WeakMap<SharedJobSpec, string>();

/** What the job was created with, or revised to. */
export function savedJob(record: QueuedJob): SavedJob {
  return { id: record.id, spec: specText(record.shared), own: ownText(record), payload: record.payload };
}

function specText(shared: SharedJobSpec): string {
  let text = specTexts.get(shared);
  if (text === undefined) {
    const { label, queue: _queue, ...spec } = shared;
    text = JSON.stringify({ type: label.type, priority: label.priority, ...spec });
    specTexts.set(shared, text);
  }
  return text;
}

function ownText(record: QueuedJob): string {
  const { createdAt, place, requestId, queue, traceContext, expiresAt, schedule, key, unique } = record;
  // That of its creation is told to repeats of the request. A job that was revised has a state, with the one that holds.
  const known = requestId === undefined ? undefined : queue.requestIds.get(requestId);
  const { runAfter } = known?.number === record.number ? known.times : record;
  let text = `{"createdAt":${createdAt},"runAfter":${runAfter}`;
  if (queue.generation > 0) text += `,"generation":${queue.generation}`;
  if (place !== "READY") text += `,"place":"${place}"`;
  if (requestId !== undefined) {
    text += `,"requestId":${JSON.stringify(requestId)},"digest":${JSON.stringify(known?.digest ?? "")}`;
  }
  if (traceContext !== undefined) text += `,"traceContext":${JSON.stringify(savedTraceContext(traceContext))}`;
  if (expiresAt !== undefined) text += `,"expiresAt":${expiresAt},"hasTtl":${record.hasTtl}`;
  if (schedule !== undefined) {
    text += `,"schedule":${JSON.stringify(schedule)},"scheduledFor":${JSON.stringify(record.scheduledFor)}`;
  }
  if (key !== undefined) text += `,"key":${JSON.stringify(key)}`;
  if (unique !== undefined) text += `,"unique":${JSON.stringify(unique)}`;
  return `${text}}`;
}

/** A queue, without its jobs. */
export function savedQueue(queue: QueueState, moment: Moment): string {
  const { settings, paused, createdAt, completed, generation } = queue;
  return JSON.stringify({ settings, paused, createdAt, completed, generation, rate: savedRate(queue, moment) });
}

/** A schedule. When a tick told it as due is forgotten: the next one tells it again. */
export function savedSchedule(schedule: Schedule): string {
  return writeSchedule(schedule);
}

/** An entry of the change log. */
export function savedChange(change: Change): string {
  return `{${fieldsText(change, FIRST_CHANGE).slice(1)}}`;
}

/** What is still to be remembered of the request id of a job that is gone, if anything. */
export function savedRequestId({ requestId, number, queue }: QueuedJob): SavedRequestId | undefined {
  const known = requestId === undefined ? undefined : queue.requestIds.get(requestId);
  if (known?.number !== number) return undefined;
  const { digest, times } = known;
  const key = JSON.stringify([queue.name, requestId]);
  const record = JSON.stringify({ requestId, number, digest, ...times });
  return { queue: queue.name, key, record, until: times.createdAt + REQUEST_ID_TTL_MS };
}

/** A request id of a create that met a job at `at`, ms since 1970; undefined when it is forgotten by now. */
export function savedMeeting(queue: QueueState, requestId: string, at: number): SavedRequestId | undefined {
  const known = queue.requestIds.get(requestId);
  if (known?.met === undefined) return undefined;
  const { number, digest, times, met } = known;
  const key = JSON.stringify([queue.name, requestId]);
  const record = JSON.stringify({ requestId, number, digest, ...times, met, at });
  return { queue: queue.name, key, record, until: at + REQUEST_ID_TTL_MS };
}

/** A lease call that was answered at `now`, ms since 1970. */
export function savedLeaseRequest(request: AnsweredLeaseRequest, now: number): SavedLeaseRequest {
  const key = keyOf(request.worker, request.requestId);
  return { key, record: JSON.stringify(request), until: now + request.leaseMs };
}
