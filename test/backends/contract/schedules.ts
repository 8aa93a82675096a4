import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { DueSchedule, FiringResult } from "../../../src/core/port/schedule-store.js";
import type { Schedule } from "../../../src/model/request/schedule.js";
import { newJob } from "../../support/job.js";
import { firing, newSchedule } from "../../support/schedule.js";
import type { Open, OpenedBackend } from "./harness.js";
import { createQueue, done, expectRefused, fatal, jobOf, leaseOne, only, statsOf, tickAll } from "./support.js";

const MINUTE = 60_000;

/** Creates a schedule; by default it runs each minute. */
async function schedule({ backend, now }: OpenedBackend, given: Parameters<typeof newSchedule>[1] = {}) {
  return backend.createSchedule(newSchedule(await now(), given));
}

/** Lets time pass, and returns the schedules that are told as due. */
async function dueAfter({ backend, advance }: OpenedBackend, ms: number): Promise<DueSchedule[]> {
  await advance(ms);
  return (await tickAll(backend)).flatMap(({ schedules }) => schedules);
}

async function namesDueAfter(opened: OpenedBackend, ms: number): Promise<string[]> {
  return (await dueAfter(opened, ms)).map(({ schedule: { name } }) => name);
}

function read(backend: Backend, name = "nightly", queue = "default"): Promise<Schedule> {
  return backend.getSchedule(queue, name);
}

/** The ids of the jobs that a firing made. */
function made(result: FiringResult): string[] {
  return result.outcome === "FIRED" ? result.results.map(({ id }) => id) : [];
}

/** Schedules: kept, told as due, and fired. */
export function describeSchedules(open: Open): void {
  describe("a schedule", () => {
    test("is kept as it was created, whatever its job is made of", async () => {
      const opened = await open();
      const { backend, now } = opened;
      const createdAt = await now();
      const jobs = [
        { type: "echo", payload: '{"n": 12345678901234567890, "empty": {}, "list": []}' },
        { type: "bytes", payload: Uint8Array.of(0, 255, 10, 13) },
        { type: "plain", metadata: { who: 'äöü \n " \\' }, priority: 3, maxRetries: 0, backoff: { delaysMs: [1, 2] } },
        { type: "late", ttlMs: 1000, timeoutMs: 5 },
      ];
      for (const [at, job] of jobs.entries()) {
        const given = newSchedule(createdAt, { name: `s${at}`, job, misfire: "RUN_ALL", jitterMs: 5, maxRuns: 7 });
        const created = await backend.createSchedule(given);
        expect(created).toEqual({
          ...given.spec,
          ...{ paused: false, revision: 1, createdAt, updatedAt: createdAt, nextRunAt: createdAt + MINUTE, runs: 0 },
        });
        expect(await read(backend, `s${at}`)).toEqual(created);
      }
      const cron = newSchedule(createdAt, {
        ...{ name: "cron", cron: "0 3 * * *", timeZone: "Europe/Berlin", overlap: "SKIP", paused: true },
        ...{ startsAt: -62_135_596_800_000, endsAt: 253_402_300_799_999 },
      });
      const created = await backend.createSchedule(cron);
      expect(created).toMatchObject({ ...cron.spec, paused: true });
      expect(created.nextRunAt).toBeUndefined();
      expect(await read(backend, "cron")).toEqual(created);
    });

    test("has a name of its own in its queue, which must exist", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "mail");
      await schedule(opened);
      await schedule(opened, { queue: "mail" });
      await expectRefused(schedule(opened), "SCHEDULE_EXISTS");
      await expectRefused(schedule(opened, { queue: "none" }), "QUEUE_NOT_FOUND");
      await expectRefused(read(backend, "nightly", "none"), "QUEUE_NOT_FOUND");
      await expectRefused(read(backend, "other"), "SCHEDULE_NOT_FOUND");
      await expectRefused(backend.deleteSchedule("default", "other"), "SCHEDULE_NOT_FOUND");
      await expectRefused(backend.listSchedules({ queue: "none", limit: 10 }), "QUEUE_NOT_FOUND");
    });

    test("is listed by name, in pages", async () => {
      const opened = await open();
      const { backend } = opened;
      expect(await backend.listSchedules({ queue: "default", limit: 10 })).toEqual({ schedules: [], next: undefined });
      for (const name of ["c", "a", "e", "b.x", "d", "b"]) await schedule(opened, { name });
      await backend.deleteSchedule("default", "d");
      const names: string[] = [];
      let after: string | undefined;
      do {
        const page = await backend.listSchedules({ queue: "default", limit: 2, after });
        expect(page.schedules.length).toBeLessThanOrEqual(2);
        names.push(...page.schedules.map(({ name }) => name));
        after = page.next;
      } while (after !== undefined);
      expect(names).toEqual(["a", "b", "b.x", "c", "e"]);
      expect(only((await backend.listSchedules({ queue: "default", limit: 1, after: "b" })).schedules)).toEqual(
        await read(backend, "b.x"),
      );
    });

    test("fills a page with so many bytes only, but one at least", async () => {
      const opened = await open();
      const { backend } = opened;
      const job = { type: "echo", payload: JSON.stringify("x".repeat(700_000)) };
      for (const name of ["a", "b", "c"]) await schedule(opened, { name, job });
      const { schedules, next } = await backend.listSchedules({ queue: "default", limit: 10 });
      expect(schedules.length).toBeLessThan(3);
      expect(next).toBe(schedules.at(-1)?.name);
    });

    test("is changed only by somebody who knows what it is", async () => {
      const opened = await open();
      const { backend, now, advance } = opened;
      const first = await schedule(opened);
      await advance(1000);
      const spec = newSchedule(first.createdAt, { cron: "@daily", overlap: "SKIP" }).spec;
      const change = { spec, paused: false, nextRunAt: first.createdAt + 5000, was: first };
      const second = await backend.updateSchedule(change);
      expect(second).toMatchObject({ cron: "@daily", overlap: "SKIP", revision: 2, createdAt: first.createdAt });
      expect(second).toMatchObject({ nextRunAt: first.createdAt + 5000, updatedAt: await now() });
      expect(second?.everyMs).toBeUndefined();
      expect(await read(backend)).toEqual(second);
      // The same again: it is another by now.
      expect(await backend.updateSchedule(change)).toBeUndefined();
      expect(await read(backend)).toEqual(second);
      const unknown = { ...change, spec: { ...spec, name: "other" } };
      await expectRefused(backend.updateSchedule(unknown), "SCHEDULE_NOT_FOUND");
    });

    test("goes with its queue, and a new queue of that name has none", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "mail");
      await schedule(opened, { queue: "mail" });
      // It does not keep its queue.
      await backend.deleteQueue("mail", false);
      await expectRefused(read(backend, "nightly", "mail"), "QUEUE_NOT_FOUND");
      await createQueue(backend, "mail");
      await expectRefused(read(backend, "nightly", "mail"), "SCHEDULE_NOT_FOUND");
      expect(await dueAfter(opened, MINUTE)).toEqual([]);
    });
  });

  describe("a schedule whose time comes", () => {
    test("is told by a tick, with the time of the store, and not before", async () => {
      const opened = await open();
      const { backend, heard, now } = opened;
      heard.clear();
      const created = await schedule(opened);
      await opened.settled();
      expect(Math.min(...heard.dueHeard)).toBeLessThanOrEqual(MINUTE);
      expect(await dueAfter(opened, MINUTE - 100 - opened.slackMs)).toEqual([]);
      expect((await tickAll(backend)).at(-1)?.nextInMs).toBeLessThanOrEqual(100 + opened.slackMs);
      const told = only(await dueAfter(opened, 100 + opened.slackMs));
      expect(told.schedule).toEqual(created);
      expect(told.now).toBeGreaterThanOrEqual(created.nextRunAt ?? 0);
      expect(told.now).toBeLessThanOrEqual(await now());
    });

    test("is told once, and again after a while if nothing came of it", async () => {
      const opened = await open();
      const { backend } = opened;
      await schedule(opened);
      expect(await namesDueAfter(opened, MINUTE)).toEqual(["nightly"]);
      expect(await namesDueAfter(opened, 0)).toEqual([]);
      const { nextInMs = 0 } = await backend.tick();
      expect(nextInMs).toBeGreaterThan(500);
      expect(nextInMs).toBeLessThanOrEqual(1000);
      expect(await namesDueAfter(opened, 1000)).toEqual(["nightly"]);
    });

    test("is told again less often the later it is", async () => {
      const opened = await open();
      await schedule(opened);
      expect(await namesDueAfter(opened, MINUTE + 100_000)).toEqual(["nightly"]);
      expect(await namesDueAfter(opened, 9000)).toEqual([]);
      expect(await namesDueAfter(opened, 1000)).toEqual(["nightly"]);
      expect(await namesDueAfter(opened, 3_600_000)).toEqual(["nightly"]);
      expect(await namesDueAfter(opened, 29_000)).toEqual([]);
      expect(await namesDueAfter(opened, 1000)).toEqual(["nightly"]);
    });

    test("is not told while it is paused, or once it is deleted or has another time", async () => {
      const opened = await open();
      const { backend } = opened;
      const [paused, moved] = [await schedule(opened), await schedule(opened, { name: "moved" })];
      await schedule(opened, { name: "deleted" });
      const spec = newSchedule(0, {}).spec;
      await backend.updateSchedule({ spec, paused: true, nextRunAt: undefined, was: paused });
      const nextRunAt = (moved.nextRunAt ?? 0) + MINUTE;
      await backend.updateSchedule({ spec: { ...spec, name: "moved" }, paused: false, nextRunAt, was: moved });
      await backend.deleteSchedule("default", "deleted");
      expect(await namesDueAfter(opened, MINUTE)).toEqual([]);
      expect(await namesDueAfter(opened, MINUTE)).toEqual(["moved"]);
    });

    test("is told by the wall clock as it is after a step", async () => {
      const opened = await open();
      await schedule(opened);
      await opened.stepWall(-3_600_000);
      expect(await namesDueAfter(opened, MINUTE)).toEqual([]);
      await opened.stepWall(3_600_000);
      // Whoever asks next learns of it, if nobody has by then.
      await opened.backend.getSchedule("default", "nightly");
      expect(await namesDueAfter(opened, 0)).toEqual(["nightly"]);
    });

    test("is one of many: they are told in the order of their times, a bounded number at once, each once", async () => {
      const opened = await open();
      const { backend, now, advance } = opened;
      const at = await now();
      const names = Array.from({ length: 250 }, (_, index) => `s${String(index).padStart(3, "0")}`);
      for (const [index, name] of names.entries()) {
        await schedule(opened, { name, nextRunAt: at + 1000 + ((index * 7) % 250) });
      }
      await advance(2000);
      const told: DueSchedule[][] = [];
      for (let turn = 0; turn < 10; turn++) {
        const { schedules, nextInMs } = await backend.tick();
        told.push([...schedules]);
        if (nextInMs !== 0) break;
      }
      expect(Math.max(...told.map(({ length }) => length))).toBeLessThanOrEqual(100);
      const times = told.flat().map(({ schedule: { nextRunAt } }) => nextRunAt);
      expect(times).toEqual(times.toSorted((a, b) => (a ?? 0) - (b ?? 0)));
      expect(
        told
          .flat()
          .map(({ schedule: { name } }) => name)
          .toSorted(),
      ).toEqual(names);
    });
  });

  describe("firing a schedule", () => {
    test("makes its job and moves it on, in one step", async () => {
      const opened = await open();
      const { backend, heard } = opened;
      const created = await schedule(opened);
      const { schedule: due } = only(await dueAfter(opened, MINUTE));
      heard.clear();
      const result = await backend.fireSchedule(firing(due));
      const id = only(made(result));
      expect(await jobOf(backend, id)).toMatchObject({
        ...{ id, status: "PENDING", revision: 1, schedule: "nightly", scheduledFor: created.nextRunAt },
      });
      await heard.heardReady("default");
      const fired = await read(backend);
      expect(fired).toEqual({
        ...created,
        ...{ nextRunAt: (created.nextRunAt ?? 0) + MINUTE, lastRunAt: created.nextRunAt, lastJobId: id, runs: 1 },
      });
      expect((await leaseOne(backend)).job).toMatchObject({ id, schedule: "nightly", scheduledFor: created.nextRunAt });
      expect(await namesDueAfter(opened, MINUTE - 1000)).toEqual([]);
      expect(await namesDueAfter(opened, 1000)).toEqual(["nightly"]);
    });

    test("makes nothing when it is not as it was read", async () => {
      const opened = await open();
      const { backend } = opened;
      const created = await schedule(opened);
      const first = firing(created);
      expect(await backend.fireSchedule(first)).toMatchObject({ outcome: "FIRED" });
      const fired = await read(backend);
      // Fired by somebody else, of another revision, created anew, deleted.
      const stale = [first, firing({ ...fired, revision: 2 }), firing({ ...fired, createdAt: fired.createdAt - 1 })];
      for (const each of stale) {
        const again = { ...each, jobs: [newJob()] };
        expect(await backend.fireSchedule(again)).toEqual({ outcome: "STALE" });
      }
      expect(await read(backend)).toEqual(fired);
      await backend.deleteSchedule("default", "nightly");
      expect(await backend.fireSchedule(firing(fired))).toEqual({ outcome: "STALE" });
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
      await expectRefused(backend.fireSchedule(firing({ ...fired, queue: "none" })), "QUEUE_NOT_FOUND");
    });

    test("by many at once makes one job", async () => {
      const opened = await open();
      const { backend } = opened;
      const created = await schedule(opened);
      const results = await Promise.all(Array.from({ length: 5 }, () => backend.fireSchedule(firing(created))));
      expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(["FIRED", ...Array(4).fill("STALE")]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
      expect(await read(backend)).toMatchObject({ runs: 1 });
    });

    test("makes several jobs at once, or none, and remembers what was left out", async () => {
      const opened = await open();
      const { backend } = opened;
      const created = await schedule(opened);
      const results = made(await backend.fireSchedule(firing(created, { count: 3 })));
      expect(results).toHaveLength(3);
      const fired = await read(backend);
      const last = (created.nextRunAt ?? 0) + 2 * MINUTE;
      expect(fired).toMatchObject({ runs: 3, lastJobId: results[2], lastRunAt: last, nextRunAt: last + MINUTE });
      const skip = { at: last + MINUTE, reason: "MISFIRE" as const };
      const none = firing(fired, { jobs: [], skip });
      expect(await backend.fireSchedule(none)).toEqual({ outcome: "FIRED", results: [] });
      expect(await read(backend)).toEqual({ ...fired, nextRunAt: last + 2 * MINUTE, lastSkip: skip });
    });

    test("skips what overlaps: no job while the last one waits or runs", async () => {
      const opened = await open();
      const { backend } = opened;
      await schedule(opened, { overlap: "SKIP" });
      const fire = async () => backend.fireSchedule(firing(await read(backend)));
      const first = only(made(await fire()));
      expect(await fire()).toEqual({ outcome: "SKIPPED" });
      const waiting = await read(backend);
      expect(waiting).toMatchObject({ runs: 1, lastJobId: first, lastSkip: { reason: "OVERLAP" } });
      expect(waiting.nextRunAt).toBe((waiting.lastSkip?.at ?? 0) + MINUTE);
      const leased = await leaseOne(backend);
      expect(await fire()).toEqual({ outcome: "SKIPPED" });
      await backend.complete([done(leased)]);
      expect(await fire()).toMatchObject({ outcome: "FIRED" });
      // DEAD counts as finished, and so do a cancelled job and one that was deleted.
      await backend.fail([fatal(await leaseOne(backend))]);
      const third = only(made(await fire()));
      await backend.cancel(third);
      const fourth = only(made(await fire()));
      expect(await fire()).toEqual({ outcome: "SKIPPED" });
      await backend.cancel(fourth);
      await backend.remove([fourth], ["CANCELED"]);
      expect(await fire()).toMatchObject({ outcome: "FIRED" });
      expect(await read(backend)).toMatchObject({ runs: 5 });
    });

    test("sees the job that another firing of the same moment made", async () => {
      const opened = await open();
      const { backend } = opened;
      const created = await schedule(opened, { overlap: "SKIP" });
      const byHand = firing(created, { byHand: true, skipsOverlap: false });
      const results = await Promise.all([backend.fireSchedule(byHand), backend.fireSchedule(firing(created))]);
      expect(results).toMatchObject([{ outcome: "FIRED" }, { outcome: "SKIPPED" }]);
    });

    test("by hand makes a job, and leaves its times and runs as they are", async () => {
      const opened = await open();
      const { backend, now } = opened;
      const created = await schedule(opened, { maxRuns: 1 });
      const at = await now();
      const job = newJob({ schedule: "nightly", scheduledFor: at });
      const byHand = firing(created, { jobs: [job], byHand: true });
      const id = only(made(await backend.fireSchedule(byHand)));
      expect(await read(backend)).toEqual({ ...created, lastJobId: id, lastRunAt: at });
      // It may be done to a paused one too.
      const spec = newSchedule(at, { maxRuns: 1 }).spec;
      const paused = await backend.updateSchedule({ spec, paused: true, nextRunAt: undefined, was: created });
      if (paused === undefined) throw new Error("it is as it was");
      const other = firing(paused, { jobs: [newJob({ ...job, id: undefined })], byHand: true });
      expect(await backend.fireSchedule(other)).toMatchObject({ outcome: "FIRED" });
      expect(await read(backend)).toMatchObject({ paused: true, runs: 0 });
      expect((await read(backend)).nextRunAt).toBeUndefined();
    });

    test("ends with its last run; what was skipped is none", async () => {
      const opened = await open();
      const { backend } = opened;
      await schedule(opened, { maxRuns: 2, overlap: "SKIP" });
      const fire = async () => backend.fireSchedule(firing(await read(backend)));
      await fire();
      await fire();
      expect(await read(backend)).toMatchObject({ runs: 1, nextRunAt: expect.any(Number) });
      await backend.complete([done(await leaseOne(backend))]);
      await fire();
      expect((await read(backend)).runs).toBe(2);
      expect((await read(backend)).nextRunAt).toBeUndefined();
      expect(await dueAfter(opened, 3_600_000)).toEqual([]);
    });

    test("waits while its queue is full: the time stays due, and says so", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "mail", { maxDepth: 1 });
      await schedule(opened, { queue: "mail" });
      await backend.enqueue([newJob({ queue: "mail" })]);
      const { schedule: due } = only(await dueAfter(opened, MINUTE));
      await expectRefused(backend.fireSchedule(firing(due)), "QUEUE_FULL");
      const full = { at: due.nextRunAt, reason: "QUEUE_FULL" };
      expect(await read(backend, "nightly", "mail")).toEqual({ ...due, lastSkip: full });
      // No turn of its own, only the next look.
      expect(await dueAfter(opened, 0)).toEqual([]);
      expect(await backend.purge("mail")).toBe(1);
      const { schedule: again } = only(await dueAfter(opened, 1000));
      await backend.fireSchedule(firing(again));
      const fired = await read(backend, "nightly", "mail");
      expect(fired).toMatchObject({ runs: 1, lastRunAt: due.nextRunAt });
      // The time has made its job after all.
      expect(fired.lastSkip).toBeUndefined();
    });

    test("counts no job that was there already, as it has its unique key", async () => {
      const opened = await open();
      const { backend } = opened;
      const created = await schedule(opened, { maxRuns: 2 });
      const unique = { key: "report", until: "FINISHED" as const, holdMs: 0 };
      const fire = async (onConflict: "KEEP" | "REFUSE" = "KEEP") => {
        const plan = firing(await read(backend));
        const jobs = plan.jobs.map((job) => ({ ...job, unique, onConflict }));
        return backend.fireSchedule({ ...plan, jobs });
      };
      const id = only(made(await fire()));
      expect(only(made(await fire()))).toBe(id);
      const seen = await read(backend);
      expect(seen).toMatchObject({ runs: 1, lastJobId: id, lastRunAt: (created.nextRunAt ?? 0) + MINUTE });
      await expectRefused(fire("REFUSE"), "JOB_EXISTS");
      expect(await read(backend)).toEqual(seen);
      await backend.cancel(id);
      await fire("REFUSE");
      expect(await read(backend)).toMatchObject({ runs: 2 });
      expect((await read(backend)).nextRunAt).toBeUndefined();
    });

    test("of a paused queue makes jobs that wait", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "mail");
      await backend.setPaused("mail", true);
      await schedule(opened, { queue: "mail" });
      const { schedule: due } = only(await dueAfter(opened, MINUTE));
      expect(await backend.fireSchedule(firing(due))).toMatchObject({ outcome: "FIRED" });
      expect(await statsOf(backend, "mail")).toMatchObject({ ready: 1 });
    });

    test("gives its jobs what its queue gives jobs, and lets them wait and expire", async () => {
      const opened = await open();
      const { backend, now } = opened;
      await createQueue(backend, "mail", { defaultMaxRetries: 42 });
      const created = await schedule(opened, { queue: "mail" });
      const given = { queue: "mail", schedule: "nightly", scheduledFor: created.nextRunAt };
      const job = newJob({ ...given, open: 1, delayMs: 500, ttlMs: 5000, metadata: { a: "b" } });
      const id = only(made(await backend.fireSchedule(firing(created, { jobs: [job] }))));
      const at = await now();
      const seen = await jobOf(backend, id);
      expect(seen).toMatchObject({ maxRetries: 42, metadata: { a: "b" }, schedule: "nightly" });
      expect(seen.scheduledFor).toBe(created.nextRunAt);
      expect(seen.runAfter - at).toBeGreaterThan(400);
      expect(await statsOf(backend, "mail")).toMatchObject({ ready: 0, scheduled: 1 });
      await opened.advance(5000 + opened.slackMs);
      await tickAll(backend);
      expect(await jobOf(backend, id)).toMatchObject({ status: "CANCELED", schedule: "nightly" });
    });

    test("and a deletion at the same time: its job was made before, or not at all", async () => {
      const opened = await open();
      const { backend } = opened;
      for (let turn = 0; turn < 10; turn++) {
        const created = await schedule(opened, { name: `s${turn}` });
        const [result] = await Promise.all([
          backend.fireSchedule(firing(created)),
          backend.deleteSchedule("default", created.name),
        ]);
        expect((await backend.get(made(result))).length).toBe(result.outcome === "FIRED" ? 1 : 0);
        await expectRefused(read(backend, created.name), "SCHEDULE_NOT_FOUND");
      }
    });
  });
}
