import type { Firing, NewSchedule } from "../../src/core/port/schedule-store.js";
import type { Schedule, ScheduleSpec } from "../../src/model/request/schedule.js";
import { newJob } from "./job.js";

/** A schedule that runs each minute, unless something else is said. */
export function newSchedule(
  createdAt: number,
  {
    paused = false,
    nextRunAt,
    ...spec
  }: Partial<ScheduleSpec> & Partial<Pick<NewSchedule, "paused" | "nextRunAt">> = {},
): NewSchedule {
  return {
    spec: {
      queue: "default",
      name: "nightly",
      timeZone: "UTC",
      job: { type: "echo", payload: '{"n":1}' },
      overlap: "ALLOW",
      misfire: "RUN_ONCE",
      startsAt: undefined,
      endsAt: undefined,
      maxRuns: undefined,
      jitterMs: 0,
      ...(spec.cron === undefined ? { everyMs: 60_000 } : {}),
      ...spec,
    } as ScheduleSpec,
    paused,
    createdAt,
    nextRunAt: nextRunAt ?? (paused ? undefined : createdAt + 60_000),
  };
}

/** What a schedule does at its next time: one job, and the next time a minute later. */
export function firing(schedule: Schedule, given: Partial<Firing> & { readonly count?: number } = {}): Firing {
  const { queue, name, createdAt, revision, nextRunAt = 0, overlap, maxRuns } = schedule;
  const { count = 1, ...rest } = given;
  return {
    queue,
    name,
    was: { createdAt, revision, nextRunAt: schedule.nextRunAt },
    jobs: Array.from({ length: count }, (_, at) => {
      return newJob({ queue, type: schedule.job.type, schedule: name, scheduledFor: nextRunAt + at * 60_000 });
    }),
    skipsOverlap: overlap === "SKIP",
    nextRunAt: nextRunAt + count * 60_000,
    maxRuns,
    ...rest,
  };
}
