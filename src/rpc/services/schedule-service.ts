import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  ListSchedulesResponseSchema,
  type Schedule as SchedulePb,
  ScheduleSchema,
  type ScheduleService,
  type UpdateScheduleRequest,
} from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import type { EngineView } from "../../core/engine-view.js";
import type { ScheduleChanges, ScheduleRequest } from "../../model/request/schedule.js";
import { Violations } from "../../model/request/violations.js";
import { fromJob, toTime } from "./convert.js";
import { asText } from "./convert-payload.js";
import { fromSchedule, toScheduleRequest, toScheduleTimes } from "./convert-schedule.js";
import { fromMs } from "./times.js";

/** What the names of the fields of a schedule begin with. */
const PATH = "schedule.";

/** Implements ScheduleService on the core. */
export function createScheduleService({ schedules }: EngineView): ServiceImpl<typeof ScheduleService> {
  return {
    async createSchedule({ schedule = create(ScheduleSchema), payloadFormat }) {
      const violations = new Violations();
      const isText = asText(payloadFormat, violations);
      const request = toScheduleRequest(violations, PATH, schedule);
      return { schedule: fromSchedule(await schedules.create(request, violations, PATH), isText) };
    },

    async getSchedule({ queue, name, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { schedule: fromSchedule(await schedules.get(queue, name), isText) };
    },

    async listSchedules({ queue, pageSize, pageToken, payloadFormat }) {
      const isText = asText(payloadFormat);
      const page = await schedules.list({ queue, pageSize, pageToken });
      const list = page.schedules.map((schedule) => fromSchedule(schedule, isText));
      return create(ListSchedulesResponseSchema, { schedules: list, nextPageToken: page.nextPageToken });
    },

    async updateSchedule(request) {
      const violations = new Violations();
      violations.filter("updateMask.paths", request.updateMask?.paths ?? []);
      const isText = asText(request.payloadFormat, violations);
      const { schedule = create(ScheduleSchema) } = request;
      const changes = masked(violations, request, schedule);
      const changed = await schedules.update(schedule.queue, schedule.name, changes, violations, PATH);
      return { schedule: fromSchedule(changed, isText) };
    },

    async deleteSchedule({ queue, name }) {
      await schedules.remove(queue, name);
      return {};
    },

    async pauseSchedule({ queue, name, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { schedule: fromSchedule(await schedules.pause(queue, name), isText) };
    },

    async resumeSchedule({ queue, name, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { schedule: fromSchedule(await schedules.resume(queue, name), isText) };
    },

    async triggerSchedule({ queue, name, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { job: fromJob(await schedules.trigger(queue, name), isText) };
    },

    async previewSchedule({ schedule = create(ScheduleSchema), count, after }) {
      const violations = new Violations();
      const times = toScheduleTimes(violations, PATH, schedule);
      const options = { count: count === 0 ? undefined : count, after: toTime(violations, "after", after) };
      return { times: (await schedules.preview(times, options, violations, PATH)).map(fromMs) };
    },
  };
}

/** What the update mask names; without one, what is set: a zero is put in by a mask only. */
function masked(violations: Violations, { updateMask }: UpdateScheduleRequest, schedule: SchedulePb): ScheduleChanges {
  const given = toScheduleRequest(violations, PATH, schedule);
  const paths = updateMask?.paths ?? [];
  const changes: Record<string, unknown> = {};
  if (paths.length === 0) {
    for (const fields of Object.values(MASK_PATHS)) for (const field of fields) changes[field] = given[field];
    if (schedule.job === undefined) changes.job = undefined;
  }
  paths.forEach((path, index) => {
    const fields = MASK_PATHS[path];
    if (fields === undefined) {
      const what = UNCHANGEABLE[path] ?? `choose among ${Object.keys(MASK_PATHS).join(", ")}`;
      violations.add(`updateMask.paths[${index}]`, `cannot be changed: "${path}"; ${what}`);
    } else for (const field of fields) changes[field] = given[field] ?? null;
  });
  if (paths.includes("job") && schedule.job === undefined) changes.job = null;
  // Of two that exclude each other, the one that is set takes the place of the other.
  if (changes.cron != null || changes.everyMs != null) {
    if (changes.cron === null) delete changes.cron;
    if (changes.everyMs === null) delete changes.everyMs;
  }
  return changes as ScheduleChanges;
}

const SPEC = ["cron", "everyMs"] as const;

const MASK_PATHS: Readonly<Record<string, readonly (keyof ScheduleRequest)[]>> = {
  cron: SPEC,
  every: SPEC,
  time_zone: ["timeZone"],
  job: ["job"],
  overlap: ["overlap"],
  misfire: ["misfire"],
  starts_at: ["startsAt"],
  ends_at: ["endsAt"],
  max_runs: ["maxRuns"],
  jitter: ["jitterMs"],
};

/** What to do instead. */
const UNCHANGEABLE: Readonly<Record<string, string>> = {
  paused: "use PauseSchedule and ResumeSchedule",
  queue: "create another schedule there, and delete this one",
  name: "create another schedule, and delete this one",
};
