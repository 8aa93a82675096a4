import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Job } from "../../gen/gotaskq/v1/job_pb.js";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { MisfirePolicy, type Schedule } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { payload } from "../support/rpc.js";
import type { Random } from "./random.js";
import { repeat, type SideDeps } from "./sides.js";

/** The queue of the jobs that schedules make. */
export const SCHEDULED_QUEUE = "scheduled";

/** The schedules of a run, and how far their times are apart, ms. */
const SCHEDULES = [
  { name: "each-second", spec: { case: "every", value: durationFromMs(1000) }, everyMs: 1000 },
  { name: "by-cron", spec: { case: "cron", value: "* * * * * *" }, everyMs: 1000 },
  { name: "now-and-then", spec: { case: "every", value: durationFromMs(3000) }, everyMs: 3000 },
] as const;

/** How long before it was paused a schedule must have run last, ms, but for the time between two runs. */
const LATE_MS = 10_000;

/** Creates the schedules; each of their times is to make a job, when it was missed too. */
export async function createSchedules(deps: SideDeps, random: Random): Promise<void> {
  for (const { name, spec } of SCHEDULES) {
    const job = { type: "noop", payloadKind: payload({ n: 1 }), maxRetries: 0 };
    const schedule = { queue: SCHEDULED_QUEUE, name, spec, job, misfire: MisfirePolicy.RUN_ALL };
    await repeat(deps, random, ({ schedules }, options) => schedules.createSchedule({ schedule }, options));
  }
}

/** Pauses the schedules, and resolves to what they are then. */
export function pauseSchedules(deps: SideDeps, random: Random): Promise<Schedule[]> {
  return Promise.all(
    SCHEDULES.map(async ({ name }) => {
      const request = { queue: SCHEDULED_QUEUE, name };
      const answer = await repeat(deps, random, ({ schedules }, options) => schedules.pauseSchedule(request, options));
      if (answer.schedule === undefined) throw new Error(`no schedule ${name} was answered`);
      return answer.schedule;
    }),
  );
}

/** Checks that each due time of the schedules, from the first to the last, has made one job, and that each is DONE. `record`: these jobs. */
export function verifySchedules(schedules: readonly Schedule[], record: readonly Job[]): string[] {
  const violations: string[] = [];
  const others = new Set(record);
  for (const { name, runs, createdAt, updatedAt, lastRunAt } of schedules) {
    const { everyMs = 0 } = SCHEDULES.find((each) => each.name === name) ?? {};
    const jobs = record.filter(({ schedule }) => schedule === name);
    for (const job of jobs) others.delete(job);
    for (const { id, status } of jobs) {
      if (status !== JobStatus.DONE) violations.push(`job ${id} of schedule ${name} is ${JobStatus[status]}`);
    }
    const times = jobs.map(({ scheduledFor }) => (scheduledFor ? timestampMs(scheduledFor) : 0)).sort((a, b) => a - b);
    times.slice(1).forEach((time, at) => {
      const gap = time - (times[at] ?? 0);
      if (gap !== everyMs) violations.push(`schedule ${name}: the time ${time} came ${gap} ms after the one before`);
    });
    const [first = 0, last = 0] = [times[0], times.at(-1)];
    const [made = 0, paused = 0, told = 0] = [createdAt, updatedAt, lastRunAt].map((time) => time && timestampMs(time));
    if (first > made + 2 * everyMs) violations.push(`schedule ${name}: its first time was ${first}, not after ${made}`);
    if (last < paused - everyMs - LATE_MS) violations.push(`schedule ${name} ran last at ${last}, until ${paused}`);
    if (last !== told) violations.push(`schedule ${name} says that it ran last at ${told}, not ${last}`);
    if (Number(runs) !== jobs.length)
      violations.push(`schedule ${name} counts ${runs} runs, and made ${jobs.length} jobs`);
  }
  for (const { id } of others) violations.push(`job ${id} is of no schedule`);
  return violations;
}
