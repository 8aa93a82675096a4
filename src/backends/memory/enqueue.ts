import type { EnqueueResult, NewJob } from "../../core/backend.js";
import { memoryFull, queueFull } from "../../model/errors.js";
import { numberOf } from "../../model/ids.js";
import { JobRecord, toJob } from "./job-record.js";
import type { JobStore } from "./job-store.js";
import type { QueueState } from "./queue-state.js";

/** Creates all of the jobs or none. Throws MEMORY_FULL, QUEUE_NOT_FOUND or QUEUE_FULL before the first is created. */
export function enqueue(store: JobStore, jobs: readonly NewJob[]): EnqueueResult[] {
  if (store.isFull()) throw memoryFull();
  refuseWhatDoesNotFit(store, jobs);
  const now = store.clock.now();
  return jobs.map((job) => {
    const queue = store.queue(job.queue);
    const known = job.requestId === undefined ? undefined : queue.requests.get(job.requestId);
    if (known !== undefined) {
      return { id: known.id, existing: toJob(known), createdAt: known.createdAt, runAfter: known.runAfter };
    }
    const times = store.times(now, job.runAfter ?? now + (job.delayMs ?? 0));
    store.add(new JobRecord(numberOf(job.id), queue.sharedSpecOf(job), job.payload, job.requestId, times));
    return { id: job.id, existing: undefined, createdAt: now, runAfter: times.runAfter };
  });
}

function refuseWhatDoesNotFit(store: JobStore, jobs: readonly NewJob[]): void {
  let added: Map<QueueState, number> | undefined;
  let requests: Set<string> | undefined;
  for (const job of jobs) {
    const queue = store.queue(job.queue);
    if (queue.settings.maxDepth === 0) continue;
    if (job.requestId !== undefined) {
      const key = `${job.queue}\n${job.requestId}`;
      requests ??= new Set();
      if (queue.requests.has(job.requestId) || requests.has(key)) continue;
      requests.add(key);
    }
    added ??= new Map();
    const count = (added.get(queue) ?? 0) + 1;
    if (queue.depth + count > queue.settings.maxDepth) throw queueFull(queue.name, queue.settings.maxDepth);
    added.set(queue, count);
  }
}
