import {
  changedSchedule,
  createdSchedule,
  type DueSchedule,
  type Firing,
  type FiringResult,
  firedSchedule,
  isAsRead,
  type NewSchedule,
  type ScheduleChange,
  type SchedulePage,
  type ScheduleQuery,
  scheduleBytes,
} from "../../../core/port/schedule-store.js";
import { memoryFull, scheduleExists, scheduleNotFound, TaskQueueError } from "../../../model/common/errors.js";
import { LIMITS } from "../../../model/common/limits.js";
import type { Schedule } from "../../../model/request/schedule.js";
import { ScheduleTable } from "../indexes/schedule-table.js";
import type { JobStore } from "../job-store.js";
import type { QueueState } from "../queue-state.js";
import { enqueue } from "./enqueue.js";

export function createSchedule(store: JobStore, created: NewSchedule): Schedule {
  const { queue: queueName, name } = created.spec;
  const queue = store.queue(queueName);
  if (queue.schedules?.get(name) !== undefined) throw scheduleExists(queueName, name);
  if (store.isFull()) throw memoryFull();
  return put(store, queue, createdSchedule(created));
}

export function getSchedule(store: JobStore, queueName: string, name: string): Schedule {
  const schedule = store.queue(queueName).schedules?.get(name);
  if (schedule === undefined) throw scheduleNotFound(queueName, name);
  return schedule;
}

export function listSchedules(store: JobStore, { queue, after, limit }: ScheduleQuery): SchedulePage {
  return store.queue(queue).schedules?.page(after, limit, LIMITS.pageBytes) ?? { schedules: [], next: undefined };
}

export function updateSchedule(store: JobStore, change: ScheduleChange): Schedule | undefined {
  const { queue, name } = change.spec;
  const schedule = getSchedule(store, queue, name);
  if (!isAsRead(schedule, change.was)) return undefined;
  if (scheduleBytes(change.spec) > scheduleBytes(schedule) && store.isFull()) throw memoryFull();
  return put(store, store.queue(queue), changedSchedule(schedule, change, store.clock.now()));
}

export function deleteSchedule(store: JobStore, queueName: string, name: string): void {
  const queue = store.queue(queueName);
  if (queue.schedules?.delete(name) !== true) throw scheduleNotFound(queueName, name);
  store.journal?.scheduleChanged(queue, name);
}

/** Creates the jobs of a schedule and moves it on. */
export function fireSchedule(store: JobStore, firing: Firing): FiringResult {
  const queue = store.queue(firing.queue);
  const schedule = queue.schedules?.get(firing.name);
  if (schedule === undefined || !isAsRead(schedule, firing.was)) return { outcome: "STALE" };
  if (firing.jobs.length > 0 && firing.skipsOverlap && isUnfinished(store, schedule.lastJobId)) {
    put(store, queue, firedSchedule(schedule, firing));
    return { outcome: "SKIPPED" };
  }
  try {
    const results = enqueue(store, firing.jobs);
    put(store, queue, firedSchedule(schedule, firing, results));
    return { outcome: "FIRED", results };
  } catch (error) {
    const isFull = error instanceof TaskQueueError && error.reason === "QUEUE_FULL";
    if (isFull && !firing.byHand && schedule.nextRunAt !== undefined) {
      note(store, queue, { ...schedule, lastSkip: { at: schedule.nextRunAt, reason: "QUEUE_FULL" } });
    }
    throw error;
  }
}

/** Up to `max` schedules of a queue that are due; each is due again after a while, unless it moves on. */
export function dueSchedules(queue: QueueState, now: number, max: number): DueSchedule[] {
  const due = queue.schedules?.takeDue(now, max) ?? [];
  return due.map((schedule) => ({ schedule, now }));
}

function isUnfinished(store: JobStore, id: string | undefined): boolean {
  const status = id === undefined ? undefined : store.job(id)?.status;
  return status === "PENDING" || status === "RUNNING";
}

/** Keeps a schedule, and tells when it is due. */
function put(store: JobStore, queue: QueueState, schedule: Schedule): Schedule {
  queue.schedules ??= new ScheduleTable();
  queue.schedules.put(schedule);
  store.visits.mark(queue);
  if (schedule.nextRunAt !== undefined) store.notices.due(schedule.nextRunAt - store.clock.now());
  store.journal?.scheduleChanged(queue, schedule.name);
  return schedule;
}

function note(store: JobStore, queue: QueueState, schedule: Schedule): void {
  queue.schedules?.note(schedule);
  store.journal?.scheduleChanged(queue, schedule.name);
}
