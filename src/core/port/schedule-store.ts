import { JOB_OVERHEAD_BYTES, payloadBytes } from "../../model/job/job.js";
import type { Schedule, ScheduleSkip, ScheduleSpec } from "../../model/request/schedule.js";
import type { EnqueueResult, NewJob } from "./new-jobs.js";

/**
 * The part of a store that keeps schedules. A schedule lives in its queue and goes with it. The store does not know when a schedule
 * runs: who creates or changes one says its next time, and the store tells in a tick when that has come. What is to be done then is
 * decided from the schedule as it was told, and done in one step if it still is as it was: so each due time makes its job once,
 * however many processes decide it, and none is lost when one of them ends in between.
 */
export interface ScheduleStore {
  /** QUEUE_NOT_FOUND, SCHEDULE_EXISTS; QUEUE_FULL when the store has no memory left. */
  createSchedule(schedule: NewSchedule): Promise<Schedule>;
  /** QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  getSchedule(queue: string, name: string): Promise<Schedule>;
  /** Reads a page of a queue's schedules by name; a page may end early, where they are large. QUEUE_NOT_FOUND. */
  listSchedules(query: ScheduleQuery): Promise<SchedulePage>;
  /**
   * Changes a schedule that still is as it was read; its revision goes up. Undefined, and nothing changed, when it is another by
   * now: read it again. QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND; QUEUE_FULL when it gets larger and the store has no memory left.
   */
  updateSchedule(change: ScheduleChange): Promise<Schedule | undefined>;
  /** QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. Jobs that it made stay. */
  deleteSchedule(queue: string, name: string): Promise<void>;
  /**
   * Creates the jobs of a schedule, all or none, and moves it on, in one step. QUEUE_FULL, QUEUE_NOT_FOUND and what else `enqueue`
   * refuses jobs with: then it does not move on, and a tick tells it again; see `retryAfterMs`.
   */
  fireSchedule(firing: Firing): Promise<FiringResult>;
}

/** Shortest and longest wait before a schedule that a tick told as due, and that did not move on, is told again, ms. */
export const MIN_RETRY_MS = 1000;
export const MAX_RETRY_MS = 30_000;

/**
 * That wait, on the store's wall clock: a tenth of how late the schedule is. So another process soon takes over from one that
 * ended, and thousands that find their queue full for long do not keep everybody busy.
 */
export function retryAfterMs(lateMs: number): number {
  return Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, Math.floor(lateMs / 10)));
}

/** About the size of a schedule, where it is kept and in an answer. */
export function scheduleBytes({ job }: Pick<ScheduleSpec, "job">): number {
  let bytes = JOB_OVERHEAD_BYTES + payloadBytes(job.payload);
  for (const [key, value] of Object.entries(job.metadata ?? {})) bytes += key.length + value.length;
  return bytes;
}

/** The most schedules of a queue that one tick tells as due. */
export const DUE_SCHEDULES = 100;

/** A schedule to create. */
export interface NewSchedule {
  readonly spec: ScheduleSpec;
  readonly paused: boolean;
  /** When it was decided, by the store's clock, ms since 1970: even times of `everyMs` count from here. */
  readonly createdAt: number;
  /** See `Schedule.nextRunAt`. */
  readonly nextRunAt: number | undefined;
}

/** Tells whether a schedule is as it was read: since then, nobody has changed it and no due time has made a job. */
export type ScheduleVersion = Pick<Schedule, "createdAt" | "revision" | "nextRunAt">;

/** A change that somebody asked for. */
export interface ScheduleChange {
  /** All of it, as it is to be; queue and name tell which it is. */
  readonly spec: ScheduleSpec;
  readonly paused: boolean;
  readonly nextRunAt: number | undefined;
  /** What it was when that was decided. */
  readonly was: ScheduleVersion & Pick<ScheduleSpec, "job">;
}

/** Which schedules to read. */
export interface ScheduleQuery {
  readonly queue: string;
  /** Those behind this name. Default: from the first. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** Schedules by name. */
export interface SchedulePage {
  readonly schedules: readonly Schedule[];
  /** `after` of the next page; undefined: this is the last. */
  readonly next: string | undefined;
}

/** A schedule whose next time has come. */
export interface DueSchedule {
  readonly schedule: Schedule;
  /** The time of the store when it was told, ms since 1970. */
  readonly now: number;
}

/** What a schedule does at its time, or when somebody runs it by hand. */
export interface Firing {
  readonly queue: string;
  readonly name: string;
  /** What it was when this was decided. */
  readonly was: ScheduleVersion;
  /** The jobs that it makes, in the order of their times, all with `schedule` and `scheduledFor`, in its queue. None: it only moves on. */
  readonly jobs: readonly NewJob[];
  /** Whether it makes no job while the job that it made last is PENDING or RUNNING. */
  readonly skipsOverlap: boolean;
  /** Then; ignored once it has made `maxRuns` jobs. By hand: as it was. */
  readonly nextRunAt: number | undefined;
  readonly maxRuns: number | undefined;
  /** A time that makes no job, to be remembered. */
  readonly skip?: ScheduleSkip | undefined;
  /** Somebody runs it: that counts no run, and its times stay as they are. Default: false. */
  readonly byHand?: boolean | undefined;
}

/**
 * What came of it. FIRED: the jobs were created, if there were any; `results` in their order. SKIPPED: it has moved on without them,
 * as its last job is not finished. STALE: it is not as it was, or gone; nothing was done.
 */
export type FiringResult =
  | { readonly outcome: "FIRED"; readonly results: readonly EnqueueResult[] }
  | { readonly outcome: "SKIPPED" | "STALE" };

/** A new schedule as it is then. */
export function createdSchedule({ spec, paused, createdAt, nextRunAt }: NewSchedule): Schedule {
  return {
    ...spec,
    paused,
    nextRunAt,
    revision: 1,
    createdAt,
    updatedAt: createdAt,
    lastRunAt: undefined,
    lastJobId: undefined,
    runs: 0,
    lastSkip: undefined,
  };
}

/** Whether a schedule is as it was read. */
export function isAsRead(schedule: Schedule, was: ScheduleVersion): boolean {
  return (
    schedule.createdAt === was.createdAt && schedule.revision === was.revision && schedule.nextRunAt === was.nextRunAt
  );
}

/** A schedule after somebody changed it. */
export function changedSchedule(schedule: Schedule, change: ScheduleChange, now: number): Schedule {
  const { createdAt, updatedAt, revision, lastRunAt, lastJobId, runs, lastSkip } = schedule;
  const { spec, paused, nextRunAt } = change;
  return {
    ...spec,
    paused,
    nextRunAt,
    revision: revision + 1,
    createdAt,
    updatedAt: Math.max(updatedAt, now),
    lastRunAt,
    lastJobId,
    runs,
    lastSkip,
  };
}

/**
 * A schedule after it has moved on. `results`: of its jobs, of which those with a unique key may have been there already; none: it
 * skipped them.
 */
export function firedSchedule(schedule: Schedule, firing: Firing, results: readonly EnqueueResult[] = []): Schedule {
  const { jobs, byHand = false, maxRuns } = firing;
  const at = jobs.at(-1)?.scheduledFor;
  const lastJobId = results.at(-1)?.id;
  const isOverlap = lastJobId === undefined && at !== undefined;
  const made = results.filter(({ deduplicated }) => !deduplicated).length;
  const runs = schedule.runs + (byHand ? 0 : made);
  const nextRunAt = byHand
    ? schedule.nextRunAt
    : maxRuns !== undefined && runs >= maxRuns
      ? undefined
      : firing.nextRunAt;
  const lastSkip = isOverlap ? { at, reason: "OVERLAP" as const } : (firing.skip ?? stillSkipped(schedule, lastJobId));
  if (lastJobId === undefined) return { ...schedule, nextRunAt, lastSkip };
  return { ...schedule, nextRunAt, runs, lastSkip, lastJobId, lastRunAt: at };
}

/** A time that found no room, and has made its job now, was not skipped. */
function stillSkipped({ lastSkip, nextRunAt }: Schedule, lastJobId: string | undefined): ScheduleSkip | undefined {
  return lastJobId !== undefined && lastSkip?.at === nextRunAt ? undefined : lastSkip;
}
