import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, FieldMaskSchema, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  MisfirePolicy,
  OverlapPolicy,
  type Schedule,
  type ScheduleSchema,
  ScheduleState,
} from "../../../gen/gotaskq/v1/schedule_service_pb.js";
import { jsonOf, payload, present, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { CONNECT_JSON } from "../../support/transports.js";

const HOUR = 3_600_000;

let server: TestServer;
let schedules: TestServer["schedules"];

beforeAll(async () => {
  server = await startTestServer({}, { handlers: {} });
  ({ schedules } = server);
});

let count = 0;

/** Creates a schedule with a name of its own, which runs in an hour. */
async function newSchedule(given: Exclude<MessageInitShape<typeof ScheduleSchema>, Schedule> = {}) {
  const every = { case: "every", value: durationFromMs(HOUR) } as const;
  const schedule = { name: `s${++count}`, spec: every, job: { type: "work" }, ...given };
  return present((await schedules.createSchedule({ schedule })).schedule);
}

function mask(...paths: string[]) {
  return create(FieldMaskSchema, { paths });
}

describe("CreateSchedule", () => {
  test("creates a schedule as told, and answers it as it can be read", async () => {
    await newQueue(server, "mail");
    const startsAt = timestampFromMs(Date.now() + HOUR);
    const endsAt = timestampFromMs(Date.now() + 300 * HOUR);
    const job = {
      ...{ type: "report", payloadKind: payload({ n: 1 }), priority: 3, maxRetries: 0, key: "a", metadata: { a: "b" } },
      ...{ timeout: durationFromMs(5000), ttl: durationFromMs(9000), backoff: { delays: [durationFromMs(7)] } },
      ...{ unique: { key: "u", hold: durationFromMs(1000) } },
    };
    const given = {
      ...{ queue: "mail", name: "nightly.report", job, timeZone: "Europe/Berlin", startsAt, endsAt, maxRuns: 7 },
      ...{ overlap: OverlapPolicy.SKIP, misfire: MisfirePolicy.RUN_ALL, jitter: durationFromMs(30_000) },
      spec: { case: "cron", value: "0 3 * * MON-FRI" } as const,
    };
    const schedule = await newSchedule(given);
    const { job: kept, ...others } = schedule;
    expect(others).toMatchObject({
      ...{ queue: "mail", name: "nightly.report", timeZone: "Europe/Berlin", startsAt, endsAt, maxRuns: 7 },
      ...{ overlap: OverlapPolicy.SKIP, misfire: MisfirePolicy.RUN_ALL, jitter: given.jitter, spec: given.spec },
      ...{ paused: false, revision: 1, runs: 0n, lastJobId: "", state: ScheduleState.ACTIVE, queuePaused: false },
    });
    expect(timestampMs(present(schedule.nextRunAt))).toBeGreaterThan(Date.now());
    const { payloadKind, ...template } = job;
    expect(kept).toMatchObject(template);
    expect(jsonOf(present(kept).payloadKind)).toEqual({ n: 1 });
    for (const clients of [server, server.connect(CONNECT_JSON)]) {
      const { schedule: read } = await clients.schedules.getSchedule({ queue: "mail", name: "nightly.report" });
      expect(read).toEqual(schedule);
    }
  });

  test("keeps a payload of bytes", async () => {
    const payloadKind = { case: "payloadBytes", value: new Uint8Array([0, 255]) } as const;
    const { job } = await newSchedule({ job: { type: "work", payloadKind } });
    expect(job?.payloadKind).toEqual(payloadKind);
  });

  test("is refused with every bad field", async () => {
    const bad = newSchedule({
      ...{ name: "No!", timeZone: "Mars", overlap: 9 as OverlapPolicy, misfire: 9 as MisfirePolicy, maxRuns: -1 },
      ...{ spec: { case: "cron", value: "0 0 30 2 *" }, job: { priority: 11, ttl: { seconds: 1n, nanos: -1 } } },
      jitter: { seconds: 1n, nanos: -1 },
    });
    const { code, reason, fields } = await refusal(bad);
    expect([code, reason]).toEqual(["INVALID_ARGUMENT", "FIELD_INVALID"]);
    const named = [
      "job.ttl",
      "overlap",
      "misfire",
      "jitter",
      "name",
      "cron",
      "time_zone",
      "max_runs",
      "job.type",
      "job.priority",
    ];
    expect([...fields].sort()).toEqual(named.map((name) => `schedule.${name}`).sort());
    expect((await refusal(schedules.createSchedule({}))).fields).toEqual([
      ...["schedule.name", "schedule.cron", "schedule.job.type"],
    ]);
  });

  test("is refused for a name that is taken, and for a queue that is not there", async () => {
    const { name } = await newSchedule();
    expect(await refusal(newSchedule({ name }))).toMatchObject({
      ...{ code: "ALREADY_EXISTS", reason: "SCHEDULE_EXISTS", metadata: { queue: "default", schedule: name } },
    });
    expect(await refusal(newSchedule({ queue: "missing" }))).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    expect(await refusal(schedules.getSchedule({ name: "missing" }))).toMatchObject({
      ...{ code: "NOT_FOUND", reason: "SCHEDULE_NOT_FOUND" },
    });
  });
});

describe("UpdateSchedule", () => {
  test("changes what the mask names, and puts back to the default what is named and not set", async () => {
    const { name } = await newSchedule({ maxRuns: 3, jitter: durationFromMs(5), overlap: OverlapPolicy.SKIP });
    const change = { name, spec: { case: "cron", value: "@daily" } as const, timeZone: "Asia/Tokyo" };
    const updateMask = mask("cron", "max_runs", "overlap");
    const { schedule } = await schedules.updateSchedule({ schedule: change, updateMask });
    expect(schedule).toMatchObject({ spec: change.spec, maxRuns: 0, timeZone: "UTC", revision: 2 });
    expect([schedule?.overlap, durationMs(present(schedule?.jitter))]).toEqual([OverlapPolicy.ALLOW, 5]);
  });

  test("takes the kind of times that is set, whichever the mask names", async () => {
    const { name } = await newSchedule({ spec: { case: "cron", value: "@daily" } });
    const spec = { case: "every", value: durationFromMs(1000) } as const;
    const { schedule } = await schedules.updateSchedule({ schedule: { name, spec }, updateMask: mask("every") });
    expect(schedule?.spec).toEqual(spec);
    const none = schedules.updateSchedule({ schedule: { name }, updateMask: mask("cron") });
    expect((await refusal(none)).fields).toEqual(["schedule.cron"]);
  });

  test("without a mask changes what is set", async () => {
    const { name, spec } = await newSchedule({ maxRuns: 3, job: { type: "work", priority: 2 } });
    const { schedule } = await schedules.updateSchedule({ schedule: { name, timeZone: "Asia/Tokyo" } });
    expect(schedule).toMatchObject({ spec, maxRuns: 3, timeZone: "Asia/Tokyo", job: { priority: 2 } });
  });

  test("is refused for what never changes, and says what to do", async () => {
    const { name } = await newSchedule();
    const { fields, descriptions } = await refusal(
      schedules.updateSchedule({ schedule: { name }, updateMask: mask("paused", "name", "wrong", "job") }),
    );
    expect(fields).toEqual([0, 1, 2].map((index) => `update_mask.paths[${index}]`).concat("schedule.job"));
    expect(descriptions[0]).toContain("use PauseSchedule and ResumeSchedule");
    expect(descriptions[2]).toContain("choose among cron, every, time_zone");
  });
});

test("PauseSchedule, ResumeSchedule and DeleteSchedule do what they say", async () => {
  const { name } = await newSchedule();
  const { schedule: paused } = await schedules.pauseSchedule({ name });
  expect([paused?.paused, paused?.state, paused?.nextRunAt]).toEqual([true, ScheduleState.PAUSED, undefined]);
  const { schedule: resumed } = await schedules.resumeSchedule({ name });
  expect([resumed?.paused, resumed?.state, resumed?.revision]).toEqual([false, ScheduleState.ACTIVE, 3]);
  await schedules.deleteSchedule({ name });
  expect(await refusal(schedules.deleteSchedule({ name }))).toMatchObject({ reason: "SCHEDULE_NOT_FOUND" });
});

test("TriggerSchedule answers the job, which says where it comes from", async () => {
  const { name } = await newSchedule({ job: { type: "work", payloadKind: payload("x") } });
  const { job } = await schedules.triggerSchedule({ name });
  expect(job).toMatchObject({ queue: "default", type: "work", status: JobStatus.PENDING, schedule: name });
  expect(job?.scheduledFor).toBeDefined();
  const read = (await server.jobs.getJob({ id: present(job).id })).job;
  expect(read).toEqual({ ...job, pendingState: PendingState.READY });
  expect((await schedules.getSchedule({ name })).schedule).toMatchObject({ lastJobId: job?.id, runs: 0n });
});

test("ListSchedules answers them page by page", async () => {
  await newQueue(server, "listed");
  for (const name of ["c", "a", "b"]) await newSchedule({ queue: "listed", name });
  const first = await schedules.listSchedules({ queue: "listed", pageSize: 2 });
  expect(first.schedules.map(({ name }) => name)).toEqual(["a", "b"]);
  const second = await schedules.listSchedules({ queue: "listed", pageSize: 2, pageToken: first.nextPageToken });
  expect(second).toMatchObject({ schedules: [{ name: "c" }], nextPageToken: "" });
  const { schedules: all } = await schedules.listSchedules({ pageSize: 1000 });
  expect(all.length).toBeGreaterThan(3);
});

test("PreviewSchedule tells the next times of what need not exist", async () => {
  const spec = { case: "cron", value: "30 2 * * *" } as const;
  const after = timestampFromMs(Date.parse("2026-03-28T12:00Z"));
  const { times } = await schedules.previewSchedule({ schedule: { spec, timeZone: "Europe/Berlin" }, count: 2, after });
  expect(times.map((time) => new Date(timestampMs(time)).toISOString())).toEqual([
    "2026-03-29T01:00:00.000Z",
    "2026-03-30T00:30:00.000Z",
  ]);
  expect((await schedules.previewSchedule({ schedule: { spec } })).times).toHaveLength(5);
  expect((await refusal(schedules.previewSchedule({ count: 101 }))).fields).toEqual(["schedule.cron", "count"]);
});
