import type { EnqueueResult, NewJob } from "../../../core/backend.js";
import { givenByQueue } from "../../../core/queue-defaults.js";
import { memoryFull, queueFull, requestIdReused } from "../../../model/errors.js";
import { jobIdOf, numberOf } from "../../../model/ids.js";
import { newRecord, type RareFields, toJob } from "../job-record.js";
import type { JobStore } from "../job-store.js";
import type { QueueState } from "../queue-state.js";

/**
 * Creates all of the jobs or none. Throws MEMORY_FULL, QUEUE_NOT_FOUND, REQUEST_ID_REUSED or QUEUE_FULL before the first is
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
      return { id, deduplicated: true, existing: record && toJob(record), ...known.times };
    }
    const waitMs = job.runAfter === undefined ? (job.delayMs ?? 0) : undefined;
    const times = store.times(now, job.runAfter ?? now + (job.delayMs ?? 0));
    const number = numberOf(job.id);
    if (requestId !== undefined) queue.requestIds.add(requestId, { number, digest, times }, monotonic);
    const given = givenByQueue(job, queue.settings, now);
    const whole = given === undefined ? job : { ...job, ...given };
    const spec = queue.sharedSpecOf(whole);
    const record = newRecord(rareOf(whole, now, queue), number, spec, job.payload, requestId, times);
    store.add(record, waitMs);
    if (record.expiresAt !== undefined) store.expireLater(record, whole.ttlMs);
    const result = { id: job.id, deduplicated: false, ...times };
    return given === undefined ? result : { ...result, given };
  });
}

/** The fields that most jobs do not have; undefined when this one does not either. */
function rareOf(job: NewJob, now: number, queue: QueueState): RareFields | undefined {
  const { traceContext, ttlMs, expiresAt, schedule, scheduledFor, key } = job;
  const hasTtl = ttlMs !== undefined;
  const isPlain = traceContext === undefined && expiresAt === undefined && !hasTtl && schedule === undefined;
  if (isPlain) return key === undefined ? undefined : queue.rareOf(key);
  return { traceContext, expiresAt: hasTtl ? now + ttlMs : expiresAt, hasTtl, schedule, scheduledFor, key };
}

/** Throws for what cannot be created: an unknown queue, a request id with another content, jobs that do not fit. */
function refuse(store: JobStore, jobs: readonly NewJob[], monotonic: number): void {
  let added: Map<QueueState, number> | undefined;
  let digests: Map<QueueState, Map<string, string>> | undefined;
  for (const [index, { queue: name, requestId, digest = "" }] of jobs.entries()) {
    const queue = store.queue(name);
    if (requestId !== undefined) {
      digests ??= new Map();
      const earlier = digests.get(queue) ?? new Map<string, string>();
      const known = queue.requestIds.find(requestId, monotonic)?.digest ?? earlier.get(requestId);
      if (known !== undefined && known !== digest) throw requestIdReused(index);
      if (known !== undefined) continue;
      digests.set(queue, earlier.set(requestId, digest));
    }
    if (queue.settings.maxDepth === 0) continue;
    added ??= new Map();
    const count = (added.get(queue) ?? 0) + 1;
    if (queue.depth + count > queue.settings.maxDepth) throw queueFull(queue.name, queue.settings.maxDepth);
    added.set(queue, count);
  }
}
