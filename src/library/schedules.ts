import { readContent } from "../api/job-content.js";
import { createListing } from "../api/listing.js";
import type { Schedule, ScheduledJob, ScheduleName, Schedules } from "../api/schedules.js";
import type { ScheduleOperations } from "../core/operations/schedule-operations.js";
import { defined } from "../model/common/defined.js";
import { textOf } from "../model/job/job.js";
import type { NewJob } from "../model/job/new-job.js";
import { toJobRequest, toMs } from "../model/request/job-request.js";
import type { ScheduleChanges, ScheduleTimesRequest, ScheduleView } from "../model/request/schedule.js";
import type { Calls } from "./calls.js";
import { toJob } from "./local-job.js";

/** Creates the schedules of a task queue on the operations of the core. */
export function createSchedules(operations: ScheduleOperations, calls: Calls): Schedules {
  const at = <T>({ queue = "", name }: ScheduleName, act: (queue: string, name: string) => Promise<T>) =>
    act(queue, name);
  return {
    create: (schedule, options) =>
      calls.one(
        async () => toSchedule(await operations.create(withTimes({ ...schedule, job: toTemplate(schedule.job) }))),
        options,
      ),
    get: (schedule, options) => calls.one(async () => toSchedule(await at(schedule, operations.get)), options),
    list: (query = {}, options) =>
      createListing(query.pageToken, (pageToken) =>
        calls.one(async () => {
          const { schedules, nextPageToken } = await operations.list({ ...query, pageToken });
          return { items: schedules.map(toSchedule), nextPageToken };
        }, options),
      ),
    update: (schedule, { job, ...changes }, options) =>
      calls.one(async () => {
        const template = job === undefined ? {} : { job: job && toTemplate(job) };
        const asked = withTimes<ScheduleChanges>({ ...changes, ...template });
        return toSchedule(await at(schedule, (queue, name) => operations.update(queue, name, asked)));
      }, options),
    delete: (schedule, options) => calls.one(async () => at(schedule, operations.remove), options),
    pause: (schedule, options) => calls.one(async () => toSchedule(await at(schedule, operations.pause)), options),
    resume: (schedule, options) => calls.one(async () => toSchedule(await at(schedule, operations.resume)), options),
    trigger: (schedule, options) => calls.one(async () => toJob(await at(schedule, operations.trigger)), options),
    preview: (times, options) =>
      calls.one(
        async () =>
          operations.preview(withTimes<ScheduleTimesRequest>(times), {
            count: options?.count,
            after: toMs(options?.after),
          }),
        options,
      ),
  };
}

function toTemplate(job: ScheduledJob) {
  const { queue, delayMs, runAfter, expiresAt, requestId, traceContext, ...template } = toJobRequest(
    job as NewJob,
    undefined,
    "job.",
  );
  return template;
}

function toSchedule({ job, cron, everyMs, ...schedule }: ScheduleView): Schedule {
  const { payload, ...template } = job;
  const content = payload === undefined ? {} : { payload: readContent(payload) };
  return {
    ...schedule,
    cron,
    everyMs,
    job: { ...defined(template), ...content } as ScheduledJob,
    payloadText: textOf(payload),
  };
}

type Time = Date | number | null | undefined;

function withTimes<T>(given: Omit<T, "startsAt" | "endsAt"> & { readonly startsAt?: Time; readonly endsAt?: Time }): T {
  const { startsAt, endsAt } = given;
  return {
    ...given,
    ...(startsAt !== undefined && { startsAt: toMs(startsAt) }),
    ...(endsAt !== undefined && { endsAt: toMs(endsAt) }),
  } as T;
}
