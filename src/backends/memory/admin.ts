import type { QueueName, RowOutcome } from "../../core/backend.js";
import { jobNotFound, jobStateConflict, queueExists, queueNotEmpty } from "../../model/errors.js";
import type { Job, JobStatus } from "../../model/job.js";
import type { Queue, QueueSettings } from "../../model/queue.js";
import { toJob } from "./job-record.js";
import type { JobStore } from "./job-store.js";
import { QueueState } from "./queue-state.js";

/** Cancels a PENDING job at once; marks a RUNNING one as cancel requested, for its worker to acknowledge. */
export function cancel(store: JobStore, id: string): Job {
  const record = store.job(id);
  if (record === undefined) throw jobNotFound(id);
  const now = store.clock.now();
  if (record.status === "PENDING") {
    const { place } = record;
    store.finish(record, "CANCELED", now);
    // `finish` deletes the job when no finished jobs are kept, and then its place is GONE: hence the copy.
    record.queue.forget(record, place);
  } else if (record.status === "RUNNING" && record.run) {
    if (!record.run.cancelRequested) {
      record.run.cancelRequested = true;
      store.touch(record, now);
    }
  } else if (record.status !== "CANCELED") {
    throw jobStateConflict(id, record.status, "PENDING or RUNNING");
  }
  return toJob(record);
}

/** DEAD to PENDING, ready now, with no retries used and no lost leases. */
export function replay(store: JobStore, ids: readonly string[]): RowOutcome[] {
  const now = store.clock.now();
  return ids.map((id) => {
    const record = store.job(id);
    if (record === undefined) return { outcome: "NOT_FOUND" };
    if (record.status !== "DEAD" || record.run === undefined) return { outcome: "CONFLICT", status: record.status };
    record.queue.unbury(record);
    record.run.retryCount = 0;
    record.run.lostLeases = 0;
    record.runAfter = now;
    record.run.finishedAt = undefined;
    store.step(record, "PENDING", now);
    store.ready(record);
    return { outcome: "APPLIED", job: toJob(record) };
  });
}

/** Deletes the jobs that are in one of these statuses (never PENDING or RUNNING: see `Backend.remove`). */
export function remove(store: JobStore, ids: readonly string[], statuses: readonly JobStatus[]): RowOutcome[] {
  const now = store.clock.now();
  return ids.map((id) => {
    const record = store.job(id);
    if (record === undefined) return { outcome: "NOT_FOUND" };
    if (!statuses.includes(record.status)) return { outcome: "CONFLICT", status: record.status };
    store.delete(record, now);
    return { outcome: "APPLIED" };
  });
}

export function createQueue(store: JobStore, name: string, settings: QueueSettings): Queue {
  if (store.queues.has(name)) throw queueExists(name);
  const queue = new QueueState(name, settings, store.clock.now());
  store.queues.set(name, queue);
  store.markQueues();
  return snapshot(store, queue);
}

export function queues(store: JobStore, names: readonly string[] | undefined): Queue[] {
  const wanted =
    names === undefined ? [...store.queues.values()] : [...new Set(names)].flatMap((n) => store.queues.get(n) ?? []);
  return wanted.map((queue) => snapshot(store, queue)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function snapshot(store: JobStore, queue: QueueState): Queue {
  const moment = store.moment();
  store.promote(queue, moment);
  return queue.snapshot(moment.now);
}

export function queueNames(store: JobStore): QueueName[] {
  const names = [...store.queues.values()].map(({ name, settings }) => ({ name, weight: settings.weight }));
  return names.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function updateQueue(store: JobStore, name: string, settings: Partial<QueueSettings>): Queue {
  const queue = store.queue(name);
  if (settings.ordering !== undefined && settings.ordering !== queue.settings.ordering && queue.depth > 0) {
    throw queueNotEmpty(name, "has waiting jobs: its ordering can be changed only when none waits");
  }
  queue.settings = { ...queue.settings, ...settings };
  store.markQueues();
  store.markReady(queue);
  return snapshot(store, queue);
}

export function setPaused(store: JobStore, name: string, paused: boolean): Queue {
  const queue = store.queue(name);
  queue.paused = paused;
  store.markQueues();
  if (!paused) store.markReady(queue);
  return snapshot(store, queue);
}

export function deleteQueue(store: JobStore, name: string, force: boolean): void {
  const queue = store.queue(name);
  const busy = queue.depth + queue.running.size + queue.dead;
  if (busy > 0 && !force) {
    throw queueNotEmpty(name, "has waiting, running or dead jobs: empty it first, or delete it with force");
  }
  const now = store.clock.now();
  purge(store, name, Number.POSITIVE_INFINITY);
  for (const record of [...queue.all.ascending()]) store.delete(record, now);
  store.queues.delete(name);
  store.markQueues();
}

/** Deletes up to `limit` PENDING jobs, and returns how many. */
export function purge(store: JobStore, name: string, limit: number): number {
  const now = store.clock.now();
  const records = store.queue(name).takeWaiting(limit);
  for (const record of records) store.delete(record, now);
  return records.length;
}
