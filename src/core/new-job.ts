import { DEFAULT_BACKOFF, toBackoff } from "../model/job/backoff.js";
import type { Backoff, Job } from "../model/job/job.js";
import { contentDigest } from "../model/job/request-id.js";
import { toUnique } from "../model/job/unique.js";
import type { TraceContext } from "../model/log/trace-context.js";
import { type IdGenerator, jobIdOf } from "../model/queue/ids.js";
import { DEFAULT_QUEUE } from "../model/queue/queue.js";
import type { JobRequest } from "../model/request/validate.js";
import type { EnqueueResult, NewJob } from "./port/new-jobs.js";
import { OPEN } from "./port/queue-defaults.js";

/** Values for jobs that do not set their own. */
export interface JobDefaults {
  /** Default 5. */
  readonly maxRetries: number;
  /** Default 100 ms, growing to at most 5000 ms. */
  readonly backoff: Backoff;
}

/** The defaults of `JobDefaults`. */
export const DEFAULT_JOB_DEFAULTS: JobDefaults = {
  maxRetries: 5,
  backoff: DEFAULT_BACKOFF,
};

const NO_METADATA: Readonly<Record<string, string>> = {};

/** Makes what a store is told to create of what somebody asked for: with an id, and with defaults for what it leaves open. */
export type NewJobs = (request: JobRequest, traceContext: TraceContext | undefined) => NewJob;

/** Creates the function that makes jobs of requests. */
export function createNewJobs(ids: IdGenerator, defaults: JobDefaults): NewJobs {
  return (request, traceContext) => {
    const { backoff } = request;
    const unique = request.unique && toUnique(request.unique);
    const queue = request.queue || DEFAULT_QUEUE;
    return {
      id: jobIdOf(queue, ids.next()),
      queue,
      type: request.type,
      payload: request.payload,
      priority: request.priority ?? 0,
      maxRetries: request.maxRetries ?? defaults.maxRetries,
      backoff: backoff === undefined ? defaults.backoff : toBackoff(backoff, defaults.backoff),
      timeoutMs: Math.ceil(request.timeoutMs ?? 0),
      metadata: request.metadata ?? NO_METADATA,
      traceContext,
      delayMs: wholeMs(request.delayMs),
      runAfter: wholeMs(request.runAfter),
      ttlMs: wholeMs(request.ttlMs),
      expiresAt: wholeMs(request.expiresAt),
      key: request.key || undefined,
      unique: unique?.unique,
      onConflict: unique?.onConflict,
      requestId: request.requestId || undefined,
      digest: request.requestId ? digestOf(request) : undefined,
      open:
        (request.maxRetries === undefined ? OPEN.maxRetries : 0) |
        (backoff === undefined ? OPEN.backoff : 0) |
        (request.timeoutMs === undefined ? OPEN.timeoutMs : 0) |
        (request.ttlMs === undefined && request.expiresAt === undefined ? OPEN.expiry : 0),
    };
  };
}

/** As the request says it, without what this server adds: another one may have other defaults. */
function digestOf({ type, payload, metadata, key, unique, ...request }: JobRequest): string {
  const { priority = 0, maxRetries, delayMs, runAfter, timeoutMs = 0, backoff = {} } = request;
  const { baseDelayMs, maxDelayMs, multiplier, delaysMs } = backoff;
  const numbers = [priority, maxRetries, delayMs, runAfter, timeoutMs, baseDelayMs, maxDelayMs];
  // Only when there are any: digests of older versions are kept in stores.
  if (multiplier !== undefined || delaysMs !== undefined) numbers.push(multiplier, ...(delaysMs ?? []));
  const { ttlMs, expiresAt } = request;
  if (ttlMs !== undefined || expiresAt !== undefined) numbers.push(undefined, undefined, ttlMs, expiresAt);
  return contentDigest({ type, payload, metadata, numbers, key, unique });
}

/** Times are stored in whole ms; fractions are rounded up. */
export function wholeMs(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.ceil(ms);
}

/**
 * Returns a job as it is right after its creation, which saves reading it back. The fields are listed one by one
 * because spreads here cost six times as much as the whole create.
 */
export function newlyCreated(spec: NewJob, { id, createdAt, runAfter, given }: EnqueueResult): Job {
  const ttlMs = given?.ttlMs ?? spec.ttlMs;
  return {
    id,
    queue: spec.queue,
    type: spec.type,
    payload: spec.payload,
    priority: spec.priority,
    maxRetries: given?.maxRetries ?? spec.maxRetries,
    backoff: given?.backoff ?? spec.backoff,
    timeoutMs: given?.timeoutMs ?? spec.timeoutMs,
    metadata: spec.metadata,
    traceContext: spec.traceContext,
    expiresAt: ttlMs === undefined ? (given?.expiresAt ?? spec.expiresAt) : createdAt + ttlMs,
    unique: spec.unique,
    key: spec.key,
    schedule: spec.schedule,
    scheduledFor: spec.scheduledFor,
    status: "PENDING",
    revision: 1,
    retryCount: 0,
    deliveries: 0,
    lostLeases: 0,
    error: "",
    attemptErrors: [],
    resultDropped: false,
    result: undefined,
    progress: undefined,
    cancelRequested: false,
    worker: "",
    createdAt,
    updatedAt: createdAt,
    runAfter,
    startedAt: undefined,
    finishedAt: undefined,
  };
}
