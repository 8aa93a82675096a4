import { createClient, type TaskQueueClient } from "gotaskq/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rejection } from "../core/support/async.js";
import { startTestServer } from "../support/server.js";

const HOUR = 3_600_000;

let client: TaskQueueClient;
let schedules: TaskQueueClient["schedules"];

beforeAll(async () => {
  const server = await startTestServer({ QUEUES: "mail" }, { handlers: {} });
  client = createClient(server.url);
  ({ schedules } = client);
});

afterAll(() => client.close());

test("a schedule is created, read, changed and deleted by the client", async () => {
  const startsAt = new Date(Date.now() + HOUR);
  const job = {
    ...{ type: "work", payload: { n: [1, null] }, priority: 2, maxRetries: 0, timeoutMs: 5, ttlMs: 7, key: "k" },
    ...{ metadata: { a: "b" }, backoff: { delaysMs: [1, 2] } },
    ...{ unique: { key: "u", until: "STARTED" as const, onConflict: "REPLACE" as const, holdMs: 9 } },
  };
  const created = await schedules.create({
    ...{ queue: "mail", name: "a", cron: "0 3 * * *", timeZone: "Asia/Tokyo", job, startsAt, maxRuns: 3 },
    ...{ overlap: "SKIP", misfire: "RUN_ALL", jitterMs: 10 },
  });
  expect(created).toEqual({
    ...{ queue: "mail", name: "a", cron: "0 3 * * *", timeZone: "Asia/Tokyo", job, startsAt: startsAt.getTime() },
    payloadText: '{"n":[1,null]}',
    ...{ everyMs: undefined, endsAt: undefined, maxRuns: 3, overlap: "SKIP", misfire: "RUN_ALL", jitterMs: 10 },
    ...{ paused: false, revision: 1, runs: 0, state: "ACTIVE", queuePaused: false, lastSkip: undefined },
    ...{ lastRunAt: undefined, lastJobId: undefined, nextRunAt: expect.any(Number) },
    ...{ createdAt: expect.any(Number), updatedAt: expect.any(Number) },
  });
  const name = { queue: "mail", name: "a" };
  expect(await schedules.get(name)).toEqual(created);
  const changed = await schedules.update(name, {
    everyMs: HOUR,
    maxRuns: null,
    startsAt: null,
    job: { type: "other" },
  });
  expect(changed).toMatchObject({ everyMs: HOUR, overlap: "SKIP", jitterMs: 10, revision: 2, job: { type: "other" } });
  expect([changed.cron, changed.maxRuns, changed.startsAt]).toEqual([undefined, undefined, undefined]);
  expect(await schedules.pause(name)).toMatchObject({ paused: true, state: "PAUSED" });
  expect(await schedules.resume(name)).toMatchObject({ paused: false, state: "ACTIVE" });
  const { id, schedule, scheduledFor } = await schedules.trigger(name);
  expect([schedule, scheduledFor]).toEqual(["a", expect.any(Number)]);
  expect(await schedules.get(name)).toMatchObject({ lastJobId: id, lastRunAt: scheduledFor });
  await schedules.create({ name: "b", everyMs: HOUR, job: { type: "work" }, paused: true });
  const first = await schedules.list({ pageSize: 1 }).page();
  const second = await schedules.list({ pageSize: 1, pageToken: first.nextPageToken }).page();
  expect([...first.items, ...second.items].map((each) => each.name)).toEqual(["b", "a"]);
  expect((await schedules.list({ queue: "mail" }).page()).items).toHaveLength(1);
  await schedules.delete(name);
  expect(await rejection(schedules.get(name))).toMatchObject({ reason: "SCHEDULE_NOT_FOUND", code: "NOT_FOUND" });
});

test("a preview tells times", async () => {
  const after = new Date("2026-03-28T12:00Z");
  const times = await schedules.preview({ cron: "30 2 * * *", timeZone: "Europe/Berlin" }, { count: 1, after });
  expect(times).toEqual([Date.parse("2026-03-29T01:00Z")]);
});

test("what a message cannot carry is refused before the call", async () => {
  const refused = (given: object) => rejection(schedules.create({ name: "x", job: { type: "work" }, ...given }));
  const fields = async (given: object) => (await refused(given)) as { violations: { field: string }[] };
  for (const [field, given] of Object.entries({
    everyMs: { everyMs: Number.NaN },
    overlap: { cron: "@daily", overlap: "NEVER" },
    maxRuns: { cron: "@daily", maxRuns: 0 },
    endsAt: { cron: "@daily", endsAt: Number.POSITIVE_INFINITY },
    "job.payload": { cron: "@daily", job: { type: "work", payload: 1n } },
  })) {
    expect((await fields(given)).violations.map((violation) => violation.field)).toEqual([field]);
  }
  expect(await refused({ cron: "@daily", everyMs: 1000 })).toMatchObject({ violations: [{ field: "everyMs" }] });
});
