import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { type Schedule as SchedulePb, ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import type { Caller, CallSettings } from "./calls.js";
import type { Job } from "./job.js";
import { payloadFormat } from "./json.js";
import { presentJob } from "./present.js";
import {
  fromSchedule,
  type NewSchedule,
  type Schedule,
  type ScheduleChanges,
  type ScheduleName,
  type ScheduleTimes,
  toSchedule,
  toTime,
} from "./schedule.js";

/** One page of schedules. */
export interface SchedulePage {
  readonly schedules: readonly Schedule[];
  /** `pageToken` for the next page; "": this is the last one. */
  readonly nextPageToken: string;
}

/** Creates, reads, changes, pauses, triggers and deletes schedules. Errors are `TaskQueueError`s. */
export interface ScheduleClient {
  /** Creates a schedule. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_EXISTS. */
  create(schedule: NewSchedule, call?: CallSettings): Promise<Schedule>;
  /** FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  get(schedule: ScheduleName, call?: CallSettings): Promise<Schedule>;
  /** Resolves to one page, by queue, then by name; of all queues unless one is named. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  list(
    query?: { readonly queue?: string; readonly pageSize?: number; readonly pageToken?: string },
    call?: CallSettings,
  ): Promise<SchedulePage>;
  /** Changes what is given. Changed times begin with the first after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  update(schedule: ScheduleName, changes: ScheduleChanges, call?: CallSettings): Promise<Schedule>;
  /** Deletes a schedule; jobs that it made stay. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  delete(schedule: ScheduleName, call?: CallSettings): Promise<void>;
  /** Makes it make no more jobs. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  pause(schedule: ScheduleName, call?: CallSettings): Promise<Schedule>;
  /** Makes it go on with its next time after now. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND. */
  resume(schedule: ScheduleName, call?: CallSettings): Promise<Schedule>;
  /** Creates its job now, whatever its state, and resolves to the job. FIELD_INVALID, QUEUE_NOT_FOUND, SCHEDULE_NOT_FOUND, QUEUE_FULL. */
  trigger(schedule: ScheduleName, call?: CallSettings): Promise<Job>;
  /** The next times that a schedule would have, in ms since 1970: up to `count`, 1 to 100, default 5. FIELD_INVALID. */
  preview(
    times: ScheduleTimes,
    options?: CallSettings & { readonly count?: number; readonly after?: Date | number },
  ): Promise<readonly number[]>;
}

/** The path of each field in the update mask. */
const PATHS: Readonly<Record<keyof ScheduleChanges, string>> = {
  cron: "cron",
  everyMs: "every",
  timeZone: "time_zone",
  job: "job",
  overlap: "overlap",
  misfire: "misfire",
  startsAt: "starts_at",
  endsAt: "ends_at",
  maxRuns: "max_runs",
  jitterMs: "jitter",
};

/** Creates the client of ScheduleService. */
export function createScheduleClient(transport: Transport, caller: Caller): ScheduleClient {
  const rpc = createClient(ScheduleService, transport);
  const one = async (answer: Promise<{ schedule?: SchedulePb | undefined }>) => fromSchedule((await answer).schedule);
  const nameOf = ({ queue = "", name }: ScheduleName) => ({ queue, name });
  const read = (schedule: ScheduleName) => ({ ...nameOf(schedule), payloadFormat });
  return {
    async create(schedule, call) {
      const request = {
        schedule: toSchedule({ queue: schedule.queue, name: schedule.name }, schedule, schedule.paused),
        payloadFormat,
      };
      return one(caller.once((options) => rpc.createSchedule(request, options), call));
    },
    get: (schedule, call) => one(caller.repeatable((options) => rpc.getSchedule(read(schedule), options), call)),
    async list({ queue = "", pageSize = 0, pageToken = "" } = {}, call) {
      const request = { queue, pageSize, pageToken, payloadFormat };
      const page = await caller.repeatable((options) => rpc.listSchedules(request, options), call);
      return { schedules: page.schedules.map(fromSchedule), nextPageToken: page.nextPageToken };
    },
    async update(schedule, changes, call) {
      const given = (Object.keys(PATHS) as (keyof ScheduleChanges)[]).filter((field) => changes[field] !== undefined);
      const updateMask = create(FieldMaskSchema, { paths: given.map((field) => PATHS[field]) });
      const request = { schedule: toSchedule(schedule, changes), updateMask, payloadFormat };
      return one(caller.repeatable((options) => rpc.updateSchedule(request, options), call));
    },
    async delete(schedule, call) {
      await caller.once((options) => rpc.deleteSchedule(nameOf(schedule), options), call);
    },
    pause: (schedule, call) => one(caller.repeatable((options) => rpc.pauseSchedule(read(schedule), options), call)),
    resume: (schedule, call) => one(caller.repeatable((options) => rpc.resumeSchedule(read(schedule), options), call)),
    async trigger(schedule, call) {
      return presentJob((await caller.once((options) => rpc.triggerSchedule(read(schedule), options), call)).job);
    },
    async preview(times, { count = 0, after, ...call } = {}) {
      const schedule = toSchedule({ name: "" }, times);
      const request = { schedule, count, after: after === undefined ? undefined : toTime("after", after) };
      return (await caller.repeatable((options) => rpc.previewSchedule(request, options), call)).times.map(timestampMs);
    },
  };
}
