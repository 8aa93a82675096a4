import type { EnqueueResult, NewJob } from "../../../core/port/new-jobs.js";
import { givenByQueue } from "../../../core/port/queue-defaults.js";
import { jobExists, memoryFull, queueFull, requestIdReused } from "../../../model/common/errors.js";
import { jobIdOf, numberOf } from "../../../model/queue/ids.js";
import type { JobStore } from "../job-store.js";
import type { QueuedJob, QueueState } from "../queue-state.js";
import { toJob } from "../records/copies.js";
import { newRecord, type RareFields } from "../records/job-record.js";
import { JoblessCreate } from "../request-ids.js";
import { revise } from "./revise.js";

/**
 * Creates all of the jobs or none. Throws MEMORY_FULL, QUEUE_NOT_FOUND, REQUEST_ID_REUSED, JOB_EXISTS or QUEUE_FULL before the first is
 * created.
 */
export function enqueue(store: JobStore, jobs: readonly NewJob[]): EnqueueResult[] {
  if (store.isFull()) throw memoryFull();
  const monotonic = store.clock.monotonic();
  refuse(store, jobs, monotonic);
  const now = store.clock.now();
  return jobs.map((job): EnqueueResult => {
    const queue = store.queue(job.queue);
    const { requestId, digest = "" } = job;
    const known = requestId === undefined ? undefined : queue.requestIds.find(requestId, monotonic);
    if (known !== undefined) {
      const record = queue.jobs.get(known.number);
      const id = jobIdOf(job.queue, known.number);
      return { id, deduplicated: true, met: known.met, existing: record && toJob(record), ...known.times };
    }
    const holder = job.unique && store.claims.holder(queue, job.unique.key);
    if (holder !== undefined) return meet(store, holder, job, now);
    const waitMs = job.runAfter === undefined ? (job.delayMs ?? 0) : undefined;
    const times = store.times(now, job.runAfter ?? now + (job.delayMs ?? 0));
    const number = numberOf(job.id);
    const given = givenByQueue(job, queue.settings, now);
    const whole = given === undefined ? job : { ...job, ...given };
    const spec = queue.sharedSpecOf(whole);
    const record = newRecord(rareOf(whole, now, queue), number, spec, job.payload, requestId, times);
    if (requestId !== undefined) queue.requestIds.add(record, digest, times, monotonic);
    if (job.unique !== undefined) store.claims.take(record);
    store.add(record, waitMs);
    if (record.expiresAt !== undefined) store.expiring.later(record, whole.ttlMs);
    const result = { id: job.id, deduplicated: false, ...times };
    return given === undefined ? result : { ...result, given };
  });
}

/** The fields that most jobs do not have; undefined when this one does not either. */
function rareOf(job: NewJob, now: number, queue: QueueState): RareFields | undefined {
  const { traceContext, ttlMs, expiresAt, schedule, scheduledFor, key, unique } = job;
  const hasTtl = ttlMs !== undefined;
  const isTimeless = expiresAt === undefined && !hasTtl && schedule === undefined;
  const isPlain = traceContext === undefined && isTimeless && unique === undefined;
  if (isPlain) return key === undefined ? undefined : queue.rareOf(key);
  return { traceContext, expiresAt: hasTtl ? now + ttlMs : expiresAt, hasTtl, schedule, scheduledFor, key, unique };
}

/** A create meets the job that holds its unique key, and replaces it if it is to and that one waits. */
function meet(store: JobStore, holder: QueuedJob, job: NewJob, now: number): EnqueueResult {
  const { requestId, digest = "" } = job;
  const isReplaced = job.onConflict === "REPLACE" && holder.status === "PENDING";
  const met = isReplaced ? "REPLACED" : "KEPT";
  const record = isReplaced ? replace(store, holder, job, now) : holder;
  const { queue, number, times } = record;
  if (requestId !== undefined) {
    queue.requestIds.add(new JoblessCreate(requestId, number, met), digest, times, store.clock.monotonic());
    store.journal?.met(queue, requestId);
  }
  return { id: record.id, deduplicated: true, met, existing: toJob(record), ...times };
}

/** A waiting job becomes what a create asks for, and keeps its id, its creation and its uniqueness. Returns its record. */
function replace(store: JobStore, holder: QueuedJob, job: NewJob, now: number): QueuedJob {
  const { queue, unique } = holder;
  const { payload, delayMs = 0 } = job;
  const given = givenByQueue(job, queue.settings, now);
  const whole = given === undefined ? job : { ...job, ...given };
  const shared = queue.sharedSpecOf(whole);
  const isTimed = job.runAfter !== undefined;
  const when = { runAfter: job.runAfter ?? now + delayMs, waitMs: isTimed ? undefined : delayMs };
  const run = holder.changing;
  run.retryCount = 0;
  const record = revise(store, holder, { shared, payload, when, rare: { ...rareOf(whole, now, queue), unique } }, now);
  // Once it has begun it does not expire.
  if (run.deliveries === 0) store.expiring.later(record, whole.ttlMs);
  return record;
}

/**
 * Throws for what cannot be created: an unknown queue, a request id with another content, a unique key that is held, jobs that do
 * not fit.
 */
function refuse(store: JobStore, jobs: readonly NewJob[], monotonic: number): void {
  let added: Map<QueueState, number> | undefined;
  let digests: Map<QueueState, Map<string, string>> | undefined;
  let keys: Map<QueueState, Set<string>> | undefined;
  for (const [index, { queue: name, requestId, digest = "", unique, onConflict }] of jobs.entries()) {
    const queue = store.queue(name);
    if (requestId !== undefined) {
      digests ??= new Map();
      const earlier = digests.get(queue) ?? new Map<string, string>();
      const known = queue.requestIds.find(requestId, monotonic)?.digest ?? earlier.get(requestId);
      if (known !== undefined && known !== digest) throw requestIdReused(index);
      if (known !== undefined) continue;
      digests.set(queue, earlier.set(requestId, digest));
    }
    if (unique !== undefined) {
      keys ??= new Map();
      const earlier = keys.get(queue) ?? new Set<string>();
      const holder = store.claims.holder(queue, unique.key);
      const isHeld = holder !== undefined || earlier.has(unique.key);
      if (isHeld && onConflict === "REFUSE") throw jobExists(unique.key, holder?.id, index);
      if (isHeld) continue;
      keys.set(queue, earlier.add(unique.key));
    }
    if (queue.settings.maxDepth === 0) continue;
    added ??= new Map();
    const count = (added.get(queue) ?? 0) + 1;
    if (queue.depth + count > queue.settings.maxDepth) throw queueFull(queue.name, queue.settings.maxDepth);
    added.set(queue, count);
  }
}
