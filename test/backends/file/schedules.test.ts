import Database from "libsql";
import { expect, test } from "vitest";
import { SCHEMA_VERSION } from "../../../src/backends/file/schema.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";
import { firing, newSchedule } from "../../support/schedule.js";
import { folderOfTest, openFile } from "../contract/file-harness.js";
import { createQueue, expectRefused, only, tickAll } from "../contract/support.js";

const MINUTE = 60_000;

/** A file backend that can be started again on its folder, after a time in which it was away. */
async function onFolder(folder = folderOfTest()) {
  const clock = new FakeClock();
  let opened = await openFile({ folder }, clock);
  return {
    clock,
    folder,
    get backend() {
      return opened.backend;
    },
    async restart(downMs = 0) {
      await opened.close();
      clock.stepWall(downMs);
      opened = await openFile({ folder }, clock);
    },
    close: () => opened.close(),
  };
}

test("schedules are there after a restart, as they were, and those whose time has passed are told", async () => {
  const place = await onFolder();
  const now = place.clock.now();
  await createQueue(place.backend, "mail");
  const bytes = { type: "bytes", payload: Uint8Array.of(1, 2, 255) };
  for (const spec of [
    { name: "a" },
    { name: "b", queue: "mail", job: bytes },
    { name: "gone" },
    { name: "p", paused: true },
  ]) {
    await place.backend.createSchedule(newSchedule(now, spec));
  }
  await place.backend.fireSchedule(firing(await place.backend.getSchedule("default", "a")));
  await place.backend.deleteSchedule("default", "gone");
  const all = async () => {
    const pages = ["default", "mail"].map((queue) => place.backend.listSchedules({ queue, limit: 10 }));
    return (await Promise.all(pages)).flatMap(({ schedules }) => schedules);
  };
  const before = await all();
  expect(before.map(({ name }) => name)).toEqual(["a", "p", "b"]);
  await place.restart(MINUTE);
  expect(await all()).toEqual(before);
  const due = (await tickAll(place.backend)).flatMap(({ schedules }) => schedules);
  const told = only(due);
  expect(told).toEqual({ schedule: before[2], now: now + MINUTE });
  await place.backend.fireSchedule(firing(told.schedule));
  // What was told and not done yet is told by the next process.
  await place.restart(MINUTE);
  expect(await place.backend.getSchedule("mail", "b")).toMatchObject({ runs: 1, nextRunAt: now + 2 * MINUTE });
  const later = (await tickAll(place.backend)).flatMap(({ schedules }) => schedules);
  expect(later.map(({ schedule: { name } }) => name).toSorted()).toEqual(["a", "b"]);
  const { jobs } = await place.backend.list({ queue: "mail", limit: 10, order: "OLDEST" });
  expect(only(jobs)).toMatchObject({ schedule: "b", scheduledFor: now + MINUTE });
  await place.close();
});

test("a schedule goes with its queue, and one of a new queue of that name stays", async () => {
  const place = await onFolder();
  const now = place.clock.now();
  await createQueue(place.backend, "mail");
  for (const name of ["old", "same"]) await place.backend.createSchedule(newSchedule(now, { queue: "mail", name }));
  // All of it in one commit.
  await Promise.all([
    place.backend.deleteQueue("mail", true),
    createQueue(place.backend, "mail"),
    place.backend.createSchedule(newSchedule(now, { queue: "mail", name: "same", cron: "@daily" })),
  ]);
  await place.restart();
  const { schedules } = await place.backend.listSchedules({ queue: "mail", limit: 10 });
  expect(only(schedules)).toMatchObject({ name: "same", cron: "@daily" });
  await place.backend.deleteQueue("mail", true);
  await place.restart();
  await createQueue(place.backend, "mail");
  await expectRefused(place.backend.getSchedule("mail", "same"), "SCHEDULE_NOT_FOUND");
  await place.close();
});

test("a queue that was full is told by its schedule after a restart too", async () => {
  const place = await onFolder();
  const now = place.clock.now();
  await createQueue(place.backend, "mail", { maxDepth: 1 });
  const created = await place.backend.createSchedule(newSchedule(now, { queue: "mail" }));
  await place.backend.enqueue([newJob({ queue: "mail" })]);
  await expectRefused(place.backend.fireSchedule(firing(created)), "QUEUE_FULL");
  await place.restart();
  const full = { at: created.nextRunAt, reason: "QUEUE_FULL" };
  expect(await place.backend.getSchedule("mail", "nightly")).toEqual({ ...created, lastSkip: full });
  await place.close();
});

test("a file of an older version gets a table for them", async () => {
  const place = await onFolder();
  await place.backend.enqueue([newJob()]);
  await place.close();
  const file = `${place.folder}/gotaskq.db`;
  const database = new Database(file);
  database.exec("DROP VIEW schedule_list; DROP TABLE schedules; PRAGMA user_version = 1");
  database.close();
  const opened = await openFile({ folder: place.folder }, place.clock);
  const created = await opened.backend.createSchedule(newSchedule(place.clock.now()));
  expect(await opened.backend.listSchedules({ queue: "default", limit: 10 })).toEqual({ schedules: [created] });
  expect((await opened.backend.list({ queue: "default", limit: 10, order: "OLDEST" })).jobs).toHaveLength(1);
  await opened.close();
  const again = new Database(file);
  expect(again.prepare("PRAGMA user_version").get()).toMatchObject({ user_version: SCHEMA_VERSION });
  expect(again.prepare("SELECT name, times, type, runs FROM schedule_list").get()).toMatchObject({
    ...{ name: "nightly", times: "every 60000 ms", type: "echo", runs: 0 },
  });
  again.close();
});
