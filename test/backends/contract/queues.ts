import { describe, expect, test } from "vitest";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  changesOf,
  createQueue,
  done,
  expectAbout,
  expectRefused,
  failed,
  leasedIds,
  leaseOne,
  pages,
  passTime,
  queueOf,
  readAll,
  statsOf,
  statuses,
} from "./support.js";

const EMPTY = {
  ready: 0,
  scheduled: 0,
  retrying: 0,
  limited: 0,
  running: 0,
  dead: 0,
  done: 0,
  oldestReadyAgeMs: undefined,
  completed: 0,
  readyTypes: [],
};

/** Creates one job in each state that a figure of the queue counts. Returns the ids by state. */
async function oneOfEach({ backend }: OpenedBackend, queue: string) {
  const dead = await addDead(backend, { queue, requestId: "dead" });
  const finished = await addDone(backend, { queue, requestId: "done" });
  const canceled = await addOne(backend, { queue });
  await backend.cancel(canceled);
  const running = await addOne(backend, { queue });
  const leased = await leaseOne(backend, { queues: [queue] });
  const [ready, scheduled] = await add(backend, { queue, requestId: "ready" }, { queue, delayMs: 60_000 });
  if (!ready || !scheduled) throw new Error("no jobs");
  return { leased, ids: { dead, finished, canceled, running, ready, scheduled } };
}

/** Queues: creation, settings, pausing, purging, deletion, figures. */
export function describeQueues(open: Open): void {
  describe("queues", () => {
    test("the default queue is there from the start", async () => {
      const { backend } = await open();
      const [queue, ...others] = await backend.queues();
      expect(others).toEqual([]);
      expect(queue).toMatchObject({ name: "default", paused: false, settings: DEFAULT_QUEUE_SETTINGS, stats: EMPTY });
      await expectRefused(createQueue(backend, "default"), "QUEUE_EXISTS");
    });

    test("a created queue is answered, kept, and its name taken", async () => {
      const opened = await open();
      const { backend } = opened;
      const now = await opened.now();
      const settings = {
        ...({ ordering: "RUN_AFTER", weight: 7, maxConcurrency: 3, maxConcurrencyPerKey: 2, maxDepth: 1000 } as const),
        rateLimit: { count: 7, periodMs: 60_000, burst: 2 },
        ...{ completedTtlMs: 0, maxCompleted: 10, deadTtlMs: 86_400_000, maxDead: 1 },
        ...{ defaultMaxRetries: 0, defaultBackoff: { delaysMs: [1, 5000] }, defaultTimeoutMs: 0, defaultTtlMs: 1 },
      };
      const queue = await backend.createQueue("mail.out", settings);
      expectAbout(queue.createdAt, now, opened);
      expect(queue).toEqual({ name: "mail.out", settings, paused: false, createdAt: queue.createdAt, stats: EMPTY });
      expect(await queueOf(backend, "mail.out")).toEqual(queue);
      await expectRefused(createQueue(backend, "mail.out", { weight: 2 }), "QUEUE_EXISTS");
      expect((await queueOf(backend, "mail.out")).settings).toEqual(settings);
    });

    test("of callers at the same time one creates it", async () => {
      const { backend } = await open();
      const results = await Promise.allSettled(Array.from({ length: 5 }, () => createQueue(backend, "race")));
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    });

    test("they are listed by name, all or the named ones that exist", async () => {
      const { backend } = await open();
      for (const name of ["b", "a", "a-1", "a.1", "a_1", "10", "9"]) await createQueue(backend, name);
      const names = async (wanted?: string[]) => (await backend.queues(wanted)).map(({ name }) => name);
      expect(await names()).toEqual(["10", "9", "a", "a-1", "a.1", "a_1", "b", "default"]);
      expect(await names(["default", "nowhere", "b", "9"])).toEqual(["9", "b", "default"]);
      expect(await names([])).toEqual([]);
    });

    test("an update changes the given settings only", async () => {
      const { backend } = await open();
      const before = await createQueue(backend, "q", { weight: 2, maxDepth: 5 });
      const after = await backend.updateQueue("q", { weight: 9, maxConcurrency: 4 });
      expect(after).toEqual({ ...before, settings: { ...before.settings, weight: 9, maxConcurrency: 4 } });
      expect(await queueOf(backend, "q")).toEqual(after);
      expect(await backend.updateQueue("q", {})).toEqual(after);
      const kept = { completedTtlMs: 1000, maxCompleted: 0, deadTtlMs: 5000, maxDead: 7 };
      await backend.updateQueue("q", kept);
      expect((await queueOf(backend, "q")).settings).toEqual({ ...after.settings, ...kept });
      await backend.updateQueue("q", { completedTtlMs: null, maxDead: null });
      expect((await queueOf(backend, "q")).settings).toEqual({
        ...after.settings,
        ...{ ...kept, completedTtlMs: null, maxDead: null },
      });
    });

    test("the ordering is changed only while no job waits", async () => {
      const opened = await open();
      const { backend } = opened;
      const change = () => backend.updateQueue("default", { ordering: "RUN_AFTER", weight: 5 });
      for (const delayMs of [0, 60_000]) {
        const id = await addOne(backend, { delayMs });
        await expectRefused(change(), "QUEUE_NOT_EMPTY");
        expect((await queueOf(backend, "default")).settings).toEqual(DEFAULT_QUEUE_SETTINGS);
        expect((await backend.updateQueue("default", { ordering: "PRIORITY" })).settings.ordering).toBe("PRIORITY");
        await backend.cancel(id);
      }
      await addOne(backend);
      await leaseOne(backend);
      expect((await change()).settings).toEqual({ ...DEFAULT_QUEUE_SETTINGS, ordering: "RUN_AFTER", weight: 5 });
    });

    test("a changed ordering holds for the jobs that come, and for those that come back", async () => {
      const opened = await open();
      const { backend } = opened;
      const back = await addOne(backend, { priority: 2 });
      const leased = await leaseOne(backend);
      await backend.updateQueue("default", { ordering: "RUN_AFTER" });
      await opened.advance(1000);
      const high = await addOne(backend, { priority: 9 });
      await backend.release([{ jobId: back, token: leased.token }]);
      expect(await leasedIds(backend)).toEqual([back, high]);
    });

    test("pausing and resuming is answered, repeatable, and takes new jobs meanwhile", async () => {
      const { backend } = await open();
      for (const paused of [true, true, false, false]) {
        expect(await backend.setPaused("default", paused)).toMatchObject({ name: "default", paused });
        expect((await queueOf(backend, "default")).paused).toBe(paused);
        await addOne(backend);
      }
      expect(await statsOf(backend)).toMatchObject({ ready: 4 });
    });

    test("operations on an unknown queue are refused", async () => {
      const { backend } = await open();
      await expectRefused(backend.updateQueue("nowhere", { weight: 2 }), "QUEUE_NOT_FOUND");
      await expectRefused(backend.setPaused("nowhere", true), "QUEUE_NOT_FOUND");
      await expectRefused(backend.purge("nowhere"), "QUEUE_NOT_FOUND");
      await expectRefused(backend.deleteQueue("nowhere", false), "QUEUE_NOT_FOUND");
      await expectRefused(backend.deleteQueue("nowhere", true), "QUEUE_NOT_FOUND");
    });

    test("the listener hears of each creation, update, pause and deletion", async () => {
      const { backend, heard, settled } = await open();
      const steps = [
        () => createQueue(backend, "q"),
        () => backend.updateQueue("q", { weight: 3 }),
        () => backend.setPaused("q", true),
        () => backend.setPaused("q", false),
        () => backend.deleteQueue("q", false),
      ];
      for (const step of steps) {
        await settled();
        heard.clear();
        await step();
        await settled();
        expect(heard.queuesHeard).toBeGreaterThan(0);
      }
    });
  });

  describe("the figures of a queue", () => {
    test("count the jobs by where they are", async () => {
      const opened = await open();
      await createQueue(opened.backend, "q");
      await oneOfEach(opened, "q");
      await addOne(opened.backend, { queue: "q" });
      expect(await statsOf(opened.backend, "q")).toMatchObject({
        ready: 2,
        scheduled: 1,
        running: 1,
        dead: 1,
        done: 1,
      });
      expect(await statsOf(opened.backend)).toEqual(EMPTY);
    });

    test("tell how long the oldest ready job has been ready, of any type and priority", async () => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend, { delayMs: 5000, type: "later" });
      await passTime(opened, 3000);
      expect((await statsOf(backend)).oldestReadyAgeMs).toBeUndefined();
      await passTime(opened, 4000);
      expectAbout((await statsOf(backend)).oldestReadyAgeMs, 2000, opened);
      const old = await addOne(backend, { runAfter: (await opened.now()) - 8000, priority: 1, type: "old" });
      await addOne(backend, { priority: 10 });
      expectAbout((await statsOf(backend)).oldestReadyAgeMs, 8000, opened);
      await backend.cancel(old);
      expectAbout((await statsOf(backend)).oldestReadyAgeMs, 2000, opened);
      await leaseOne(backend, { types: ["later"] });
      expectAbout((await statsOf(backend)).oldestReadyAgeMs, 0, opened);
      await leaseOne(backend);
      expect((await statsOf(backend)).oldestReadyAgeMs).toBeUndefined();
    });

    test("tell how many jobs of a type are ready", async () => {
      const { backend } = await open();
      await createQueue(backend, "mail");
      await add(backend, { type: "b" }, { type: "a" }, { type: "b" }, { type: "b", delayMs: 5000 });
      await add(backend, { queue: "mail", type: "a" });
      expect(await backend.countReady("default", ["a", "none", "b"])).toEqual([1, 0, 2]);
      await leaseOne(backend, { types: ["b"] });
      expect(await backend.countReady("default", ["b"])).toEqual([1]);
      expect(await backend.countReady("gone", ["a", "b"])).toEqual([0, 0]);
    });

    test("are told by this process alone when it is the only one, which knows of no workers elsewhere", async () => {
      const { backend } = await open();
      expect(await backend.claimFigures()).toBe(true);
      expect(await backend.claimFigures()).toBe(true);
      expect(await backend.takenElsewhere()).toEqual([]);
    });

    test("name the types of ready jobs, in order and the first 20, and no others", async () => {
      const opened = await open();
      const { backend } = opened;
      await add(backend, { type: "b" }, { type: "a", priority: 9 }, { type: "b" }, { type: "late", delayMs: 5000 });
      expect((await statsOf(backend)).readyTypes).toEqual(["a", "b"]);
      await leaseOne(backend, { types: ["a"] });
      expect((await statsOf(backend)).readyTypes).toEqual(["b"]);
      await passTime(opened, 6000);
      expect((await statsOf(backend)).readyTypes).toEqual(["b", "late"]);
      await add(backend, ...Array.from({ length: 900 }, (_, at) => ({ type: `many-${999 - at}` })));
      const { readyTypes } = await statsOf(backend);
      expect([readyTypes.length, readyTypes[0], readyTypes[19]]).toEqual([20, "b", "many-117"]);
      await backend.purge("default");
      expect((await statsOf(backend)).readyTypes).toEqual([]);
    });

    test("count retries apart, then as ready", async () => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend);
      await backend.fail([failed(await leaseOne(backend))]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, retrying: 1, running: 0 });
      await passTime(opened, 1000);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, running: 0 });
    });
  });

  describe("purge", () => {
    test("deletes what waits, ready or scheduled, and nothing else", async () => {
      const opened = await open();
      const { backend } = opened;
      const { ids, leased } = await oneOfEach(opened, "default");
      const cursor = await backend.head();
      expect(await backend.purge("default")).toBe(2);
      expect(await statuses(backend, Object.values(ids))).toEqual(["DEAD", "DONE", "CANCELED", "RUNNING", "-", "-"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, running: 1, dead: 1, done: 1 });
      const { changes } = await readAll(backend, cursor);
      expect(changes.map(({ jobId }) => jobId).toSorted()).toEqual([ids.ready, ids.scheduled].toSorted());
      for (const change of changes) expect(change).toMatchObject({ deleted: true, status: "PENDING", revision: 2 });
      expect(await backend.purge("default")).toBe(0);
      expect(await backend.complete([done(leased)])).toMatchObject([{ outcome: "APPLIED" }]);
      await passTime(opened, 60_000);
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("a queue works on after it", async () => {
      const { backend } = await open();
      await add(backend, ...Array.from({ length: 1000 }, (_, at) => ({ priority: at % 11, delayMs: (at % 2) * 1000 })));
      expect(await backend.purge("default")).toBe(1000);
      const ids = await add(backend, {}, {});
      expect(await leasedIds(backend)).toEqual(ids);
      expect(await pages((after) => backend.list({ queue: "default", statuses: [], limit: 1, after }))).toEqual(
        ids.toReversed(),
      );
    });
  });

  describe("deleting a queue", () => {
    test.each(["dead", "running", "ready", "scheduled"] as const)("is refused while it has a %s job", async (place) => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "q");
      const { ids, leased } = await oneOfEach(opened, "q");
      if (place !== "dead") await backend.remove([ids.dead], ["DEAD"]);
      if (place !== "running") await backend.complete([done(leased)]);
      if (place !== "ready") await backend.cancel(ids.ready);
      if (place !== "scheduled") await backend.cancel(ids.scheduled);
      await expectRefused(backend.deleteQueue("q", false), "QUEUE_NOT_EMPTY");
      expect((await statuses(backend, [ids[place]]))[0]).not.toBe("-");
    });

    test("finished jobs do not hold it, and go with it", async () => {
      const { backend } = await open();
      await createQueue(backend, "q");
      const ids = [await addDone(backend, { queue: "q" }), await addOne(backend, { queue: "q" })];
      await backend.cancel(ids[1] ?? "");
      await backend.deleteQueue("q", false);
      expect(await backend.queues(["q"])).toEqual([]);
      expect(await statuses(backend, ids)).toEqual(["-", "-"]);
      await expectRefused(addOne(backend, { queue: "q" }), "QUEUE_NOT_FOUND");
      await expectRefused(backend.deleteQueue("q", false), "QUEUE_NOT_FOUND");
    });

    test("with force it takes every job along; nothing of it comes back in a new one of its name", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "q", { maxDepth: 2, maxConcurrency: 1 });
      await backend.setPaused("q", false);
      const { ids, leased } = await oneOfEach(opened, "q");
      const other = await addOne(backend);
      const cursor = await backend.head();
      await backend.deleteQueue("q", true);
      const all = Object.values(ids);
      expect(await statuses(backend, [...all, other])).toEqual([...all.map(() => "-"), "PENDING"]);
      const { changes } = await readAll(backend, cursor);
      expect(changes.map(({ jobId }) => jobId).toSorted()).toEqual(all.toSorted());
      for (const change of changes) expect(change).toMatchObject({ deleted: true, queue: "q" });
      expect(await changesOf(backend, ids.running, cursor)).toMatchObject([{ status: "RUNNING", revision: 3 }]);

      await createQueue(backend, "q");
      expect(await backend.complete([done(leased)])).toEqual([{ outcome: "LEASE_LOST" }]);
      expect(await backend.replay([ids.dead])).toEqual([{ outcome: "NOT_FOUND" }]);
      await opened.advance(60_000);
      expect((await backend.tick()).lost).toEqual([]);
      expect(await queueOf(backend, "q")).toMatchObject({ settings: DEFAULT_QUEUE_SETTINGS, stats: EMPTY });
      expect(await leasedIds(backend, { queues: ["q"] })).toEqual([]);
      expect(await addOne(backend, { queue: "q", requestId: "done" })).not.toBe(ids.finished);
    });
  });
}
