import { beforeEach, describe, expect, test } from "vitest";
import type { ScheduleRequest } from "../../../src/model/request/schedule.js";
import { rejection } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

const reason = (reason: string) => expect.objectContaining({ reason });
const badFields = (...fields: string[]) =>
  expect.objectContaining({
    reason: "FIELD_INVALID",
    violations: fields.map((field) => expect.objectContaining({ field })),
  });

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let fixture: Fixture;
let schedules: Fixture["engine"]["schedules"];

beforeEach(() => {
  fixture = new Fixture();
  ({ schedules } = fixture.engine);
});

/** Creates a schedule that runs each minute. */
function create(request: Partial<ScheduleRequest> = {}) {
  const times = request.cron === undefined ? { everyMs: MINUTE } : {};
  return schedules.create({ name: "nightly", job: { type: "work" }, ...times, ...request });
}

describe("create", () => {
  test("fills in the defaults and tells the next time", async () => {
    const { clock } = fixture;
    const schedule = await create();
    expect(schedule).toEqual({
      ...{ queue: "default", name: "nightly", everyMs: MINUTE, timeZone: "UTC", job: { type: "work" } },
      ...{ overlap: "ALLOW", misfire: "RUN_ONCE", jitterMs: 0, paused: false, revision: 1, runs: 0, state: "ACTIVE" },
      ...{ createdAt: clock.now(), updatedAt: clock.now(), nextRunAt: clock.now() + MINUTE, queuePaused: false },
    });
    expect(await schedules.get("", "nightly")).toEqual(schedule);
  });

  test("takes @every for an interval", async () => {
    expect(await create({ cron: "@every 1h30m" })).toMatchObject({ everyMs: 90 * MINUTE });
    expect(await schedules.get("", "nightly")).not.toHaveProperty("cron");
    expect(await rejection(create({ name: "b", cron: "@every 1ms" }))).toEqual(badFields("cron"));
    expect(await rejection(create({ name: "b", cron: "@every now" }))).toEqual(badFields("cron"));
  });

  test("keeps a copy of a payload and of metadata", async () => {
    const payload = new Uint8Array([1, 2]);
    const metadata = { tenant: "x" };
    await create({ job: { type: "work", payload, metadata } });
    payload[0] = 9;
    metadata.tenant = "y";
    expect((await schedules.get("", "nightly")).job).toEqual({
      type: "work",
      payload: new Uint8Array([1, 2]),
      metadata: { tenant: "x" },
    });
  });

  test("may be paused, and then has no next time", async () => {
    expect(await create({ paused: true })).toMatchObject({ paused: true, state: "PAUSED" });
    expect((await schedules.get("", "nightly")).nextRunAt).toBeUndefined();
  });

  test("names all bad fields before the backend is called", async () => {
    const bad = {
      ...{ queue: "No!", name: "", cron: "0 0 30 2 *", everyMs: 1, timeZone: "Mars", startsAt: 5, endsAt: 5 },
      ...{ maxRuns: 0, overlap: "NO" as never, misfire: "NO" as never, jitterMs: 1e9 },
      job: { type: "", priority: 11, requestId: "r", delayMs: 0, runAfter: 1, expiresAt: 1 } as never,
    };
    const refused = rejection(schedules.create(bad, undefined, "schedule."));
    expect(await refused).toEqual(
      badFields(
        ...["queue", "name", "every", "cron", "every", "timeZone", "endsAt", "maxRuns"].map(
          (name) => `schedule.${name}`,
        ),
        ...["overlap", "misfire", "jitter"].map((name) => `schedule.${name}`),
        ...["delay", "runAfter", "expiresAt", "requestId", "type", "priority"].map((name) => `schedule.job.${name}`),
      ),
    );
    expect(String(await refused)).toContain("never runs: no day is what it asks for");
  });

  test("refuses one whose every time would be after its end", async () => {
    const endsAt = fixture.clock.now() + 1000;
    expect(await rejection(create({ endsAt }))).toEqual(badFields("endsAt"));
    const startsAt = Date.parse("9000-01-01T00:00Z");
    expect(await rejection(create({ cron: "@daily", startsAt }))).toEqual(badFields("startsAt"));
  });

  test("refuses a unique job that refuses others: nobody is there to be told", async () => {
    const unique = { key: "k", onConflict: "REFUSE" as const };
    expect(await rejection(create({ job: { type: "work", unique } }))).toEqual(badFields("job.unique.onConflict"));
  });

  test("refuses a name that is taken, and a queue that is not there", async () => {
    await create();
    expect(await rejection(create())).toEqual(reason("SCHEDULE_EXISTS"));
    expect(await rejection(create({ queue: "other" }))).toEqual(reason("QUEUE_NOT_FOUND"));
  });
});

describe("update", () => {
  test("changes what is given, and keeps a next time that it does not concern", async () => {
    const { nextRunAt } = await create({ maxRuns: 5 });
    await fixture.clock.advance(1000);
    const changed = await schedules.update("", "nightly", { overlap: "SKIP", maxRuns: null, job: { type: "other" } });
    expect(changed).toMatchObject({ overlap: "SKIP", nextRunAt, revision: 2, job: { type: "other" } });
    expect(changed.maxRuns).toBeUndefined();
  });

  test("goes on with the first new time after now", async () => {
    const { clock } = fixture;
    await create();
    await clock.advance(1000);
    const hourly = await schedules.update("default", "nightly", { everyMs: HOUR });
    expect(hourly.nextRunAt).toBe(hourly.createdAt + HOUR);
    const daily = await schedules.update("", "nightly", { cron: "0 3 * * *", timeZone: "Asia/Tokyo" });
    expect(daily.everyMs).toBeUndefined();
    expect(new Date(daily.nextRunAt ?? 0).toISOString()).toContain("T18:00:00.000Z");
    const ended = await schedules.update("", "nightly", { endsAt: clock.now() });
    expect(ended).toMatchObject({ state: "ENDED" });
    expect(ended.nextRunAt).toBeUndefined();
    expect(await schedules.update("", "nightly", { endsAt: null })).toMatchObject({ state: "ACTIVE" });
  });

  test("names bad fields, also those that do not go with what the schedule has", async () => {
    const startsAt = fixture.clock.now() + HOUR;
    await create({ startsAt });
    const update = (changes: object) => rejection(schedules.update("", "nightly", changes, undefined, "schedule."));
    expect(await update({ cron: "* * * *", jitterMs: -1 })).toEqual(badFields("schedule.cron", "schedule.jitter"));
    expect(await update({ endsAt: startsAt })).toEqual(badFields("schedule.endsAt"));
    expect(await update({ cron: null, everyMs: null })).toEqual(badFields("schedule.cron"));
    expect(await update({ job: null })).toEqual(badFields("schedule.job"));
    expect(await rejection(schedules.update("", "missing", { jitterMs: 1 }))).toEqual(reason("SCHEDULE_NOT_FOUND"));
  });

  test("begins again when the schedule becomes another in between", async () => {
    await create();
    const { backend } = fixture;
    const { updateSchedule } = backend;
    let tries = 0;
    backend.updateSchedule = async (change) => {
      if (++tries === 1) await updateSchedule({ ...change, spec: { ...change.spec, overlap: "SKIP" } });
      return updateSchedule(change);
    };
    expect(await schedules.update("", "nightly", { jitterMs: 5 })).toMatchObject({
      ...{ overlap: "SKIP", jitterMs: 5, revision: 3 },
    });
    expect(tries).toBe(2);
  });
});

describe("pause and resume", () => {
  test("make it make no jobs, and go on with its next time after now", async () => {
    const { clock } = fixture;
    const { createdAt } = await create();
    const paused = await schedules.pause("", "nightly");
    expect(paused).toMatchObject({ state: "PAUSED", revision: 2 });
    expect(paused.nextRunAt).toBeUndefined();
    await clock.advance(10.5 * MINUTE);
    const resumed = await schedules.resume("", "nightly");
    expect(resumed).toMatchObject({ state: "ACTIVE", revision: 3, nextRunAt: createdAt + 11 * MINUTE });
  });

  test("change nothing the second time", async () => {
    await create();
    expect((await schedules.resume("", "nightly")).revision).toBe(1);
    await schedules.pause("", "nightly");
    expect((await schedules.pause("", "nightly")).revision).toBe(2);
  });

  test("say so when the queue is paused", async () => {
    await create();
    await fixture.engine.queues.pause("default");
    expect(await schedules.get("", "nightly")).toMatchObject({ state: "ACTIVE", queuePaused: true });
    expect((await schedules.list()).schedules).toMatchObject([{ queuePaused: true }]);
  });
});

describe("trigger", () => {
  test("creates the job now, also of one that is paused, and leaves its times alone", async () => {
    await create({ paused: true, maxRuns: 1, overlap: "SKIP", job: { type: "work", payload: "[1]", priority: 3 } });
    const first = await schedules.trigger("", "nightly");
    expect(first).toMatchObject({
      ...{ type: "work", payload: "[1]", priority: 3, schedule: "nightly", scheduledFor: fixture.clock.now() },
    });
    expect(await fixture.get(first.id)).toEqual({ ...first, pendingState: "READY" });
    const second = await schedules.trigger("", "nightly");
    const after = await schedules.get("", "nightly");
    expect(after).toMatchObject({ runs: 0, lastJobId: second.id, revision: 1, state: "PAUSED" });
  });

  test("is refused for a schedule that is not there, and while the server stops", async () => {
    expect(await rejection(schedules.trigger("", "nightly"))).toEqual(reason("SCHEDULE_NOT_FOUND"));
    await create();
    await fixture.engine.stop(0);
    expect(await rejection(schedules.trigger("", "nightly"))).toEqual(reason("SERVER_DRAINING"));
  });

  test("is refused when the queue is full", async () => {
    await fixture.engine.queues.update("default", { maxDepth: 1 });
    await create();
    await schedules.trigger("", "nightly");
    expect(await rejection(schedules.trigger("", "nightly"))).toEqual(reason("QUEUE_FULL"));
  });
});

describe("list", () => {
  test("goes by queue, then by name, page by page", async () => {
    for (const queue of ["a", "b", "c"]) await fixture.engine.queues.create(queue);
    for (const [queue, name] of ["c:x", "a:z", "a:m", "default:k", "a:b"].map((place) => place.split(":"))) {
      await create({ queue, name: name ?? "" });
    }
    const all: string[] = [];
    let pageToken = "";
    let pages = 0;
    do {
      const page = await schedules.list({ pageSize: 2, pageToken });
      all.push(...page.schedules.map(({ queue, name }) => `${queue}:${name}`));
      pageToken = page.nextPageToken;
      pages++;
    } while (pageToken !== "");
    expect(all).toEqual(["a:b", "a:m", "a:z", "c:x", "default:k"]);
    expect(pages).toBe(3);
    const { schedules: ofOne, nextPageToken } = await schedules.list({ queue: "a", pageSize: 3 });
    expect([ofOne.map(({ name }) => name), nextPageToken]).toEqual([["b", "m", "z"], ""]);
  });

  test("ends a page that is large", async () => {
    const job = { type: "work", payload: JSON.stringify("x".repeat(700_000)) };
    for (const name of ["a", "b", "c"]) await create({ name, job });
    const first = await schedules.list();
    expect(first.schedules.map(({ name }) => name)).toEqual(["a"]);
    const second = await schedules.list({ pageToken: first.nextPageToken });
    expect(second.schedules.map(({ name }) => name)).toEqual(["b"]);
  });

  test("goes on behind queues without any, and looks into a bounded number of them", async () => {
    const names = Array.from({ length: 600 }, (_, index) => `q${String(index).padStart(3, "0")}`);
    for (const name of names) await fixture.engine.queues.create(name);
    await create({ queue: "q599", name: "last" });
    const first = await schedules.list();
    expect(first.schedules).toEqual([]);
    const second = await schedules.list({ pageToken: first.nextPageToken });
    expect(second).toMatchObject({ schedules: [{ name: "last" }], nextPageToken: "" });
  });

  test("refuses tokens of other listings, and queues that are not there", async () => {
    for (const name of ["a", "b"]) await create({ name });
    const { nextPageToken } = await schedules.list({ pageSize: 1 });
    const other = rejection(schedules.list({ queue: "default", pageToken: nextPageToken }));
    expect(await other).toEqual(reason("PAGE_TOKEN_INVALID"));
    const forged = Buffer.from(JSON.stringify(["schedules ", '{"queue":1}'])).toString("base64url");
    expect(await rejection(schedules.list({ pageToken: forged }))).toEqual(reason("PAGE_TOKEN_INVALID"));
    expect(await rejection(schedules.list({ queue: "missing" }))).toEqual(reason("QUEUE_NOT_FOUND"));
    expect(await rejection(schedules.list({ pageSize: 1001 }))).toEqual(badFields("pageSize"));
  });
});

describe("preview", () => {
  test("tells the next times and creates nothing", async () => {
    const after = Date.parse("2026-10-24T12:00Z");
    const times = await schedules.preview({ cron: "30 2 * * *", timeZone: "Europe/Berlin" }, { count: 3, after });
    expect(times.map((time) => new Date(time).toISOString())).toEqual([
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z",
      "2026-10-27T01:30:00.000Z",
    ]);
    const now = fixture.clock.now();
    expect(await schedules.preview({ everyMs: 1500.5, maxRuns: 2 })).toEqual([now + 1501, now + 3002]);
    expect((await schedules.list()).schedules).toEqual([]);
  });

  test("names bad fields", async () => {
    const preview = (times: object, options = {}) => rejection(schedules.preview(times, options));
    expect(await preview({ cron: "no" }, { count: 101 })).toEqual(badFields("cron", "count"));
    expect(await preview({})).toEqual(badFields("cron"));
    expect(await preview({ cron: "x".repeat(257) })).toEqual(badFields("cron"));
  });
});

test("remove deletes it", async () => {
  await create();
  await schedules.remove("", "nightly");
  expect(await rejection(schedules.get("", "nightly"))).toEqual(reason("SCHEDULE_NOT_FOUND"));
  expect(await rejection(schedules.remove("", "nightly"))).toEqual(reason("SCHEDULE_NOT_FOUND"));
  expect(await rejection(schedules.remove("", "No!"))).toEqual(badFields("name"));
});
