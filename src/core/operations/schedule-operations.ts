import { fieldInvalid, serverDraining } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import type { Job } from "../../model/job/job.js";
import { DEFAULT_QUEUE } from "../../model/queue/queue.js";
import type {
  Schedule,
  ScheduleChanges,
  ScheduleRequest,
  ScheduleSpec,
  ScheduleTimesRequest,
  ScheduleView,
} from "../../model/request/schedule.js";
import { Violations } from "../../model/request/violations.js";
import type { Backend } from "../backend.js";
import { type NewJobs, newlyCreated } from "../new-job.js";
import type { Observer } from "../observer.js";
import type { EnqueueResult } from "../port/new-jobs.js";
import type { FiringResult } from "../port/schedule-store.js";
import { checkChanges, checkSchedule, checkTimes, toScheduleSpec, toTimes } from "../schedules/check-schedule.js";
import { nextTimes, timesOf } from "../schedules/next-times.js";
import { ownTurn } from "../turns/own-turn.js";
import { createListSchedules, type ListSchedules, seen } from "./list-schedules.js";

/** Creates, reads, changes, pauses, triggers and deletes schedules. `queue`: "" stands for `default`. */
export interface ScheduleOperations {
  /**
   * Creates a schedule. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_EXISTS, QUEUE_FULL. `violations` may contain invalid fields found
   * earlier; `path`: what the names of fields begin with.
   */
  create(request: ScheduleRequest, violations?: Violations, path?: string): Promise<ScheduleView>;
  /** FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  get(queue: string, name: string): Promise<ScheduleView>;
  /** By queue, then by name. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  readonly list: ListSchedules;
  /**
   * Changes what is given; null puts back to the default. Changed times begin with the first after now. FIELD_INVALID,
   * QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND, QUEUE_FULL.
   */
  update(
    queue: string,
    name: string,
    changes: ScheduleChanges,
    violations?: Violations,
    path?: string,
  ): Promise<ScheduleView>;
  /** Deletes a schedule; jobs that it made stay. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  remove(queue: string, name: string): Promise<void>;
  /** Makes it make no more jobs. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  pause(queue: string, name: string): Promise<ScheduleView>;
  /** Undoes `pause`: it goes on with its first time after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  resume(queue: string, name: string): Promise<ScheduleView>;
  /**
   * Creates its job now, also when it is paused or over, or its last job is not finished; its times stay as they are. FIELD_INVALID,
   * QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND, QUEUE_FULL, SERVER_DRAINING.
   */
  trigger(queue: string, name: string): Promise<Job>;
  /** The next times that a schedule would have, in ms since 1970, before jitter: up to `count`, default 5. FIELD_INVALID. */
  preview(
    times: ScheduleTimesRequest,
    options?: { readonly count?: number | undefined; readonly after?: number | undefined },
    violations?: Violations,
    path?: string,
  ): Promise<readonly number[]>;
  /** From now on, `trigger` is refused with SERVER_DRAINING. */
  close(): void;
}

/** Dependencies of the schedule operations. */
export interface ScheduleOperationsDeps {
  readonly backend: Backend;
  readonly observer: Observer;
  readonly newJobs: NewJobs;
}

/** Times after which a preview lets the event loop go on. */
const TURN = 10;

/** How often a schedule that changes meanwhile is read again before a change of it is given up. */
const MOST_TRIES = 20;

/** Creates the schedule operations. */
export function createScheduleOperations({ backend, observer, newJobs }: ScheduleOperationsDeps): ScheduleOperations {
  let isClosed = false;

  async function view(schedule: Schedule): Promise<ScheduleView> {
    const [queue] = await backend.queues([schedule.queue]);
    return seen(schedule, queue?.paused ?? false);
  }

  /** Does something with a schedule as it is, again and again while it becomes another in between. */
  async function withSchedule<T>(
    queue: string,
    name: string,
    act: (schedule: Schedule, now: number) => Promise<T | undefined>,
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      const schedule = await backend.getSchedule(queue, name);
      const done = await act(schedule, await backend.now());
      if (done !== undefined) return done;
      if (tries === MOST_TRIES) throw new Error(`the schedule "${name}" of the queue "${queue}" never stays as it is`);
    }
  }

  /** Makes a schedule what it is to be; `undefined`: it is so already. */
  async function change(
    queue: string,
    name: string,
    to: (schedule: Schedule, now: number) => Changed | undefined,
  ): Promise<ScheduleView> {
    const changed = await withSchedule(queue, name, async (schedule, now) => {
      const changed = to(schedule, now);
      if (changed === undefined) return schedule;
      const { spec, paused } = changed;
      return backend.updateSchedule({ spec, paused, nextRunAt: nextRunOf(schedule, spec, paused, now), was: schedule });
    });
    return view(changed);
  }

  async function setPaused(queue: string, name: string, paused: boolean): Promise<ScheduleView> {
    const place = placeOf(queue, name);
    return change(...place, (schedule) =>
      schedule.paused === paused ? undefined : { spec: specOf(schedule), paused },
    );
  }

  return {
    async create(request, violations = new Violations(), path = "") {
      const now = await backend.now();
      checkSchedule(violations, path, request, now);
      violations.throwIfAny();
      const spec = toScheduleSpec(request);
      const paused = request.paused ?? false;
      const nextRunAt = timesOf({ ...spec, createdAt: now }).after(now);
      if (nextRunAt === undefined) {
        const field = spec.endsAt === undefined ? "startsAt" : "endsAt";
        throw fieldInvalid([{ field: path + field, description: "leaves the schedule no time to run" }]);
      }
      const created = { spec, paused, createdAt: now, nextRunAt: paused ? undefined : nextRunAt };
      return view(await backend.createSchedule(created));
    },

    async get(queue, name) {
      return view(await backend.getSchedule(...placeOf(queue, name)));
    },

    list: createListSchedules(backend),

    async update(given, name, changes, violations = new Violations(), path = "") {
      checkPlace(violations, path, given, name);
      checkChanges(violations, path, changes, await backend.now());
      violations.throwIfAny();
      return change(given || DEFAULT_QUEUE, name, (schedule, now) => {
        const merged = mergedWith(schedule, changes);
        const both = new Violations();
        checkSchedule(both, path, merged, now);
        both.throwIfAny();
        return { spec: toScheduleSpec(merged), paused: schedule.paused };
      });
    },

    async remove(queue, name) {
      await backend.deleteSchedule(...placeOf(queue, name));
    },

    pause: (queue, name) => setPaused(queue, name, true),
    resume: (queue, name) => setPaused(queue, name, false),

    async trigger(given, calledName) {
      const [queue, name] = placeOf(given, calledName);
      if (isClosed) throw serverDraining();
      return withSchedule(queue, name, async (schedule, now) => {
        const job = { ...newJobs({ ...schedule.job, queue }, undefined), schedule: name, scheduledFor: now };
        const firing = { queue, name, was: schedule, jobs: [job], skipsOverlap: false, byHand: true };
        const { nextRunAt, maxRuns } = schedule;
        const result = madeBy(await backend.fireSchedule({ ...firing, nextRunAt, maxRuns }));
        if (result === undefined) return undefined;
        if (!result.deduplicated) observer.enqueued(queue, job.type, 1);
        return result.existing ?? newlyCreated(job, result);
      });
    },

    async preview(times, { count = LIMITS.defaultPreviewTimes, after } = {}, violations = new Violations(), path = "") {
      checkTimes(violations, path, times);
      violations.integer("count", count, 1, LIMITS.previewTimes);
      violations.time("after", after, LIMITS.maxTime);
      violations.throwIfAny();
      const now = await backend.now();
      const from = after ?? now;
      const found = toTimes(times);
      const created = { ...found, createdAt: Math.min(from, now) };
      const most = Math.min(count, found.maxRuns ?? count);
      const list: number[] = [];
      for (const at of nextTimes(created, from)) {
        list.push(at);
        if (list.length === most) break;
        // Some lie decades apart, and take a while to find.
        if (list.length % TURN === 0) await ownTurn();
      }
      return list;
    },

    close() {
      isClosed = true;
    },
  };
}

/** What a schedule is to be. */
interface Changed {
  readonly spec: ScheduleSpec;
  readonly paused: boolean;
}

/** The next time of a schedule that becomes another. One that is due already stays, unless its times are others. */
function nextRunOf(schedule: Schedule, spec: ScheduleSpec, paused: boolean, now: number): number | undefined {
  if (paused || (spec.maxRuns !== undefined && schedule.runs >= spec.maxRuns)) return undefined;
  const isSame = TIMES.every((field) => spec[field] === schedule[field]);
  if (isSame && schedule.nextRunAt !== undefined) return schedule.nextRunAt;
  // A clock that was put back must not make a time come twice.
  return timesOf({ ...spec, createdAt: schedule.createdAt }).after(Math.max(now, schedule.lastRunAt ?? now));
}

const TIMES = ["cron", "everyMs", "timeZone", "startsAt", "endsAt"] as const;

/** The job of a firing; undefined: it did not happen, as the schedule was another. */
function madeBy(fired: FiringResult): EnqueueResult | undefined {
  if (fired.outcome !== "FIRED") return undefined;
  const [result] = fired.results;
  if (result === undefined) throw new Error("the backend did not answer for the job");
  return result;
}

function mergedWith(schedule: Schedule, { cron, everyMs, ...others }: ScheduleChanges): ScheduleRequest {
  const spec = specOf(schedule);
  const merged: Record<string, unknown> = { ...spec };
  if (cron || everyMs) {
    merged.cron = cron ?? undefined;
    merged.everyMs = everyMs ?? undefined;
  }
  for (const [field, value] of Object.entries(others)) if (value !== undefined) merged[field] = value ?? undefined;
  return merged as unknown as ScheduleRequest;
}

function specOf(schedule: Schedule): ScheduleSpec {
  const { paused, revision, createdAt, updatedAt, nextRunAt, lastRunAt, lastJobId, runs, lastSkip, ...spec } = schedule;
  return spec as ScheduleSpec;
}

/** The queue and the name of a schedule. Throws FIELD_INVALID. */
function placeOf(queue: string, name: string): [queue: string, name: string] {
  const violations = new Violations();
  checkPlace(violations, "", queue, name);
  violations.throwIfAny();
  return [queue || DEFAULT_QUEUE, name];
}

function checkPlace(violations: Violations, path: string, queue: string, name: string): void {
  if (queue) violations.queueName(`${path}queue`, queue);
  violations.queueName(`${path}name`, name);
}
