import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema, timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { type Schedule as SchedulePb, ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { createListing } from "../api/listing.js";
import type { ScheduleChanges, ScheduleName, Schedules } from "../api/schedules.js";
import type { Caller } from "./calls.js";
import { converters } from "./convert/converters.js";
import { payloadFormat } from "./convert/json.js";
import { presentJob } from "./convert/present.js";
import { fromSchedule, toSchedule, toTime } from "./convert/schedule.js";

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

const { int } = converters();

/** Creates the client of ScheduleService. */
export function createSchedules(transport: Transport, caller: Caller): Schedules {
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
    list({ queue = "", pageSize = 0, pageToken: first } = {}, call) {
      return createListing(first, async (pageToken) => {
        const request = { queue, pageSize: int("pageSize", pageSize), pageToken, payloadFormat };
        const page = await caller.repeatable((options) => rpc.listSchedules(request, options), call);
        return { items: page.schedules.map(fromSchedule), nextPageToken: page.nextPageToken };
      });
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
      const request = {
        schedule,
        count: int("count", count),
        after: after === undefined ? undefined : toTime("after", after),
      };
      return (await caller.repeatable((options) => rpc.previewSchedule(request, options), call)).times.map(timestampMs);
    },
  };
}
