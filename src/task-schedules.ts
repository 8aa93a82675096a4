import type { ListSchedules } from "./core/operations/list-schedules.js";
import type { ScheduleOperations } from "./core/operations/schedule-operations.js";
import type { Job } from "./model/job.js";
import type { NewTask } from "./model/new-task.js";
import type { ScheduleChanges, ScheduleRequest, ScheduleTimesRequest, ScheduleView } from "./model/schedule.js";
import { toPayload } from "./model/task-payload.js";
import { copyMetadata } from "./model/validate.js";

/** What the jobs of a schedule are made of. */
export type ScheduledTask = Omit<
  NewTask,
  "queue" | "delayMs" | "runAfter" | "expiresAt" | "requestId" | "traceContext"
>;

/** A schedule to create. Times are Dates, or ms since 1970. */
export type NewTaskSchedule = Omit<ScheduleRequest, "job" | "startsAt" | "endsAt"> & {
  readonly job: ScheduledTask;
} & TaskTimes;

/** What to change of a schedule; null: back to the default. One of `cron` and `everyMs` takes the place of the other. */
export type TaskScheduleChanges = {
  readonly [Name in Exclude<keyof NewTaskSchedule, "queue" | "name" | "paused">]?: NewTaskSchedule[Name] | null;
};

interface TaskTimes {
  /** No time before this. Default: its creation. */
  readonly startsAt?: Date | number | undefined;
  /** No time at this or after it. Default: it never ends. */
  readonly endsAt?: Date | number | undefined;
}

/** Where a schedule is; `queue` defaults to `default`. */
interface TaskScheduleName {
  readonly queue?: string | undefined;
  readonly name: string;
}

/** Creates jobs by the calendar, or at even intervals. Errors are `TaskQueueError`s. */
export interface TaskSchedules {
  /** Creates a schedule. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_EXISTS. */
  create(schedule: NewTaskSchedule): Promise<ScheduleView>;
  /** FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  get(schedule: TaskScheduleName): Promise<ScheduleView>;
  /**
   * Resolves to one page, by queue, then by name; of all queues unless one is named. FIELD_INVALID, PAGE_TOKEN_INVALID,
   * QUEUE_NOT_FOUND.
   */
  readonly list: ListSchedules;
  /** Changes what is given. Changed times begin with the first after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  update(schedule: TaskScheduleName, changes: TaskScheduleChanges): Promise<ScheduleView>;
  /** Deletes a schedule; jobs that it made stay. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  remove(schedule: TaskScheduleName): Promise<void>;
  /** Makes it make no more jobs. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  pause(schedule: TaskScheduleName): Promise<ScheduleView>;
  /** Makes it go on with its next time after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  resume(schedule: TaskScheduleName): Promise<ScheduleView>;
  /** Creates its job now, whatever its state. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND, QUEUE_FULL. */
  trigger(schedule: TaskScheduleName): Promise<Job>;
  /** The next times that a schedule would have, in ms since 1970: up to `count`, 1 to 100, default 5. FIELD_INVALID. */
  preview(
    times: Omit<ScheduleTimesRequest, keyof TaskTimes> & TaskTimes,
    options?: { readonly count?: number; readonly after?: Date | number },
  ): Promise<readonly number[]>;
}

/** Creates the schedules of the library on the operations of the core. */
export function createTaskSchedules(schedules: ScheduleOperations): TaskSchedules {
  return {
    create: async (schedule) => schedules.create(withTimes({ ...schedule, job: toTemplate(schedule.job) })),
    get: async ({ queue = "", name }) => schedules.get(queue, name),
    list: (query) => schedules.list(query),
    update: async ({ queue = "", name }, { job, ...changes }) =>
      schedules.update(
        queue,
        name,
        withTimes<ScheduleChanges>({ ...changes, ...(job !== undefined && { job: job && toTemplate(job) }) }),
      ),
    remove: async ({ queue = "", name }) => schedules.remove(queue, name),
    pause: async ({ queue = "", name }) => schedules.pause(queue, name),
    resume: async ({ queue = "", name }) => schedules.resume(queue, name),
    trigger: async ({ queue = "", name }) => schedules.trigger(queue, name),
    preview: async (times, { count, after } = {}) =>
      schedules.preview(withTimes<ScheduleTimesRequest>(times), { count, after: toMs(after) }),
  };
}

function toTemplate({ payload, metadata, ...task }: ScheduledTask): ScheduleRequest["job"] {
  return { ...task, payload: toPayload(payload, "job.payload"), metadata: metadata && copyMetadata(metadata, "job.") };
}

type Times = Readonly<Partial<Record<keyof TaskTimes, Date | number | null | undefined>>>;

function withTimes<T>(given: Omit<T, keyof TaskTimes> & Times): T {
  const { startsAt, endsAt } = given;
  return {
    ...given,
    ...(startsAt !== undefined && { startsAt: toMs(startsAt) }),
    ...(endsAt !== undefined && { endsAt: toMs(endsAt) }),
  } as T;
}

function toMs<T>(time: Date | T): number | T {
  return time instanceof Date ? time.getTime() : time;
}
