import type { JobRequest } from "./validate.js";

/**
 * What a job that a schedule creates is made of: what a create takes, without what the schedule itself decides (queue and time) and
 * what belongs to one call (request id, trace, a fixed time to expire). What it leaves open is decided as for any other job, by queue
 * and server, at the time that it is created.
 */
export type ScheduledJob = Omit<
  JobRequest,
  "queue" | "delayMs" | "runAfter" | "expiresAt" | "requestId" | "traceContext"
>;

/**
 * What becomes of a due time while the last job of the schedule is not finished. ALLOW: it makes its job all the same. SKIP: it makes
 * none; DONE, CANCELED, DEAD and deleted jobs are finished.
 */
export type OverlapPolicy = "ALLOW" | "SKIP";

/** All of them, the default first. */
export const OVERLAP_POLICIES: readonly OverlapPolicy[] = ["ALLOW", "SKIP"];

/**
 * What becomes of due times that passed while nothing could make their jobs: no server ran, or the store was away. RUN_ONCE: one job,
 * for the last of them. SKIP: none; the schedule goes on with its next time. RUN_ALL: a job for each, up to `MAX_MISSED_RUNS` of the
 * last ones. Time in which a schedule is paused misses nothing.
 */
export type MisfirePolicy = "RUN_ONCE" | "SKIP" | "RUN_ALL";

/** All of them, the default first. */
export const MISFIRE_POLICIES: readonly MisfirePolicy[] = ["RUN_ONCE", "SKIP", "RUN_ALL"];

/** The most jobs that RUN_ALL makes for times that were missed; older ones make none. */
export const MAX_MISSED_RUNS = 100;

/** How late a job may be made, in ms, before its time counts as missed: servers start and change over in less. */
export const MISFIRE_GRACE_MS = 60_000;

/** The time zone of schedules that name none. */
export const DEFAULT_TIME_ZONE = "UTC";

/** Its times: by the calendar, or evenly spaced. */
export type ScheduleTimes =
  | {
      /** Five or six fields (then seconds come first), or a nickname such as `@daily`; its fields are local time in the time zone. */
      readonly cron: string;
      readonly everyMs?: undefined;
    }
  | {
      readonly cron?: undefined;
      /** Time between two runs in ms, whole, from 1000; counted from `startsAt`, or from the schedule's creation. */
      readonly everyMs: number;
    };

/** What a schedule was asked to be, with its defaults. It is named by its queue and name, which never change. */
export type ScheduleSpec = ScheduleTimes & {
  /** Where it lives and its jobs go. The queue's deletion deletes it. */
  readonly queue: string;
  /** Unique in its queue; in the form of a queue's name. */
  readonly name: string;
  /** IANA name. `everyMs` does not depend on it. Default `DEFAULT_TIME_ZONE`. */
  readonly timeZone: string;
  readonly job: ScheduledJob;
  /** Default ALLOW. */
  readonly overlap: OverlapPolicy;
  /** Default RUN_ONCE. */
  readonly misfire: MisfirePolicy;
  /** The first moment that may be one of its times, ms since 1970; undefined: its creation. */
  readonly startsAt: number | undefined;
  /** Its times are before this, ms since 1970; undefined: it never ends. */
  readonly endsAt: number | undefined;
  /** It ends after so many runs, from 1; undefined: no limit. Runs by hand (TriggerSchedule) do not count. */
  readonly maxRuns: number | undefined;
  /**
   * The `runAfter` of each job is up to so many ms after its time, evenly spread; 0: none. The job is created at its time and says
   * that time as `scheduledFor`.
   */
  readonly jitterMs: number;
};

/** A schedule to create. What is not given gets its default; see `ScheduleSpec`. */
export interface ScheduleRequest extends ScheduleTimesRequest {
  /** Default: the queue `default`. */
  readonly queue?: string | undefined;
  readonly name: string;
  readonly job: ScheduledJob;
  readonly overlap?: OverlapPolicy | undefined;
  readonly misfire?: MisfirePolicy | undefined;
  readonly jitterMs?: number | undefined;
  /** Whether it begins paused. Default: false. */
  readonly paused?: boolean | undefined;
}

/** What decides the times of a schedule: `cron` or `everyMs`, and what bounds them. */
export interface ScheduleTimesRequest {
  /** As in `ScheduleTimes`; `@every 1h30m` is short for `everyMs`. */
  readonly cron?: string | undefined;
  readonly everyMs?: number | undefined;
  readonly timeZone?: string | undefined;
  readonly startsAt?: number | undefined;
  readonly endsAt?: number | undefined;
  readonly maxRuns?: number | undefined;
}

/** What to change of a schedule; null: back to the default. One of `cron` and `everyMs` takes the place of the other. */
export type ScheduleChanges = {
  readonly [Name in Exclude<keyof ScheduleRequest, "queue" | "name" | "paused">]?: ScheduleRequest[Name] | null;
};

/** A schedule as it was at one moment. Times in ms since 1970. */
export type Schedule = ScheduleSpec & {
  /** A paused one makes no jobs but those asked for by hand. What it would have made meanwhile is not made up for. */
  readonly paused: boolean;
  /** From 1, +1 with each change that somebody asked for: its spec, a pause, a resumption. A run does not change it. */
  readonly revision: number;
  readonly createdAt: number;
  /** When its spec or `paused` changed. */
  readonly updatedAt: number;
  /** Its next time, without jitter. Undefined while it is paused, and when none is left: see `scheduleState`. */
  readonly nextRunAt: number | undefined;
  /** Its time that last made a job, or met the one with the unique key, without jitter; runs by hand count too, at their own time. */
  readonly lastRunAt: number | undefined;
  /** The id of the job that was made, or met, then; it may be gone by now. */
  readonly lastJobId: string | undefined;
  /** Jobs that its times made; runs by hand do not count, nor do jobs that were there already. */
  readonly runs: number;
  /** The last time that made no job, and why. Undefined: there was none. */
  readonly lastSkip: ScheduleSkip | undefined;
};

/** A time of a schedule that made no job. */
export interface ScheduleSkip {
  /** The time, ms since 1970. Of several that were missed together, the last. */
  readonly at: number;
  /** OVERLAP: the last job was not finished. MISFIRE: it was missed, and the policy makes none. QUEUE_FULL: the queue took no more. */
  readonly reason: "OVERLAP" | "MISFIRE" | "QUEUE_FULL";
}

/**
 * Why a schedule makes jobs or does not. ACTIVE: it makes one at `nextRunAt`. PAUSED: until it is resumed. COMPLETED: it has made
 * `maxRuns` jobs. ENDED: none of its times is left before `endsAt`.
 */
export type ScheduleState = "ACTIVE" | "PAUSED" | "COMPLETED" | "ENDED";

/** Returns why a schedule makes jobs or does not. */
export function scheduleState(schedule: Pick<Schedule, "paused" | "nextRunAt" | "runs" | "maxRuns">): ScheduleState {
  const { paused, nextRunAt, runs, maxRuns } = schedule;
  if (maxRuns !== undefined && runs >= maxRuns) return "COMPLETED";
  if (paused) return "PAUSED";
  return nextRunAt === undefined ? "ENDED" : "ACTIVE";
}

/** A schedule, and why it makes jobs or does not. */
export type ScheduleView = Schedule & {
  readonly state: ScheduleState;
  /** Whether its queue is paused: it makes jobs all the same, which wait. */
  readonly queuePaused: boolean;
};
