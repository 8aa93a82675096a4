import { describe, expect, test } from "vitest";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  done,
  failed,
  jobOf,
  LEASE_MS,
  leasedIds,
  leaseOne,
  only,
  passTime,
  readAll,
  ref,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

const DAY = 24 * 3600 * 1000;

/** Steps of the wall clock, ms: just over a lease, a day, and ten days, each way. */
const STEPS = [31_000, DAY, 10 * DAY, -31_000, -DAY, -10 * DAY];

/** Steps the wall clock, and does what is due, as the maintenance of a server does. */
async function step({ backend, stepWall }: OpenedBackend, ms: number): Promise<void> {
  await stepWall(ms);
  await tickAll(backend);
}

/** The wall clock is wrong by `ms` for a second. */
async function wrongForASecond(opened: OpenedBackend, ms: number): Promise<void> {
  await step(opened, ms);
  await passTime(opened, 1000);
  await step(opened, -ms);
}

/** A wall clock that is set while the backend runs. */
export function describeWallClock(open: Open): void {
  describe("a wall clock that steps", () => {
    test.each(STEPS)("by %i ms ends no lease, and makes none longer", async (ms) => {
      const opened = await open();
      const { backend } = opened;
      const [first, second] = await add(backend, {}, {});
      const one = await leaseOne(backend);
      await leaseOne(backend);
      await passTime(opened, 1000);
      await step(opened, ms);
      expect(await statuses(backend, [first ?? "", second ?? ""])).toEqual(["RUNNING", "RUNNING"]);
      expect(only(await backend.extend([ref(one)]))).toEqual({ outcome: "OK", expiresInMs: LEASE_MS - 1000 });
      await passTime(opened, LEASE_MS - 1001);
      expect(await backend.complete([done(one)])).toMatchObject([{ outcome: "APPLIED" }]);
      expect(await statuses(backend, [second ?? ""])).toEqual(["RUNNING"]);
      await passTime(opened, 1);
      expect(await jobOf(backend, second ?? "")).toMatchObject({ status: "PENDING", lostLeases: 1 });
      // Ready again at once, though its run_after may be ahead of the clock now.
      expect((await leaseOne(backend)).job.id).toBe(second);
    });

    test.each(STEPS)("by %i ms during calls only, with the sweep long after it, ends no lease", async (ms) => {
      const opened = await open();
      const { backend, stepWall } = opened;
      const id = await addOne(backend);
      await leaseOne(backend);
      await stepWall(ms);
      await addOne(backend, { type: "other" });
      await jobOf(backend, id);
      await passTime(opened, LEASE_MS - 1);
      expect(await statuses(backend, [id])).toEqual(["RUNNING"]);
      await passTime(opened, 1);
      expect(await statuses(backend, [id])).toEqual(["PENDING"]);
    });

    test.each(STEPS)("by %i ms again and again ends no lease that is extended", async (ms) => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      for (let turn = 0; turn < 5; turn++) {
        await passTime(opened, LEASE_MS / 2);
        await step(opened, turn % 3 === 2 ? -ms : ms);
        expect(await backend.extend([{ ...ref(leased), leaseMs: LEASE_MS }])).toEqual([
          { outcome: "OK", expiresInMs: LEASE_MS },
        ]);
      }
      expect(await jobOf(backend, id)).toMatchObject({ status: "RUNNING", lostLeases: 0 });
    });

    test.each(STEPS)("by %i ms moves no backoff under way", async (ms) => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend, { backoff: { baseDelayMs: 5000, maxDelayMs: 5000 } });
      const leased = await leaseOne(backend);
      await backend.fail([failed(leased)]);
      const { runAfter } = await jobOf(backend, leased.job.id);
      await passTime(opened, 1000);
      await step(opened, ms);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, retrying: 1 });
      await passTime(opened, 3999);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 1);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0 });
      expect((await leaseOne(backend)).job).toMatchObject({ id: leased.job.id, runAfter });
    });

    test.each(STEPS)("by %i ms deletes no DEAD job before its time", async (ms) => {
      const opened = await open();
      const { backend } = opened;
      await backend.updateQueue("default", { deadTtlMs: 50_000 });
      await tickAll(backend);
      const ids = [await addDead(backend)];
      await passTime(opened, 1000);
      await step(opened, ms);
      ids.push(await addDead(backend));
      await passTime(opened, 48_999);
      expect(await statuses(backend, ids)).toEqual(["DEAD", "DEAD"]);
      await passTime(opened, 1001);
      expect(await statuses(backend, ids)).toEqual(["-", "-"]);
    });

    test.each(STEPS)("by %i ms moves no delay", async (ms) => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { delayMs: 5000 });
      await passTime(opened, 1000);
      await step(opened, ms);
      await passTime(opened, 3999);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 1);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test.each(STEPS)("by %i ms is what a run_after is kept against from then on", async (ms) => {
      const opened = await open();
      const { backend, now } = opened;
      const inMs = 11 * DAY;
      const id = await addOne(backend, { runAfter: (await now()) + inMs });
      await step(opened, ms);
      await passTime(opened, inMs - ms - 1);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 1);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("over a run_after makes the job ready at the next tick", async () => {
      const opened = await open();
      const { backend, now } = opened;
      const id = await addOne(backend, { runAfter: (await now()) + DAY });
      await step(opened, DAY);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0 });
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test.each([DAY, 10 * DAY])("%i ms ahead for a second has moved nothing a second later", async (ms) => {
      const opened = await open();
      const { backend, now } = opened;
      const id = await addOne(backend, { backoff: { baseDelayMs: 5000, maxDelayMs: 5000 } });
      const retried = await leaseOne(backend);
      await backend.fail([failed(retried)]);
      await addOne(backend, { type: "running" });
      const running = await leaseOne(backend, { types: ["running"] });
      await wrongForASecond(opened, ms);
      const timed = await addOne(backend, { runAfter: (await now()) + 3_600_000 });
      await passTime(opened, 3999);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 1);
      expect(await leasedIds(backend)).toEqual([id]);
      expect(await backend.complete([done(running)])).toMatchObject([{ outcome: "APPLIED" }]);
      await passTime(opened, 3_600_000 - 4001);
      expect(await leasedIds(backend, { types: ["echo"], max: 2 })).toEqual([id]);
      await passTime(opened, 1);
      expect(await leasedIds(backend)).toEqual([timed]);
      const fresh = await jobOf(backend, await addOne(backend));
      expect(fresh.createdAt).toBe(await now());
    });

    test("back leaves no stamp of a job before an earlier one", async () => {
      const opened = await open();
      const { backend, now } = opened;
      const cursor = await backend.head();
      const id = await addOne(backend, { maxRetries: 1, backoff: { baseDelayMs: 0, maxDelayMs: 0 } });
      const { createdAt } = await jobOf(backend, id);
      await step(opened, -DAY);
      const first = await leaseOne(backend);
      expect(first.job).toMatchObject({ createdAt, updatedAt: createdAt, startedAt: createdAt });
      await backend.extend([{ ...ref(first), progress: { percent: 1, message: "" } }]);
      const settled = only(await backend.fail([failed(first)]));
      expect(settled.applied?.durationMs).toBe(0);
      // A retry is scheduled by the clock as it is.
      expect(await jobOf(backend, id)).toMatchObject({ updatedAt: createdAt, runAfter: await now() });
      await backend.complete([done(await leaseOne(backend))]);
      const last = await jobOf(backend, id);
      expect(last).toMatchObject({ status: "DONE", updatedAt: createdAt, finishedAt: createdAt });
      expect(only(last.attemptErrors.map(({ at }) => at))).toBe(createdAt);
      for (const { updatedAt } of (await readAll(backend, cursor)).changes) expect(updatedAt).toBe(createdAt);
    });

    test("back leaves no stamp before an earlier one when jobs die, are replayed, cancelled or deleted", async () => {
      const opened = await open();
      const { backend } = opened;
      const cursor = await backend.head();
      const dead = await addOne(backend, { maxRetries: 0 });
      const leased = await leaseOne(backend);
      const [waiting] = await add(backend, {}, { delayMs: 1000 });
      const before = await jobOf(backend, waiting ?? "");
      await step(opened, -DAY);
      await backend.fail([failed(leased)]);
      expect(await jobOf(backend, dead)).toMatchObject({ status: "DEAD", finishedAt: leased.job.updatedAt });
      const page = await backend.listDead({ queue: "default", limit: 10, order: "NEWEST" });
      expect(page.jobs.map(({ id }) => id)).toEqual([dead]);
      await backend.replay([dead]);
      await backend.cancel(waiting ?? "");
      await backend.purge("default");
      expect(await jobOf(backend, waiting ?? "")).toMatchObject({
        status: "CANCELED",
        updatedAt: before.createdAt,
        finishedAt: before.createdAt,
      });
      const { changes } = await readAll(backend, cursor);
      for (const change of changes) expect(change.updatedAt).toBeGreaterThanOrEqual(leased.job.createdAt);
    });

    test.each([DAY, -DAY])("by %i ms does not change for how long finished jobs are kept", async (ms) => {
      const opened = await open({ completeJobTtlMs: 60_000 });
      const { backend } = opened;
      const finished = await addDone(backend);
      const canceled = await addOne(backend);
      await backend.cancel(canceled);
      await passTime(opened, 1000);
      await step(opened, ms);
      await passTime(opened, 58_999);
      expect(await statuses(backend, [finished, canceled])).toEqual(["DONE", "CANCELED"]);
      await passTime(opened, 1001);
      expect(await statuses(backend, [finished, canceled])).toEqual(["-", "-"]);
    });

    test.each([DAY, -DAY])("by %i ms does not make a repeat of a lease call take other jobs", async (ms) => {
      const opened = await open();
      const { backend } = opened;
      await add(backend, {}, {});
      const first = await leaseOne(backend, { requestId: "r" });
      await step(opened, ms);
      const again = await leaseOne(backend, { requestId: "r" });
      expect(again).toMatchObject({ token: first.token, expiresInMs: LEASE_MS });
    });

    test("in the years before 2026 keeps jobs and their order", async () => {
      const opened = await open();
      const { backend, now } = opened;
      await step(opened, Date.UTC(1971, 0, 1) - (await now()));
      const ids = await add(backend, { priority: 1 }, {}, { delayMs: 1000 }, { runAfter: -62_135_596_800_000 });
      const [high, plain, delayed, ancient] = ids;
      await addDead(backend);
      await passTime(opened, 1000);
      expect(await leasedIds(backend)).toEqual([high, ancient, plain, delayed]);
      expect(await jobOf(backend, ancient ?? "")).toMatchObject({ runAfter: -62_135_596_800_000, status: "RUNNING" });
      expect((await backend.list({ queue: "default", statuses: [], limit: 9 })).jobs).toHaveLength(5);
    });
  });
}
