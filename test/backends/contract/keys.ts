import { describe, expect, test } from "vitest";
import type { Lease } from "../../../src/core/port/leases.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  done,
  failed,
  fatal,
  jobOf,
  lease,
  leasedIds,
  leaseOne,
  passTime,
  ref,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

/** The ways in which a job stops running, and the statuses that it may have then. */
const ENDS: readonly (readonly [string, (opened: OpenedBackend, given: Lease) => Promise<unknown>])[] = [
  ["is completed", ({ backend }, given) => backend.complete([done(given)])],
  ["fails for good", ({ backend }, given) => backend.fail([fatal(given)])],
  [
    "fails and is to be retried",
    ({ backend }, given) => backend.fail([{ ...failed(given), retry: { afterMs: 60_000 } }]),
  ],
  ["is released for later", ({ backend }, given) => backend.release([{ ...ref(given), delayMs: 60_000 }])],
  ["is released often enough to be poison", ({ backend }, given) => backend.release([{ ...ref(given), isLost: true }])],
  [
    "is cancelled and acknowledges it",
    async ({ backend }, given) => {
      await backend.cancel(given.job.id);
      await backend.release([ref(given)]);
    },
  ],
  [
    "loses its lease after a cancel",
    async (opened, given) => {
      await opened.backend.cancel(given.job.id);
      await passTime(opened, 11_000);
    },
  ],
];

/** Sets the limit of a key, and lets ticks do what the update left. */
async function limitTo({ backend }: OpenedBackend, maxConcurrencyPerKey: number): Promise<void> {
  await backend.updateQueue("default", { maxConcurrencyPerKey });
  await tickAll(backend);
}

/** Jobs of tenants, and a limit for each. */
export function describeKeys(open: Open): void {
  describe("the key of a job", () => {
    test("is kept with it, and is not there when it was created without", async () => {
      const { backend } = await open();
      const key = `ü|:${"k".repeat(125)}`;
      const [keyed = "", plain = "", timed = ""] = await add(
        backend,
        { key },
        {},
        { key: "t", ttlMs: 60_000, delayMs: 1 },
      );
      expect((await jobOf(backend, keyed)).key).toBe(key);
      expect((await jobOf(backend, plain)).key).toBeUndefined();
      expect(await jobOf(backend, timed)).toMatchObject({ key: "t", status: "PENDING" });
      const leases = await lease(backend);
      expect(leases.map(({ job }) => job.key)).toEqual([key, undefined]);
      const { jobs } = await backend.list({ queue: "default", limit: 10 });
      expect(jobs.map((job) => job.key).toSorted()).toEqual(["t", key, undefined]);
      await backend.complete(leases.map((each) => done(each)));
      expect((await jobOf(backend, keyed)).key).toBe(key);
    });
  });

  describe("max_concurrency_per_key", () => {
    test("bounds the jobs of each key that run, and holds up no others", async () => {
      const opened = await open();
      const { backend } = opened;
      await limitTo(opened, 2);
      const ids = await add(
        backend,
        ...["a", "a", "a", "b", undefined, "a", undefined, "b", "b", undefined].map((key) => ({ key })),
      );
      expect(await leasedIds(backend)).toEqual([0, 1, 3, 4, 6, 7, 9].map((at) => ids[at]));
      expect(await leasedIds(backend)).toEqual([]);
      expect((await statsOf(backend)).running).toBe(7);
    });

    test("counts the jobs of all types together, and of each queue apart", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "other", { maxConcurrencyPerKey: 1 });
      await limitTo(opened, 2);
      const types = { types: ["x", "y", "z"] };
      const [x = "", y = ""] = await add(backend, ...["x", "y", "z"].map((type) => ({ type, key: "a" })));
      const other = await addOne(backend, { queue: "other", type: "x", key: "a" });
      expect(await leasedIds(backend, { types: ["x"] })).toEqual([x]);
      expect(await leasedIds(backend, types)).toEqual([y]);
      expect(await leasedIds(backend, types)).toEqual([]);
      expect(await leasedIds(backend, { ...types, queues: ["other"] })).toEqual([other]);
    });

    test.each(ENDS)("lets the next job run, and tells so, when one %s", async (_name, end) => {
      const opened = await open({ maxLostLeases: 0 });
      const { backend, heard } = opened;
      await limitTo(opened, 1);
      const [first = "", second = "", third = ""] = await add(
        backend,
        ...["x", "y", "z"].map((type, priority) => ({ type, priority, key: "a" })),
      );
      const types = { types: ["x", "y", "z"] };
      const leased = await leaseOne(backend, types);
      expect(leased.job.id).toBe(third);
      expect(await leasedIds(backend, types)).toEqual([]);
      await opened.settled();
      heard.clear();
      await end(opened, leased);
      await opened.settled();
      expect([...(heard.readyTypesHeard.get("default") ?? [])]).toEqual(expect.arrayContaining(["x", "y"]));
      expect(await leasedIds(backend, types)).toEqual([second]);
      expect(await leasedIds(backend, types)).toEqual([]);
      expect(await statuses(backend, [first])).toEqual(["PENDING"]);
    });

    test("lets a job that was given back run again at its old place", async () => {
      const opened = await open();
      const { backend } = opened;
      await limitTo(opened, 1);
      const [first = "", second = ""] = await add(backend, { key: "a" }, { key: "a" });
      await backend.release([ref(await leaseOne(backend))]);
      expect(await leasedIds(backend)).toEqual([first]);
      await passTime(opened, 11_000);
      const again = await leaseOne(backend);
      expect(again.job).toMatchObject({ id: first, deliveries: 3, lostLeases: 1 });
      await backend.complete([done(again)]);
      expect(await leasedIds(backend)).toEqual([second]);
    });

    test("may be lowered: what runs goes on, and no more is given until there is room", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = await add(backend, ...Array.from({ length: 5 }, () => ({ key: "a" })));
      const running = await lease(backend, { max: 3 });
      expect(running).toHaveLength(3);
      await limitTo(opened, 2);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 3 });
      expect(await leasedIds(backend)).toEqual([]);
      await backend.complete(running.slice(0, 1).map((each) => done(each)));
      expect(await leasedIds(backend)).toEqual([]);
      await backend.complete(running.slice(1, 2).map((each) => done(each)));
      expect(await leasedIds(backend)).toEqual([ids[3]]);
      expect(await statuses(backend, ids.slice(2))).toEqual(["RUNNING", "RUNNING", "PENDING"]);
    });

    test.each([
      ["raised", 2],
      ["lifted", 0],
    ])("may be %s: what was held back is told to be ready", async (_name, limit) => {
      const opened = await open();
      const { backend, heard } = opened;
      await limitTo(opened, 1);
      const ids = await add(backend, ...["a", "a", "b", "b"].map((key) => ({ key })));
      expect(await leasedIds(backend)).toEqual([ids[0], ids[2]]);
      await opened.settled();
      heard.clear();
      await limitTo(opened, limit);
      await opened.settled();
      expect(heard.readyHeard).toContain("default");
      expect(await statsOf(backend)).toMatchObject({ ready: 2 });
      expect(await leasedIds(backend)).toEqual([ids[1], ids[3]]);
    });

    test("goes together with max_concurrency", async () => {
      const opened = await open();
      const { backend } = opened;
      await backend.updateQueue("default", { maxConcurrency: 3 });
      await limitTo(opened, 2);
      const ids = await add(backend, ...["a", "a", "a", "b", "b"].map((key) => ({ key })));
      const running = await lease(backend);
      expect(running.map(({ job }) => job.id)).toEqual([ids[0], ids[1], ids[3]]);
      await backend.complete(running.slice(2).map((each) => done(each)));
      expect(await leasedIds(backend)).toEqual([ids[4]]);
    });

    test("leaves what it holds back out of what is ready, and keeps it in the depth of the queue", async () => {
      const opened = await open();
      const { backend } = opened;
      await backend.updateQueue("default", { maxDepth: 4 });
      await limitTo(opened, 1);
      await add(backend, { key: "a" }, { key: "a" }, { key: "a", type: "rare" }, { key: "b" });
      const [running] = await lease(backend, { max: 1 });
      expect(await statsOf(backend)).toMatchObject({ ready: 1, limited: 2, scheduled: 0, running: 1 });
      expect(await backend.countReady("default", ["echo", "rare"])).toEqual([1, 0]);
      await addOne(backend, { key: "a" });
      await expect(addOne(backend, { key: "b" })).rejects.toMatchObject({ reason: "QUEUE_FULL" });
      await backend.complete(running === undefined ? [] : [done(running)]);
      expect(await statsOf(backend)).toMatchObject({ ready: 4, limited: 0, running: 0 });
      expect(await backend.countReady("default", ["echo", "rare"])).toEqual([3, 1]);
    });

    test("holds back what is created, promoted, replayed or told to run meanwhile", async () => {
      const opened = await open();
      const { backend } = opened;
      const dead = await addOne(backend, { key: "a", type: "dies" });
      await backend.fail([fatal(await leaseOne(backend, { types: ["dies"] }))]);
      await limitTo(opened, 1);
      await addOne(backend, { key: "a", priority: 9 });
      const running = await leaseOne(backend, { leaseMs: 600_000 });
      const [delayed = "", later = "", created = ""] = await add(
        backend,
        ...[5000, 60_000, 0].map((delayMs) => ({ key: "a", delayMs })),
      );
      await passTime(opened, 6000);
      await backend.run(later);
      await backend.replay([dead]);
      const types = { types: ["echo", "dies"] };
      expect(await leasedIds(backend, types)).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, limited: 4, running: 1, dead: 0 });
      await backend.complete([done(running)]);
      expect((await statsOf(backend)).ready).toBe(4);
      const ids: string[] = [];
      for (let left = 4; left > 0; left--) {
        const next = await leaseOne(backend, types);
        ids.push(next.job.id);
        await backend.complete([done(next)]);
      }
      expect(ids.toSorted()).toEqual([delayed, later, created, dead].toSorted());
    });

    test("what it holds back can be cancelled, expires, and is purged", async () => {
      const opened = await open();
      const { backend } = opened;
      await limitTo(opened, 1);
      const [, cancelled = "", expired = "", purged = ""] = await add(
        backend,
        { key: "a", priority: 1 },
        { key: "a" },
        { key: "a", ttlMs: 5000 },
        { key: "a" },
      );
      const running = await leaseOne(backend, { leaseMs: 60_000 });
      await backend.cancel(cancelled);
      await passTime(opened, 6000);
      expect(await statuses(backend, [cancelled, expired, purged])).toEqual(["CANCELED", "CANCELED", "PENDING"]);
      expect(await backend.purge("default")).toBe(1);
      expect(await statuses(backend, [purged])).toEqual(["-"]);
      await backend.complete([done(running)]);
      const next = await addOne(backend, { key: "a" });
      expect(await leasedIds(backend)).toEqual([next]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 1 });
    });

    test("counts nothing of a queue of the same name that was deleted", async () => {
      const { backend } = await open();
      const made = () => createQueue(backend, "q", { maxConcurrencyPerKey: 1 });
      await made();
      const of = { queues: ["q"] };
      await add(backend, { queue: "q", key: "a" }, { queue: "q", key: "a" });
      const before = await leaseOne(backend, of);
      await backend.deleteQueue("q", true);
      await made();
      const [id = ""] = await add(backend, { queue: "q", key: "a" }, { queue: "q", key: "a" });
      const now = await leaseOne(backend, of);
      expect(now.job.id).toBe(id);
      await backend.complete([done(before)]);
      expect(await leasedIds(backend, of)).toEqual([]);
      await backend.complete([done(now)]);
      expect(await leasedIds(backend, of)).toHaveLength(1);
    });
  });
}
