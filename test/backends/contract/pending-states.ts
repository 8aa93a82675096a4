import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { Job } from "../../../src/model/job/job.js";
import type { PendingState } from "../../../src/model/job/pending-state.js";
import type { Open } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  createQueue,
  failed,
  lease,
  leasedIds,
  leaseOne,
  pages,
  passTime,
  readAll,
  ref,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

const SLOW = { backoff: { baseDelayMs: 60_000, maxDelayMs: 60_000 }, maxRetries: 5 };

/** What PENDING jobs wait for. */
export function describePendingStates(open: Open): void {
  describe("the figures of what jobs wait for", () => {
    test("tell those apart that are ready, scheduled, and wait out a backoff", async () => {
      const opened = await open();
      const { backend } = opened;
      await add(backend, { type: "a", ...SLOW }, { type: "b" }, { type: "c" });
      await add(backend, { delayMs: 120_000 }, { runAfter: (await opened.now()) + 120_000 });
      await backend.fail([failed(await leaseOne(backend, { types: ["a"] }))]);
      const told = { ...failed(await leaseOne(backend, { types: ["b"] })), retry: { afterMs: 120_000 } };
      await backend.fail([told]);
      await backend.release([{ ...ref(await leaseOne(backend, { types: ["c"] })), delayMs: 120_000 }]);
      await addOne(backend);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 3, retrying: 2, limited: 0, running: 0 });
      await passTime(opened, 60_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 2, scheduled: 3, retrying: 1, limited: 0 });
      await passTime(opened, 61_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 6, scheduled: 0, retrying: 0, limited: 0 });
    });

    test("count a retry that is due at once as ready, and one that is dead not at all", async () => {
      const { backend } = await open();
      await add(backend, {}, { maxRetries: 0 });
      const [first, second] = await lease(backend);
      if (!first || !second) throw new Error("no leases");
      await backend.fail([{ ...failed(first), retry: { afterMs: 0 } }, failed(second)]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, retrying: 0, dead: 1 });
    });

    test("count a retrying job no more once it is run, cancelled, purged or deleted with its queue", async () => {
      const { backend } = await open();
      await createQueue(backend, "gone");
      const ids = await add(backend, SLOW, SLOW, SLOW);
      await addOne(backend, { queue: "gone", ...SLOW });
      await backend.fail(
        [...(await lease(backend)), ...(await lease(backend, { queues: ["gone"] }))].map((l) => failed(l)),
      );
      expect([(await statsOf(backend)).retrying, (await statsOf(backend, "gone")).retrying]).toEqual([3, 1]);
      await backend.run(ids[0] ?? "");
      await backend.cancel(ids[1] ?? "");
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, retrying: 1 });
      expect(await leasedIds(backend)).toEqual([ids[0]]);
      expect(await backend.purge("default")).toBe(1);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, retrying: 0 });
      const cursor = await backend.head();
      await backend.deleteQueue("gone", true);
      await tickAll(backend);
      expect((await readAll(backend, cursor)).changes).toMatchObject([{ queue: "gone", deleted: true }]);
      await createQueue(backend, "gone");
      expect(await statsOf(backend, "gone")).toMatchObject({ ready: 0, retrying: 0 });
    });

    test("count a retrying job as such though it is changed, and as scheduled once it is given another time", async () => {
      const { backend } = await open();
      const ids = await add(backend, SLOW, SLOW);
      await backend.fail((await lease(backend)).map((leased) => failed(leased)));
      for (const id of ids) await backend.update(id, { priority: 9, payload: "[1]" });
      expect(await statsOf(backend)).toMatchObject({ scheduled: 0, retrying: 2 });
      await backend.update(ids[0] ?? "", { delayMs: 60_000 });
      expect(await statsOf(backend)).toMatchObject({ scheduled: 1, retrying: 1 });
      await backend.update(ids[1] ?? "", { delayMs: 0 });
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 1, retrying: 0 });
      expect(await leasedIds(backend)).toEqual([ids[1]]);
    });

    test("have a backoff last as long as was said, whatever the wall clock does", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, SLOW);
      await backend.fail([failed(await leaseOne(backend))]);
      await opened.stepWall(86_400_000);
      await passTime(opened, 59_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, retrying: 1 });
      await opened.stepWall(-2 * 86_400_000);
      await passTime(opened, 1000);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, retrying: 0 });
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("tell what is due and held back, as the queue runs as many as it may, from what is ready", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "narrow", { maxConcurrency: 2 });
      const queue = "narrow";
      await add(backend, { queue }, { queue }, { queue }, { queue }, { queue, delayMs: 60_000 });
      const figures = { running: 0, ready: 4, limited: 0, scheduled: 1, retrying: 0 };
      expect(await statsOf(backend, queue)).toMatchObject(figures);
      const [first, second] = await lease(backend, { queues: [queue], leaseMs: 3_600_000 });
      if (!first || !second) throw new Error("no leases");
      expect(await statsOf(backend, queue)).toMatchObject({ ...figures, running: 2, ready: 0, limited: 2 });
      await backend.complete([{ ...ref(first), result: undefined }]);
      expect(await statsOf(backend, queue)).toMatchObject({ ...figures, running: 1, ready: 2 });
      await leaseOne(backend, { queues: [queue], leaseMs: 3_600_000 });
      await passTime(opened, 60_000);
      expect(await statsOf(backend, queue)).toMatchObject({ running: 2, ready: 0, limited: 2, scheduled: 0 });
      await backend.setPaused(queue, true);
      expect(await statsOf(backend, queue)).toMatchObject({ ready: 0, limited: 2 });
      await backend.updateQueue(queue, { maxConcurrency: 3 });
      expect(await statsOf(backend, queue)).toMatchObject({ ready: 2, limited: 0 });
    });
  });

  describe("a PENDING job", () => {
    const pendingOf = async (backend: Backend, ...ids: readonly string[]) =>
      (await backend.get(ids)).map((job) => [job?.pendingState, job?.heldBy]);

    test("says whether it is ready, scheduled or waits out a backoff, and one that is not PENDING says nothing", async () => {
      const opened = await open();
      const { backend } = opened;
      const [snoozed = "", failing = "", ready = ""] = await add(backend, { type: "s" }, { type: "f", ...SLOW }, {});
      const runAfter = (await opened.now()) + 60_000;
      const [delayed = "", timed = "", running = ""] = await add(
        backend,
        { delayMs: 60_000 },
        { runAfter },
        { type: "r" },
      );
      await backend.release([{ ...ref(await leaseOne(backend, { types: ["s"] })), delayMs: 60_000 }]);
      await backend.fail([failed(await leaseOne(backend, { types: ["f"] }))]);
      await leaseOne(backend, { types: ["r"] });
      const ends = [await addDone(backend), await addDead(backend)];
      const all = [ready, snoozed, delayed, timed, failing, running, ...ends];
      const none = [undefined, undefined];
      const waiting = [...["SCHEDULED", "SCHEDULED", "SCHEDULED", "RETRYING"].map((state) => [state, undefined])];
      expect(await pendingOf(backend, ...all)).toEqual([["READY", undefined], ...waiting, none, none, none]);
      const page = await backend.list({ queue: "default", limit: 10 });
      const basic = await backend.list({ queue: "default", limit: 10, view: "BASIC" });
      const read = (await backend.get(page.jobs.map(({ id }) => id))) as Job[];
      expect(page.jobs).toEqual(read);
      expect(basic.jobs.map(({ id, pendingState }) => [id, pendingState])).toEqual(
        read.map(({ id, pendingState }) => [id, pendingState]),
      );
      // Due now, whether something has made them ready yet or not.
      await opened.advance(61_000);
      expect(await pendingOf(backend, ready, snoozed, delayed, timed, failing)).toEqual(
        Array.from({ length: 5 }, () => ["READY", undefined]),
      );
      await tickAll(backend);
      expect(await pendingOf(backend, failing, timed)).toEqual([
        ["READY", undefined],
        ["READY", undefined],
      ]);
    });

    test("says what holds it back though its time has come: a pause before a limit, of jobs that are due only", async () => {
      const { backend } = await open();
      await createQueue(backend, "narrow", { maxConcurrency: 1 });
      const queue = "narrow";
      const [, due = "", later = ""] = await add(backend, { queue }, { queue }, { queue, delayMs: 60_000 });
      const told = () => pendingOf(backend, due, later);
      const scheduled = ["SCHEDULED", undefined];
      expect(await told()).toEqual([["READY", undefined], scheduled]);
      await backend.setPaused(queue, true);
      expect(await told()).toEqual([["READY", "PAUSED"], scheduled]);
      await backend.setPaused(queue, false);
      const leased = await leaseOne(backend, { queues: [queue] });
      expect(await told()).toEqual([["LIMITED", "MAX_CONCURRENCY"], scheduled]);
      await backend.setPaused(queue, true);
      expect(await told()).toEqual([["LIMITED", "PAUSED"], scheduled]);
      await backend.setPaused(queue, false);
      await backend.complete([{ ...ref(leased), result: undefined }]);
      expect(await told()).toEqual([["READY", undefined], scheduled]);
    });

    test("says whether a rate or its key holds it back", async () => {
      const opened = await open();
      const { backend } = opened;
      const queue = "bounded";
      const rateLimit = { count: 1, periodMs: 60_000, burst: 2 };
      await createQueue(backend, queue, { maxConcurrencyPerKey: 1, rateLimit });
      const ids = await add(backend, { queue, key: "a" }, { queue, key: "a" }, { queue, key: "b" }, { queue });
      const told = () => pendingOf(backend, ...ids.slice(1));
      const ready = ["READY", undefined];
      expect(await told()).toEqual([ready, ready, ready]);
      await leaseOne(backend, { queues: [queue] });
      expect(await told()).toEqual([["LIMITED", "MAX_CONCURRENCY_PER_KEY"], ready, ready]);
      expect(await statsOf(backend, queue)).toMatchObject({ ready: 2, limited: 1, running: 1 });
      const other = await leaseOne(backend, { queues: [queue], leaseMs: 3_600_000 });
      expect(other.job.key).toBe("b");
      expect(await told()).toEqual([
        ["LIMITED", "RATE_LIMIT"],
        [undefined, undefined],
        ["LIMITED", "RATE_LIMIT"],
      ]);
      expect(await statsOf(backend, queue)).toMatchObject({ ready: 0, limited: 2, running: 2 });
      await backend.setPaused(queue, true);
      expect((await told())[2]).toEqual(["LIMITED", "PAUSED"]);
      await backend.setPaused(queue, false);
      // The first lease has run out by then, and a slot has come.
      await passTime(opened, 61_000);
      expect((await told())[2]).toEqual(ready);
    });

    test("is told apart by its key where keys take turns", async () => {
      const opened = await open();
      const { backend } = opened;
      const queue = "turns";
      await createQueue(backend, queue, { ordering: "FAIR", maxConcurrencyPerKey: 1 });
      const ids = await add(backend, ...[{ queue, key: "a" }, { queue, key: "a" }, { queue }, { queue }], {
        queue,
        key: "a",
        delayMs: 60_000,
      });
      await lease(backend, { queues: [queue], max: 2, leaseMs: 3_600_000 });
      const states = async () => (await pendingOf(backend, ...ids)).map(([state, held]) => held ?? state);
      const perKey = "MAX_CONCURRENCY_PER_KEY";
      expect(await states()).toEqual([undefined, perKey, undefined, "READY", "SCHEDULED"]);
      await opened.advance(61_000);
      expect(await states()).toEqual([undefined, perKey, undefined, "READY", perKey]);
      await tickAll(backend);
      expect(await states()).toEqual([undefined, perKey, undefined, "READY", perKey]);
      const listed = await backend.list({ queue, limit: 9, pendingStates: ["LIMITED"] });
      expect(listed.jobs.map(({ id }) => id)).toEqual([ids[4], ids[1]]);
    });

    test("says so in the answer of what was done to it", async () => {
      const { backend } = await open();
      const [first = "", second = ""] = await add(backend, { delayMs: 60_000 }, { delayMs: 60_000 });
      expect(await backend.run(first)).toMatchObject({ pendingState: "READY" });
      expect(await backend.run(first)).toMatchObject({ pendingState: "READY" });
      expect(await backend.update(second, { priority: 9 })).toMatchObject({ pendingState: "SCHEDULED" });
      expect(await backend.update(second, { delayMs: 0 })).toMatchObject({ pendingState: "READY" });
      const dead = await addDead(backend);
      await backend.setPaused("default", true);
      expect(await backend.replay([dead])).toMatchObject([{ job: { pendingState: "READY", heldBy: "PAUSED" } }]);
      expect((await backend.cancel(first)).pendingState).toBeUndefined();
    });

    test("waits as long as its queue counts it so, whatever the wall clock does", async () => {
      const opened = await open();
      const { backend } = opened;
      const [failing = ""] = await add(backend, { type: "f", ...SLOW });
      await backend.fail([failed(await leaseOne(backend, { types: ["f"] }))]);
      const delayed = await addOne(backend, { delayMs: 60_000 });
      const timed = await addOne(backend, { runAfter: (await opened.now()) + 60_000 });
      await passTime(opened, 1000);
      await opened.stepWall(86_400_000);
      await tickAll(backend);
      const states = async () => (await pendingOf(backend, failing, delayed, timed)).map(([state]) => state);
      expect(await states()).toEqual(["RETRYING", "SCHEDULED", "READY"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 1, retrying: 1 });
      await passTime(opened, 60_000);
      expect(await states()).toEqual(["READY", "READY", "READY"]);
      await opened.stepWall(-2 * 86_400_000);
      await tickAll(backend);
      // What was ready stays so, though its run_after is ahead of the clock now.
      expect(await states()).toEqual(["READY", "READY", "READY"]);
    });
  });

  describe("a filter of pending states", () => {
    test("lists, counts and cancels the jobs that wait for one of these", async () => {
      const opened = await open();
      const { backend } = opened;
      const [failing = "", , ready = ""] = await add(backend, { type: "f", ...SLOW }, { type: "r" }, {});
      const [delayed = "", timed = ""] = await add(
        backend,
        { delayMs: 60_000 },
        { runAfter: (await opened.now()) + 60_000 },
      );
      await backend.fail([failed(await leaseOne(backend, { types: ["f"] }))]);
      await leaseOne(backend, { types: ["r"] });
      await addDead(backend);
      const list = async (...pendingStates: readonly PendingState[]) => {
        const query = { queue: "default", pendingStates };
        const listed = await pages((after) => backend.list({ ...query, limit: 1, after }));
        expect((await backend.count({ ...query, isDead: false })).count).toBe(listed.length);
        expect(await pages((after) => backend.list({ ...query, limit: 1, order: "OLDEST", after }))).toEqual(
          listed.toReversed(),
        );
        return listed;
      };
      expect(await list("READY")).toEqual([ready]);
      expect(await list("SCHEDULED")).toEqual([timed, delayed]);
      expect(await list("RETRYING")).toEqual([failing]);
      expect(await list("RETRYING", "SCHEDULED")).toEqual([timed, delayed, failing]);
      expect(await list("RETRYING", "READY")).toEqual([ready, failing]);
      expect(await list("LIMITED")).toEqual([]);
      await backend.updateQueue("default", { maxConcurrency: 1 });
      expect(await list("LIMITED")).toEqual([ready]);
      expect(await list("READY")).toEqual([]);
      const all = (await backend.list({ queue: "default", limit: 10 })).jobs.map(({ id }) => id);
      const query = { queue: "default", limit: 9, pendingStates: ["LIMITED", "SCHEDULED"] as const };
      expect(await pages(() => backend.list({ ...query, statuses: ["RUNNING"] }))).toEqual([]);
      expect((await backend.list({ ...query, types: ["f"] })).jobs).toEqual([]);
      expect(await backend.act("CANCEL", all, { pendingStates: ["LIMITED", "SCHEDULED"] })).toBe(3);
      expect(await statuses(backend, [ready, delayed, timed, failing])).toEqual([
        ...["CANCELED", "CANCELED", "CANCELED", "PENDING"],
      ]);
      // They are due by now.
      await opened.advance(61_000);
      expect(await backend.act("CANCEL", all, { pendingStates: ["RETRYING"] })).toBe(0);
      expect(await backend.act("CANCEL", all, { pendingStates: ["LIMITED"] })).toBe(1);
    });

    test("finds the few that wait for a time among very many that are ready", async () => {
      const { backend } = await open();
      const [failing = ""] = await add(backend, { type: "f", ...SLOW });
      await backend.fail([failed(await leaseOne(backend, { types: ["f"] }))]);
      await add(backend, ...Array.from({ length: 3000 }, () => ({ payload: undefined })));
      const delayed = await addOne(backend, { delayMs: 60_000 });
      const query = { queue: "default", limit: 10, scan: 100 };
      const page = await backend.list({ ...query, pendingStates: ["SCHEDULED", "RETRYING"] });
      expect([page.jobs.map(({ id }) => id), page.next]).toEqual([[delayed, failing], undefined]);
      const oldest = await backend.list({ ...query, order: "OLDEST", pendingStates: ["RETRYING"] });
      expect([oldest.jobs.map(({ id }) => id), oldest.next]).toEqual([[failing], undefined]);
    });
  });
}
