import { cpSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import { contentDigest } from "../../../src/model/job/request-id.js";
import type { Unique } from "../../../src/model/job/unique.js";
import { FakeClock } from "../../support/fake-clock.js";
import { TRACE } from "../../support/job.js";
import { runs } from "../../support/runs.js";
import { folderOfTest, openFile } from "../contract/file-harness.js";
import { runPlan } from "../contract/model-commands.js";
import { startRun } from "../contract/model-run.js";
import { NaiveModel } from "../contract/naive-model.js";
import {
  add,
  addDead,
  addOne,
  createQueue,
  done,
  failed,
  fatal,
  jobOf,
  LEASE_MS,
  lease,
  leasedIds,
  leaseOne,
  passTime,
  queueOf,
  readAll,
  ref,
  statsOf,
  tickAll,
} from "../contract/support.js";

/** All that a backend tells of what it keeps. */
async function everything(backend: Backend, cursor: string) {
  const queues = await backend.queues();
  const jobs = [];
  const dead = [];
  const schedules = [];
  for (const { name } of queues) {
    schedules.push((await backend.listSchedules({ queue: name, limit: 10_000 })).schedules);
    jobs.push((await backend.list({ queue: name, limit: 10_000 })).jobs);
    dead.push((await backend.listDead({ queue: name, limit: 10_000, order: "NEWEST" })).jobs.map(({ id }) => id));
  }
  const log = await backend.read(cursor, 10_000, {});
  return { queues, jobs, dead, schedules, log: log.entries, next: log.next };
}

/** A folder with a backend that can be started again on it; time goes on. */
async function onFolder(options: Parameters<typeof openFile>[0] = { folder: folderOfTest() }) {
  const clock = new FakeClock();
  let { folder } = options;
  let opened = await openFile(options, clock);
  return {
    clock,
    get opened() {
      return opened;
    },
    get backend() {
      return opened.backend;
    },
    /** Ends it and starts it again, after this time. */
    async restart(downMs = 0) {
      await opened.close();
      clock.stepWall(downMs);
      opened = await openFile({ ...options, folder }, clock);
    },
    /** As if its process had been killed: the files are copied as they lie, and it starts on the copy. */
    async crash(downMs = 0) {
      const copy = folderOfTest();
      cpSync(folder, copy, { recursive: true });
      folder = copy;
      await opened.close();
      clock.stepWall(downMs);
      opened = await openFile({ ...options, folder }, clock);
    },
  };
}

describe("a store in a file that is started again", () => {
  test("jobs expire when they were to, or at once when that was while it was away", async () => {
    const place = await onFolder();
    const now = place.clock.now();
    const ids = await add(
      place.backend,
      { ttlMs: 5000 },
      { expiresAt: now + 5000 },
      { ttlMs: 60_000, traceContext: TRACE },
      { expiresAt: now + 60_000 },
      { ttlMs: 60_000 },
    );
    await place.backend.release([ref(await leaseOne(place.backend, { types: ["echo"] }))]);
    const before = await place.backend.get(ids);
    await place.crash(10_000);
    expect(await place.backend.get(ids)).toEqual(before);
    const ticks = await tickAll(place.backend);
    // The first has begun.
    expect(ticks.flatMap(({ expired }) => expired.map(({ jobId }) => jobId))).toEqual([ids[1]]);
    await passTime(place.opened, 49_000);
    expect((await place.backend.get(ids)).map((job) => job?.status)).toEqual([
      ...["PENDING", "CANCELED", "PENDING", "PENDING", "PENDING"],
    ]);
    await passTime(place.opened, 1000);
    expect((await place.backend.get(ids)).map((job) => job?.status)).toEqual([
      ...["PENDING", "CANCELED", "CANCELED", "CANCELED", "CANCELED"],
    ]);
    expect((await place.backend.get(ids))[2]?.traceContext).toEqual(TRACE);
  });

  test("has all that it had, after any sequence of operations", async () => {
    await fc.assert(
      fc.asyncProperty(runPlan, fc.boolean(), async ({ commands, maxCompletedJobs }, isCrash) => {
        const options = {
          ...{ maxLostLeases: 1, completeJobTtlMs: 20_000, maxCompletedJobs, changeLogSize: 10_000 },
          maxCompletedBytes: 1e9,
        };
        const store = await onFolder({ ...options, folder: folderOfTest() });
        const model = new NaiveModel(options);
        const start = await store.backend.head();
        const run = await startRun(store.opened, model, new Set());
        // Waits of a process that is gone are measured by the wall clock: they go by it when it is set.
        for (const command of commands) if (command.kind !== "setClock") await run.step(command);
        const before = await everything(store.backend, start);
        await (isCrash ? store.crash() : store.restart());
        expect(await everything(store.backend, start)).toEqual(before);
        await store.opened.close();
      }),
      { numRuns: runs(15) },
    );
  }, 120_000);

  test("goes on with its cursors, and has no name twice", async () => {
    const store = await onFolder();
    const ids = [await addOne(store.backend)];
    const first = await leaseOne(store.backend);
    const cursor = await store.backend.head();
    await store.restart();
    const tokens = [first.token];
    for (let count = 0; count < 3; count++) {
      ids.push(await addOne(store.backend));
      tokens.push((await leaseOne(store.backend)).token);
      await store.restart();
    }
    expect(new Set(tokens).size).toBe(4);
    const { entries } = await store.backend.read(cursor, 100, {});
    expect(entries.map(({ change }) => change.jobId)).toEqual(ids.slice(1).flatMap((id) => [id, id]));
  });
});

describe("after a restart", () => {
  test("a lease of a remote worker has its whole time again, and its token holds", async () => {
    const store = await onFolder();
    await add(store.backend, {}, {});
    const leases = await lease(store.backend, { worker: "remote" });
    await store.clock.advance(LEASE_MS - 1);
    await store.restart(60_000);
    await store.clock.advance(LEASE_MS - 1);
    await tickAll(store.backend);
    expect(await statsOf(store.backend)).toMatchObject({ running: 2 });
    expect(await store.backend.complete([done(leases[0] as never)])).toMatchObject([{ outcome: "APPLIED" }]);
    expect(await store.backend.complete([done(leases[0] as never)])).toMatchObject([{ outcome: "ALREADY_APPLIED" }]);
    await passTime(store.opened, 1);
    expect(await jobOf(store.backend, leases[1]?.job.id as string)).toMatchObject({ status: "PENDING", lostLeases: 1 });
  });

  test("keys run as many jobs as before, and take turns", async () => {
    const store = await onFolder();
    await createQueue(store.backend, "fair", { ordering: "FAIR", maxConcurrencyPerKey: 1 });
    const of = { queues: ["fair"], worker: "remote" };
    await add(store.backend, ...[..."aaabbc"].map((key) => ({ queue: "fair", key })));
    const [first] = await lease(store.backend, { ...of, max: 1 });
    await store.crash();
    expect(await statsOf(store.backend, "fair")).toMatchObject({ ready: 3, running: 1 });
    expect((await lease(store.backend, of)).map(({ job }) => job.key)).toEqual(["b", "c"]);
    await store.backend.complete([done(first as never)]);
    expect((await lease(store.backend, of)).map(({ job }) => job.key)).toEqual(["a"]);
  });

  test("a lease that was extended by more than it had has as much again", async () => {
    const store = await onFolder();
    await addOne(store.backend);
    const leased = await leaseOne(store.backend, { worker: "remote" });
    await store.backend.extend([{ ...ref(leased), leaseMs: 60_000 }]);
    await store.crash();
    await passTime(store.opened, 59_000);
    expect(await statsOf(store.backend)).toMatchObject({ running: 1 });
    await passTime(store.opened, 1000);
    expect(await statsOf(store.backend)).toMatchObject({ running: 0 });
  });

  test("a lease of a built-in worker of a process that died is lost once, and no retry is used", async () => {
    const store = await onFolder();
    const id = await addOne(store.backend);
    await leaseOne(store.backend, { isBuiltIn: true });
    await store.crash();
    const { lost } = await store.backend.tick();
    expect(lost).toMatchObject([{ queue: "default", type: "echo", status: "PENDING" }]);
    expect(await jobOf(store.backend, id)).toMatchObject({
      status: "PENDING",
      lostLeases: 1,
      retryCount: 0,
      deliveries: 1,
    });
    expect(await leasedIds(store.backend)).toEqual([id]);
  });

  test("the lease of a built-in worker is lost at the next start that counts it", async () => {
    const clock = new FakeClock();
    const folders = [folderOfTest(), folderOfTest(), folderOfTest()] as const;
    const first = await openFile({ folder: folders[0] }, clock);
    await addOne(first.backend);
    await leaseOne(first.backend, { isBuiltIn: true });
    cpSync(folders[0], folders[1], { recursive: true });
    // This one dies before it has counted anything.
    const second = await openFile({ folder: folders[1] }, clock);
    cpSync(folders[1], folders[2], { recursive: true });
    const third = await openFile({ folder: folders[2] }, clock);
    expect((await third.backend.tick()).lost).toHaveLength(1);
    for (const opened of [first, second, third]) await opened.close();
  });

  test("a lease call that is repeated gets the leases it got", async () => {
    const store = await onFolder();
    await add(store.backend, {}, {}, {});
    const request = { max: 2, requestId: "poll-1", worker: "remote" };
    const before = await lease(store.backend, request);
    await store.crash();
    const after = await lease(store.backend, request);
    expect(after.map(({ job, token }) => [job.id, token])).toEqual(before.map(({ job, token }) => [job.id, token]));
    expect(await leasedIds(store.backend)).toHaveLength(1);
  });

  test("a create that is repeated creates nothing, also when its job is gone", async () => {
    const store = await onFolder();
    const digest = contentDigest({ type: "echo", numbers: [] });
    const kept = await addOne(store.backend, { requestId: "kept", digest });
    const gone = await addOne(store.backend, { requestId: "auto:gone", digest, queue: "default" });
    const leases = await lease(store.backend);
    await store.backend.complete(leases.map((each) => done(each)));
    expect(await store.backend.remove([gone], ["DONE"])).toMatchObject([{ outcome: "APPLIED" }]);
    await store.crash(60_000);
    const repeat = async (requestId: string) => (await add(store.backend, { requestId, digest }))[0];
    expect(await repeat("kept")).toBe(kept);
    expect(await repeat("auto:gone")).toBe(gone);
    await store.restart(600_000);
    expect(await repeat("auto:gone")).not.toBe(gone);
  });

  test("jobs hold the unique keys that they held, for the rest of their holds too", async () => {
    const store = await onFolder({ folder: folderOfTest(), completeJobTtlMs: 1000 });
    const digest = contentDigest({ type: "echo", numbers: [] });
    /** Creates a job whose key is its type. */
    const make = (type: string, given: Partial<Unique> = {}, more: Partial<NewJob> = {}) =>
      addOne(store.backend, { type, unique: { key: type, until: "FINISHED", holdMs: 0, ...given }, ...more });
    const begin = (type: string) => leaseOne(store.backend, { types: [type], leaseMs: 600_000 });
    const started = { until: "STARTED" } as const;
    const held = new Map([["waits", await make("waits")]]);
    held.set("starts", await make("starts", started));
    held.set("runs", await make("runs"));
    await begin("runs");
    held.set("done", await make("done", { holdMs: 60_000 }));
    await store.backend.complete([done(await begin("done"))]);
    held.set("begun", await make("begun", { ...started, holdMs: 60_000 }));
    await begin("begun");
    held.set("replayed", await make("replayed", started));
    await store.backend.fail([fatal(await begin("replayed"))]);
    await store.backend.replay([held.get("replayed") ?? ""]);
    const free = ["left", "came back", "dead"];
    await make("left", started);
    await begin("left");
    await make("came back", started);
    await store.backend.fail([{ ...failed(await begin("came back")), retry: { afterMs: 600_000 } }]);
    await make("dead", { holdMs: 60_000 });
    await store.backend.fail([fatal(await begin("dead"))]);
    expect(await make("waits", {}, { requestId: "met", digest })).toBe(held.get("waits"));
    const before = await store.backend.get([...held.values()]);

    await store.crash(10_000);
    await tickAll(store.backend);
    expect(await store.backend.get([...held.values()])).toEqual(before);
    for (const [type, id] of held) expect([type, await make(type)]).toEqual([type, id]);
    for (const type of free)
      expect((await jobOf(store.backend, await make(type, {}, { delayMs: 1 }))).revision).toBe(1);
    await store.restart(49_000);
    expect(await make("done")).toBe(held.get("done"));
    await passTime(store.opened, 1000);
    for (const type of ["done", "begun"]) expect(await make(type, {}, { delayMs: 1 })).not.toBe(held.get(type));
    await passTime(store.opened, 5000);
    expect(await store.backend.get([held.get("done") ?? ""])).toEqual([undefined]);

    // What a create met is remembered too.
    await store.backend.cancel(held.get("waits") ?? "");
    expect(await make("waits", {}, { requestId: "met", digest })).toBe(held.get("waits"));
    await store.crash(600_000);
    expect(await make("waits", {}, { requestId: "met", digest })).not.toBe(held.get("waits"));
  });

  test("jobs that wait are ready when they were to be, and finished ones go when they were to go", async () => {
    const store = await onFolder({ folder: folderOfTest(), completeJobTtlMs: 100_000 });
    await addOne(store.backend, { delayMs: 50_000 });
    await addOne(store.backend, { runAfter: store.clock.now() + 60_000 });
    const ended = await addOne(store.backend);
    await store.backend.complete([done(await leaseOne(store.backend))]);
    const retried = await addOne(store.backend);
    await store.backend.fail([{ ...failed(await leaseOne(store.backend)), retry: { afterMs: 40_000 } }]);
    await store.restart(39_000);
    const ready = async () => (await statsOf(store.backend)).ready;
    expect(await ready()).toBe(0);
    await passTime(store.opened, 1000);
    expect(await ready()).toBe(1);
    expect((await jobOf(store.backend, retried)).retryCount).toBe(1);
    await passTime(store.opened, 10_000);
    expect(await ready()).toBe(2);
    await passTime(store.opened, 10_000);
    expect(await ready()).toBe(3);
    await passTime(store.opened, 39_000);
    expect((await jobOf(store.backend, ended)).status).toBe("DONE");
    await passTime(store.opened, 1001);
    expect(await store.backend.get([ended])).toEqual([undefined]);
  });

  test("counters, settings, pauses and bytes are as they were", async () => {
    const store = await onFolder();
    await createQueue(store.backend, "mail", { weight: 3 });
    await store.backend.setPaused("mail", true);
    await createQueue(store.backend, "gone");
    const dead = await addDead(store.backend, {
      payload: new Uint8Array([0, 255, 7]),
      metadata: { "naïve\0": "\ud83d" },
      traceContext: TRACE,
    });
    await addOne(store.backend, { type: "other", traceContext: { traceparent: "", tracestate: "", baggage: "a=b" } });
    await addOne(store.backend, { type: "a\0b ✉", payload: '{"n": 1.0, "x":"\\u0000"}' });
    await store.backend.complete([
      { ...ref(await leaseOne(store.backend, { types: ["a\0b ✉"] })), result: new Uint8Array([1, 2]) },
    ]);
    await store.backend.deleteQueue("gone", true);
    const before = [await store.backend.queues(), await store.backend.list({ queue: "default", limit: 10 })];
    await store.crash();
    expect([await store.backend.queues(), await store.backend.list({ queue: "default", limit: 10 })]).toEqual(before);
    expect((await jobOf(store.backend, dead)).payload).toEqual(new Uint8Array([0, 255, 7]));
    expect((await store.backend.queues()).map(({ name }) => name)).toEqual(["default", "mail"]);
  });

  test("a rate goes on as it was: no restart gives a burst, and a clock that was set back meanwhile blocks nothing", async () => {
    const store = await onFolder();
    const take = async () => (await lease(store.backend, { queues: ["rated"], leaseMs: 600_000 })).length;
    await createQueue(store.backend, "rated", { rateLimit: { count: 1, periodMs: 10_000, burst: 2 } });
    await add(store.backend, ...Array.from({ length: 9 }, () => ({ queue: "rated" })));
    expect(await take()).toBe(2);
    const { nextSlotAt } = await queueOf(store.backend, "rated");
    expect(nextSlotAt).toBe(store.clock.now() + 10_000);
    for (const end of ["crash", "restart", "crash"] as const) {
      await store[end](100);
      expect((await queueOf(store.backend, "rated")).nextSlotAt).toBe(nextSlotAt);
      expect(await take()).toBe(0);
    }
    await store.restart(9700);
    expect(await take()).toBe(1);
    await store.restart(-86_400_000);
    expect(await take()).toBe(0);
    store.opened.heard.clear();
    await passTime(store.opened, 10_000);
    expect(store.opened.heard.readyHeard).toEqual(["rated"]);
    expect(await take()).toBe(1);
    await store.opened.close();
  });

  test("a queue that was deleted leaves nothing to a new one of its name, and all its deletions are told", async () => {
    const store = await onFolder();
    await createQueue(store.backend, "mail");
    const from = await store.backend.head();
    for (let batch = 0; batch < 3; batch++) {
      await add(store.backend, ...Array.from({ length: 1000 }, () => ({ queue: "mail" })));
    }
    await store.backend.deleteQueue("mail", true);
    await createQueue(store.backend, "mail");
    const id = await addOne(store.backend, { queue: "mail" });
    for (let count = 0; count < 2; count++) {
      await store.crash();
      await store.backend.tick();
      expect(await leasedIds(store.backend, { queues: ["mail"], isBuiltIn: true })).toEqual([id]);
    }
    await tickAll(store.backend);
    const { changes } = await readAll(store.backend, from);
    expect(changes.filter(({ deleted }) => deleted)).toHaveLength(3000);
    await store.crash();
    expect((await store.backend.list({ queue: "mail", limit: 10 })).jobs.map((job) => job.id)).toEqual([id]);
  });
});
