import type { EnqueueResult, NewJob } from "../../core/backend.js";
import { memoryFull, queueFull } from "../../core/errors.js";
import { type JobOptions, JobRecord, toJob } from "./job-record.js";
import type { JobStore } from "./job-store.js";
import type { QueueState } from "./queue-state.js";

/** Creates jobs, all or none. */
export function enqueue(store: JobStore, jobs: readonly NewJob[]): EnqueueResult[] {
  if (store.isFull()) throw memoryFull();
  refuseWhatDoesNotFit(store, jobs);
  const now = store.clock.now();
  let shared: JobOptions | undefined;
  return jobs.map((job) => {
    const queue = store.queue(job.queue);
    const known = job.requestId === undefined ? undefined : queue.requests.get(job.requestId);
    if (known !== undefined) {
      return { id: known.id, existing: toJob(known), createdAt: known.createdAt, runAfter: known.runAfter };
    }
    // A batch mostly says the same of all its jobs: then they share one object.
    shared = shared !== undefined && sameOptions(shared, job) ? shared : optionsOf(job);
    const runAfter = job.runAfter ?? now + (job.delayMs ?? 0);
    const record = new JobRecord(
      job.id,
      queue,
      queue.internType(job.type),
      job.payload,
      job.priority,
      shared,
      now,
      runAfter,
    );
    store.add(record);
    return { id: job.id, createdAt: now, runAfter };
  });
}

function refuseWhatDoesNotFit(store: JobStore, jobs: readonly NewJob[]): void {
  const added = new Map<QueueState, number>();
  const requests = new Set<string>();
  for (const job of jobs) {
    const queue = store.queue(job.queue);
    if (queue.settings.maxDepth === 0) continue;
    if (job.requestId !== undefined) {
      const key = `${job.queue}\n${job.requestId}`;
      if (queue.requests.has(job.requestId) || requests.has(key)) continue;
      requests.add(key);
    }
    const count = (added.get(queue) ?? 0) + 1;
    if (queue.depth + count > queue.settings.maxDepth) throw queueFull(queue.name, queue.settings.maxDepth);
    added.set(queue, count);
  }
}

function optionsOf(job: NewJob): JobOptions {
  const { maxRetries, backoff, timeoutMs, metadata, requestId } = job;
  return { maxRetries, backoff, timeoutMs, metadata, requestId };
}

function sameOptions(options: JobOptions, job: NewJob): boolean {
  return (
    options.maxRetries === job.maxRetries &&
    options.backoff === job.backoff &&
    options.timeoutMs === job.timeoutMs &&
    options.metadata === job.metadata &&
    options.requestId === job.requestId
  );
}
