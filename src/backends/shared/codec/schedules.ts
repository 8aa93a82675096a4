import type { TickResult } from "../../../core/backend.js";
import type { Firing, FiringResult, NewSchedule, ScheduleChange } from "../../../core/port/schedule-store.js";
import { readSchedule as readSaved, writeSchedule as writeSaved } from "../../../core/stores/saved-schedule.js";
import type { Schedule, ScheduledJob } from "../../../model/request/schedule.js";
import { readNewJob, type WrittenNewJob, writeNewJob } from "./jobs.js";
import { readEnqueued, writeEnqueued } from "./results.js";
import type { Whole } from "./whole.js";

/** What has a job of a schedule, as frames have it: the job is the JSON in which stores keep it. */
export type WithWrittenJob<T> = Omit<T, "job"> & { readonly job: string };

export function writeSchedule<T extends { readonly job: ScheduledJob }>(schedule: T): WithWrittenJob<T> {
  return { ...schedule, job: writeSaved({ job: schedule.job }) };
}

export function readSchedule<T extends { readonly job: ScheduledJob }>(written: WithWrittenJob<T>): T {
  return { ...written, ...readSaved<{ readonly job: ScheduledJob }>(written.job) } as unknown as T;
}

export type WrittenNewSchedule = Omit<NewSchedule, "spec"> & { readonly spec: WithWrittenJob<NewSchedule["spec"]> };

export function writeNewSchedule(created: NewSchedule): WrittenNewSchedule {
  return { ...created, spec: writeSchedule(created.spec) };
}

export function readNewSchedule(written: WrittenNewSchedule): NewSchedule {
  return { ...written, spec: readSchedule<NewSchedule["spec"]>(written.spec) };
}

export type WrittenScheduleChange = Omit<ScheduleChange, "spec" | "was"> & {
  readonly spec: WithWrittenJob<ScheduleChange["spec"]>;
  readonly was: WithWrittenJob<ScheduleChange["was"]>;
};

export function writeScheduleChange(change: ScheduleChange): WrittenScheduleChange {
  return { ...change, spec: writeSchedule(change.spec), was: writeSchedule(change.was) };
}

export function readScheduleChange(written: WrittenScheduleChange): ScheduleChange {
  const { spec, was } = written;
  return {
    ...written,
    spec: readSchedule<ScheduleChange["spec"]>(spec),
    was: readSchedule<ScheduleChange["was"]>(was),
  };
}

export type WrittenFiring = Omit<Firing, "jobs"> & { readonly jobs: readonly WrittenNewJob[] };

export function writeFiring(firing: Firing): WrittenFiring {
  // It is mostly a whole schedule, with a payload.
  const { createdAt, revision, nextRunAt } = firing.was;
  return { ...firing, was: { createdAt, revision, nextRunAt }, jobs: firing.jobs.map(writeNewJob) };
}

export function readFiring(written: WrittenFiring): Firing {
  return { ...written, jobs: written.jobs.map(readNewJob) };
}

export type WrittenFiringResult =
  | readonly ["SKIPPED" | "STALE"]
  | readonly ["FIRED", readonly ReturnType<typeof writeEnqueued>[]];

export function writeFiringResult(result: FiringResult): WrittenFiringResult {
  return result.outcome === "FIRED" ? ["FIRED", result.results.map(writeEnqueued)] : [result.outcome];
}

export function readFiringResult(written: WrittenFiringResult): FiringResult {
  return written[0] === "FIRED" ? { outcome: "FIRED", results: written[1].map(readEnqueued) } : { outcome: written[0] };
}

export type WrittenTick = Omit<TickResult, "schedules"> & {
  readonly schedules: readonly (readonly [schedule: WithWrittenJob<Schedule>, now: number])[];
};

export function writeTick(result: TickResult): WrittenTick {
  return { ...result, schedules: result.schedules.map(({ schedule, now }) => [writeSchedule(schedule), now]) };
}

export function readTick({ lost, expired, schedules, nextInMs }: WrittenTick): TickResult {
  const result: Whole<TickResult> = {
    lost,
    expired,
    schedules: schedules.map(([schedule, now]) => ({ schedule: readSchedule<Schedule>(schedule), now })),
    nextInMs,
  };
  return result;
}
