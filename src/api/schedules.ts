import type { AnyJobs, JobTypes, TypeOf } from "../model/job/job-types.js";
import type { NewJob } from "../model/job/new-job.js";
import type { RawJson } from "../model/job/raw-json.js";
import type { MisfirePolicy, OverlapPolicy, ScheduleView } from "../model/request/schedule.js";
import type { CallOptions } from "./call-options.js";
import type { Job } from "./job.js";
import type { Listing } from "./listing.js";

/** What a schedule decides itself, and what belongs to one call. */
type OfOneCreate = "queue" | "delayMs" | "runAfter" | "expiresAt" | "requestId" | "traceContext";

/** What the jobs of a schedule are made of. `Raw`: in what other form their payload may be given. */
export type ScheduledJob<
  Jobs extends JobTypes<Jobs> = AnyJobs,
  Type extends TypeOf<Jobs> = TypeOf<Jobs>,
  Raw = never,
> = Type extends unknown ? Omit<NewJob<Jobs, Type, Raw>, OfOneCreate> : never;

/** What decides the times of a schedule: `cron` or `everyMs`, and what bounds them. */
export interface ScheduleTimes {
  /**
   * A cron expression of five fields, of six with seconds before them, or a nickname such as `@daily`; `@every 90m` is short for
   * `everyMs`.
   */
  readonly cron?: string | undefined;
  /** Time between two runs in ms, from 1000, counted from `startsAt`, or from its creation. */
  readonly everyMs?: number | undefined;
  /** The IANA time zone in which `cron` is meant. Default: UTC. */
  readonly timeZone?: string | undefined;
  /** No time before this: a Date, or ms since 1970. Default: its creation. */
  readonly startsAt?: Date | number | undefined;
  /** No time at this or after it. Default: it never ends. */
  readonly endsAt?: Date | number | undefined;
  /** It ends after so many jobs. Default: no limit. */
  readonly maxRuns?: number | undefined;
}

/** A schedule to create. */
export interface NewSchedule<Jobs extends JobTypes<Jobs> = AnyJobs> extends ScheduleTimes {
  /** The queue that it belongs to and its jobs go to. Default: `default`. */
  readonly queue?: string | undefined;
  /** Its name in the queue. */
  readonly name: string;
  readonly job: ScheduledJob<Jobs, TypeOf<Jobs>, RawJson>;
  /** Whether it makes a job while its last one is not finished. Default: ALLOW. */
  readonly overlap?: OverlapPolicy | undefined;
  /** What becomes of times that were missed. Default: RUN_ONCE. */
  readonly misfire?: MisfirePolicy | undefined;
  /** Each job may run up to this much later than its time, by chance. Default: 0. */
  readonly jitterMs?: number | undefined;
  /** Whether it begins paused. Default: false. */
  readonly paused?: boolean | undefined;
}

/** What to change of a schedule; null: back to the default. One of `cron` and `everyMs` takes the place of the other. */
export type ScheduleChanges<Jobs extends JobTypes<Jobs> = AnyJobs> = {
  readonly [Name in Exclude<keyof NewSchedule, "queue" | "name" | "paused">]?: NewSchedule<Jobs>[Name] | null;
};

/** A schedule as it was at one moment. Times in ms since 1970. */
export interface Schedule<Jobs extends JobTypes<Jobs> = AnyJobs>
  extends Omit<ScheduleView, "cron" | "everyMs" | "job"> {
  /** Undefined: it has `everyMs`. */
  readonly cron: string | undefined;
  /** Undefined: it has `cron`. */
  readonly everyMs: number | undefined;
  /** What is not said is left out, so that it can be used for another schedule. */
  readonly job: ScheduledJob<Jobs>;
  /** The payload of its jobs to the letter. Undefined: bytes, or none. */
  readonly payloadText: string | undefined;
}

/** Where a schedule is; `queue` defaults to `default`. */
export interface ScheduleName {
  readonly queue?: string | undefined;
  readonly name: string;
}

/** Which schedules to list. */
export interface ScheduleQuery {
  /** Only those of this queue. Default: of all. */
  readonly queue?: string | undefined;
  /** Most schedules on a page, 1 to 1000. Default 50. */
  readonly pageSize?: number | undefined;
  /** `nextPageToken` of the page before. Default: the first page. */
  readonly pageToken?: string | undefined;
}

/** Creates, reads, changes, pauses, triggers and deletes schedules: what creates jobs by the calendar, or at even intervals. */
export interface Schedules<Jobs extends JobTypes<Jobs> = AnyJobs> {
  /** Creates a schedule. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_EXISTS. */
  create(schedule: NewSchedule<Jobs>, options?: CallOptions): Promise<Schedule<Jobs>>;
  /** FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  get(schedule: ScheduleName, options?: CallOptions): Promise<Schedule<Jobs>>;
  /** Lists schedules by queue, then by name; of all queues unless one is named. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  list(query?: ScheduleQuery, options?: CallOptions): Listing<Schedule<Jobs>>;
  /** Changes what is given. Changed times begin with the first after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  update(schedule: ScheduleName, changes: ScheduleChanges<Jobs>, options?: CallOptions): Promise<Schedule<Jobs>>;
  /** Deletes a schedule; jobs that it made stay. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  delete(schedule: ScheduleName, options?: CallOptions): Promise<void>;
  /** Makes it make no more jobs. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  pause(schedule: ScheduleName, options?: CallOptions): Promise<Schedule<Jobs>>;
  /** Makes it go on with its next time after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  resume(schedule: ScheduleName, options?: CallOptions): Promise<Schedule<Jobs>>;
  /** Creates its job now, whatever its state, and resolves to the job. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND, QUEUE_FULL. */
  trigger(schedule: ScheduleName, options?: CallOptions): Promise<Job<Jobs>>;
  /** The next times that a schedule would have, in ms since 1970: up to `count`, 1 to 100, default 5. FIELD_INVALID. */
  preview(
    times: ScheduleTimes,
    options?: CallOptions & { readonly count?: number | undefined; readonly after?: Date | number | undefined },
  ): Promise<readonly number[]>;
}
