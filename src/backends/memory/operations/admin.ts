import { queueExists, queueNotEmpty } from "../../../model/common/errors.js";
import type { Queue, QueueSettings } from "../../../model/queue/queue.js";
import type { JobStore } from "../job-store.js";
import type { QueueState } from "../queue-state.js";
import { changeRate, heldForMs, noteRatePause } from "../rates.js";

/** Jobs of a deleted queue that are forgotten at once; ticks forget the others. */
const FORGET_WORK = 1000;

export function createQueue(store: JobStore, name: string, settings: QueueSettings): Queue {
  if (store.queues.has(name)) throw queueExists(name);
  return snapshot(store, store.createQueue(name, settings));
}

export function queues(store: JobStore, names: readonly string[] | undefined): Queue[] {
  const wanted =
    names === undefined ? [...store.queues.values()] : [...new Set(names)].flatMap((n) => store.queues.get(n) ?? []);
  return wanted.map((queue) => snapshot(store, queue)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Counts the ready jobs of each of these types. */
export function countReady(store: JobStore, name: string, types: readonly string[]): number[] {
  const queue = store.queues.get(name);
  return types.map((type) => queue?.countReady(type) ?? 0);
}

function snapshot(store: JobStore, queue: QueueState): Queue {
  const moment = store.moment();
  store.promote(queue, moment);
  return queue.snapshot(moment.now, heldForMs(queue, moment.monotonic));
}

export function updateQueue(store: JobStore, name: string, settings: Partial<QueueSettings>): Queue {
  const queue = store.queue(name);
  if (settings.ordering !== undefined && settings.ordering !== queue.settings.ordering && queue.depth > 0) {
    throw queueNotEmpty(name, "has waiting jobs: its ordering can be changed only when none waits");
  }
  if (settings.rateLimit !== undefined) changeRate(queue, settings.rateLimit, store.clock.monotonic());
  queue.change(settings);
  store.reviewKeys(queue);
  store.markChanged(queue);
  store.notices.ready(queue);
  // What is kept may be too much now.
  store.notices.due(0);
  return snapshot(store, queue);
}

export function setPaused(store: JobStore, name: string, paused: boolean): Queue {
  const queue = store.queue(name);
  queue.paused = paused;
  noteRatePause(queue);
  store.markChanged(queue);
  if (!paused) store.notices.ready(queue);
  return snapshot(store, queue);
}

export function deleteQueue(store: JobStore, name: string, force: boolean): void {
  const queue = store.queue(name);
  const busy = queue.depth + queue.running.size + queue.deadLetters.size;
  if (busy > 0 && !force) {
    throw queueNotEmpty(name, "has waiting, running or dead jobs: empty it first, or delete it with force");
  }
  store.deleteQueue(queue);
  if (store.forget(FORGET_WORK)) store.notices.due(0);
}

/** Deletes up to `limit` PENDING jobs, and returns how many. */
export function purge(store: JobStore, name: string, limit: number): number {
  const now = store.clock.now();
  const records = store.queue(name).takeWaiting(limit);
  for (const record of records) store.delete(record, now);
  return records.length;
}
