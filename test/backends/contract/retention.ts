import { describe, expect, test } from "vitest";
import { jobBytes } from "../../../src/model/job/job.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  createQueue,
  done,
  fatal,
  jobOf,
  lease,
  leaseOne,
  passTime,
  readAll,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

/** Finishes `count` jobs a second apart, alternately DONE and CANCELED. Returns their ids. */
async function finishSome({ backend, advance }: OpenedBackend, count: number, queue = "default"): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    if (at % 2 === 0) ids.push(await addDone(backend, { queue }));
    else {
      const id = await addOne(backend, { queue, type: "easy" });
      await backend.cancel(id);
      ids.push(id);
    }
    await advance(1000);
  }
  return ids;
}

/** Finishes jobs of so many bytes a second apart: DONE with a result, or CANCELED with a payload. Returns their ids. */
async function finishLarge({ backend, advance }: OpenedBackend, count: number, bytes: number, queue = "default") {
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    if (at % 2 === 0) {
      const id = await addOne(backend, { queue, type: "easy" });
      await backend.complete([done(await leaseOne(backend, { queues: [queue], types: ["easy"] }), "1".repeat(bytes))]);
      ids.push(id);
    } else {
      const id = await addOne(backend, { queue, type: "easy", payload: new Uint8Array(bytes) });
      await backend.cancel(id);
      ids.push(id);
    }
    await advance(1000);
  }
  return ids;
}

/** Those of these jobs that are there. */
async function keptOf({ backend }: OpenedBackend, ids: readonly string[]): Promise<string[]> {
  return (await backend.get(ids)).flatMap((job) => job?.id ?? []);
}

async function bytesOf({ backend }: OpenedBackend, ids: readonly string[]): Promise<number> {
  const jobs = await backend.get(ids);
  return jobs.reduce((sum, job) => sum + (job === undefined ? 0 : jobBytes(job)), 0);
}

/** How long finished jobs are kept. */
export function describeRetention(open: Open): void {
  describe("retention", () => {
    test.each([{ maxCompletedJobs: 0 }, { completeJobTtlMs: 0 }])(
      "a cancelled job that is not kept leaves its line, ready or scheduled: %j",
      async (options) => {
        const { backend } = await open(options);
        for (const delayMs of [undefined, 60_000]) {
          await backend.cancel(await addOne(backend, { delayMs }));
          expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
        }
        const id = await addOne(backend);
        expect((await leaseOne(backend)).job.id).toBe(id);
        expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, running: 1 });
      },
    );

    test("finished jobs are kept for their time, then forgotten, which is no visible change", async () => {
      const opened = await open({ completeJobTtlMs: 60_000 });
      const { backend, slackMs } = opened;
      const finished = await addDone(backend);
      const canceled = await addOne(backend);
      await backend.cancel(canceled);
      const ids = [finished, canceled];
      await passTime(opened, 59_999 - slackMs);
      expect(await statuses(backend, ids)).toEqual(["DONE", "CANCELED"]);
      const cursor = await backend.head();
      await passTime(opened, 1 + slackMs);
      expect(await statuses(backend, ids)).toEqual(["-", "-"]);
      expect((await readAll(backend, cursor)).changes).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ done: 0, completed: 1 });
      expect((await backend.list({ queue: "default", statuses: [], limit: 9 })).jobs).toEqual([]);
    });

    test("the backend asks for the tick that forgets them", async () => {
      const opened = await open({ completeJobTtlMs: 60_000 });
      const { backend, heard, settled } = opened;
      await addOne(backend);
      const leased = await leaseOne(backend);
      await settled();
      heard.clear();
      await backend.complete([done(leased)]);
      await settled();
      expect(Math.min(...heard.dueHeard)).toBeLessThanOrEqual(60_000);
      await opened.advance(30_000);
      const { nextInMs } = await backend.tick();
      expect(nextInMs).toBeLessThanOrEqual(31_000);
    });

    test("each one's time counts from its own end", async () => {
      const opened = await open({ completeJobTtlMs: 10_000 });
      const ids = await finishSome(opened, 4);
      await passTime(opened, 7500);
      expect(await statuses(opened.backend, ids)).toEqual(["-", "-", "DONE", "CANCELED"]);
    });

    test("no more than the limit are kept in a queue, tick or no tick; the oldest go first", async () => {
      const opened = await open({ maxCompletedJobs: 3 });
      const { backend } = opened;
      await createQueue(backend, "other");
      const ids = await finishSome(opened, 7);
      const others = await finishSome(opened, 3, "other");
      expect(await statuses(backend, ids)).toEqual(["-", "-", "-", "-", "DONE", "CANCELED", "DONE"]);
      expect(await statuses(backend, others)).toEqual(["DONE", "CANCELED", "DONE"]);
      expect(await statsOf(backend)).toMatchObject({ done: 2 });
    });

    test("no more bytes of them than the limit are kept in a queue, tick or no tick; the oldest go first", async () => {
      const opened = await open({ maxCompletedBytes: 100_000 });
      const ids = await finishLarge(opened, 15, 10_000);
      const kept = await keptOf(opened, ids);
      expect(kept).toEqual(ids.slice(-kept.length));
      expect(await bytesOf(opened, kept)).toBeGreaterThan(75_000);
      expect(await bytesOf(opened, kept)).toBeLessThan(110_000);
      // Many small ones go for a large one.
      const small = await finishSome(opened, 60);
      const last = await finishLarge(opened, 1, 99_000);
      const left = await keptOf(opened, [...ids, ...small, ...last]);
      expect(left).toEqual([...small, ...last].slice(-left.length));
      expect(await bytesOf(opened, left)).toBeLessThan(110_000);
    });

    test("no more bytes of them than the limit are kept in all queues together; the oldest go first", async () => {
      const opened = await open({ maxCompletedBytes: 100_000 });
      await createQueue(opened.backend, "one");
      await createQueue(opened.backend, "two");
      await tickAll(opened.backend);
      const old = await finishLarge(opened, 4, 10_000, "one");
      const ids = [...old];
      for (let turn = 0; turn < 4; turn++) {
        ids.push(
          ...(await finishLarge(opened, 2, 10_000, "default")),
          ...(await finishLarge(opened, 1, 10_000, "two")),
        );
      }
      await opened.settled();
      await tickAll(opened.backend);
      const kept = await keptOf(opened, ids);
      expect(await bytesOf(opened, kept)).toBeLessThan(110_000);
      expect(kept).toEqual(ids.slice(-kept.length));
      expect(await bytesOf(opened, kept)).toBeGreaterThan(75_000);
    });

    test("a queue of which the oldest were removed loses the others no sooner than other queues theirs", async () => {
      const opened = await open({ maxCompletedBytes: 100_000 });
      const { backend } = opened;
      await createQueue(backend, "one");
      await tickAll(backend);
      const removed = await finishLarge(opened, 4, 10_000, "one");
      const old = await finishLarge(opened, 4, 10_000);
      const young = await finishLarge(opened, 3, 10_000, "one");
      await backend.remove(removed, ["DONE", "CANCELED"]);
      await finishLarge(opened, 5, 10_000);
      await opened.settled();
      await tickAll(backend);
      expect(await keptOf(opened, old)).not.toEqual(old);
      expect(await keptOf(opened, young)).toEqual(young);
    });

    test("jobs that are removed, and queues that are deleted, count no more", async () => {
      const opened = await open({ maxCompletedBytes: 100_000 });
      const { backend } = opened;
      await createQueue(backend, "other");
      await finishLarge(opened, 4, 10_000, "other");
      const ids = await finishLarge(opened, 4, 10_000);
      await backend.deleteQueue("other", true);
      const removed = ids.slice(1, 3);
      await backend.remove(removed, ["DONE", "CANCELED"]);
      const more = await finishLarge(opened, 6, 10_000);
      await tickAll(backend);
      await opened.settled();
      expect(await keptOf(opened, [...ids, ...more])).toEqual([ids[0], ids[3], ...more]);
    });

    test("with no bytes to be kept, a completion is still answered", async () => {
      const { backend } = await open({ maxCompletedBytes: 0 });
      const ids = [await addDone(backend), await addOne(backend)];
      await backend.cancel(ids[1] ?? "");
      expect(await statuses(backend, ids)).toEqual(["-", "-"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, done: 0, completed: 1 });
    });

    test("a removed job does not take the place of a kept one", async () => {
      const opened = await open({ maxCompletedJobs: 3 });
      const { backend } = opened;
      const ids = await finishSome(opened, 3);
      await backend.remove([ids[1] ?? "", ids[2] ?? ""], ["DONE", "CANCELED"]);
      const more = await finishSome(opened, 2);
      await tickAll(backend);
      expect(await statuses(backend, [...ids, ...more])).toEqual(["DONE", "-", "-", "DONE", "CANCELED"]);
    });

    test("with nothing to be kept, a completion is still answered and logged", async () => {
      const { backend } = await open({ maxCompletedJobs: 0 });
      const cursor = await backend.head();
      const id = await addDone(backend);
      await tickAll(backend);
      expect(await statuses(backend, [id])).toEqual(["-"]);
      const { changes } = await readAll(backend, cursor);
      expect(changes.map(({ status, deleted }) => [status, deleted])).toEqual([
        ["PENDING", false],
        ["RUNNING", false],
        ["DONE", false],
      ]);
    });

    test("DEAD and waiting jobs are never forgotten", async () => {
      const opened = await open({ completeJobTtlMs: 1000, maxCompletedJobs: 1 });
      const { backend } = opened;
      const ids = [await addDead(backend), await addDead(backend), await addOne(backend)];
      await finishSome(opened, 3);
      await passTime(opened, 24 * 3600 * 1000);
      expect(await statuses(backend, ids)).toEqual(["DEAD", "DEAD", "PENDING"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, dead: 2, done: 0 });
    });

    test("a queue may say how long its finished jobs are kept, of those that are kept already too", async () => {
      const opened = await open({ completeJobTtlMs: 60_000 });
      const { backend } = opened;
      await createQueue(backend, "brief", { completedTtlMs: 20_000 });
      const ids = [...(await finishSome(opened, 2, "brief")), ...(await finishSome(opened, 2))];
      await passTime(opened, 17_000);
      expect(await statuses(backend, ids)).toEqual(["-", "-", "DONE", "CANCELED"]);
      await backend.updateQueue("default", { completedTtlMs: 10_000 });
      await tickAll(backend);
      expect(await statuses(backend, ids)).toEqual(["-", "-", "-", "-"]);
      // Longer than the server's, and by that again.
      await backend.updateQueue("brief", { completedTtlMs: 600_000 });
      const kept = await finishSome(opened, 1, "brief");
      await passTime(opened, 120_000);
      expect(await statuses(backend, kept)).toEqual(["DONE"]);
      await backend.updateQueue("brief", { completedTtlMs: null });
      await tickAll(backend);
      expect(await statuses(backend, kept)).toEqual(["-"]);
    });

    test("a queue may say how many of its finished jobs are kept", async () => {
      const opened = await open({ maxCompletedJobs: 4 });
      const { backend } = opened;
      await createQueue(backend, "few", { maxCompleted: 2 });
      await createQueue(backend, "none", { maxCompleted: 0 });
      const ids = await finishSome(opened, 4, "few");
      expect(await statuses(backend, ids)).toEqual(["-", "-", "DONE", "CANCELED"]);
      expect(await statuses(backend, await finishSome(opened, 2, "none"))).toEqual(["-", "-"]);
      const others = await finishSome(opened, 4);
      expect(await statuses(backend, others)).toEqual(["DONE", "CANCELED", "DONE", "CANCELED"]);
      await backend.updateQueue("default", { maxCompleted: 1 });
      await tickAll(backend);
      expect(await statuses(backend, others)).toEqual(["-", "-", "-", "CANCELED"]);
      await backend.updateQueue("few", { maxCompleted: null });
      const more = await finishSome(opened, 3, "few");
      expect(await statuses(backend, [...ids, ...more])).toEqual([
        "-",
        "-",
        "-",
        "CANCELED",
        "DONE",
        "CANCELED",
        "DONE",
      ]);
    });

    test("a queue may say how long its DEAD jobs are kept; each deletion is logged", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "brief", { deadTtlMs: 60_000 });
      const ids = [await addDead(backend, { queue: "brief" })];
      await passTime(opened, 30_000);
      ids.push(await addDead(backend, { queue: "brief" }), await addDead(backend));
      const cursor = await backend.head();
      await passTime(opened, 29_999 - opened.slackMs);
      expect(await statuses(backend, ids)).toEqual(["DEAD", "DEAD", "DEAD"]);
      const { revision } = await jobOf(backend, ids[0] ?? "");
      await passTime(opened, 1 + opened.slackMs);
      expect(await statuses(backend, ids)).toEqual(["-", "DEAD", "DEAD"]);
      expect((await readAll(backend, cursor)).changes).toMatchObject([
        { jobId: ids[0], status: "DEAD", deleted: true, revision: revision + 1 },
      ]);
      expect(await statsOf(backend, "brief")).toMatchObject({ dead: 1 });
      expect((await backend.listDead({ queue: "brief", statuses: [], limit: 9, order: "OLDEST" })).jobs).toHaveLength(
        1,
      );
      await passTime(opened, 30_000);
      expect(await statuses(backend, ids)).toEqual(["-", "-", "DEAD"]);
    });

    test("a time for DEAD jobs counts from their death, also when it is given later; a replay ends it", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = [await addDead(backend), await addDead(backend)];
      await passTime(opened, 50_000);
      await backend.replay(ids.slice(1));
      await backend.fail([fatal(await leaseOne(backend, { types: ["doomed"] }))]);
      ids.push(await addDead(backend));
      await backend.updateQueue("default", { deadTtlMs: 40_000 });
      await tickAll(backend);
      expect(await statuses(backend, ids)).toEqual(["-", "DEAD", "DEAD"]);
      await backend.updateQueue("default", { deadTtlMs: null });
      await passTime(opened, 100_000);
      expect(await statuses(backend, ids)).toEqual(["-", "DEAD", "DEAD"]);
      await backend.updateQueue("default", { deadTtlMs: 1 });
      await tickAll(backend);
      expect(await statuses(backend, ids)).toEqual(["-", "-", "-"]);
    });

    test("the backend asks for the tick that deletes DEAD jobs", async () => {
      const opened = await open();
      const { backend, heard, settled } = opened;
      await backend.updateQueue("default", { deadTtlMs: 20_000 });
      await tickAll(backend);
      await addOne(backend);
      const leased = await leaseOne(backend);
      await settled();
      heard.clear();
      await backend.fail([fatal(leased)]);
      await settled();
      expect(Math.min(...heard.dueHeard)).toBeLessThanOrEqual(20_000);
      await opened.advance(10_000);
      expect((await backend.tick()).nextInMs).toBeLessThanOrEqual(11_000);
    });

    test("no more DEAD jobs than a queue says are kept, tick or no tick; those that died first go", async () => {
      const opened = await open();
      const { backend } = opened;
      await backend.updateQueue("default", { maxDead: 2 });
      const cursor = await backend.head();
      const ids: string[] = [];
      for (let at = 0; at < 4; at++) {
        ids.push(await addDead(backend));
        await opened.advance(1000);
      }
      expect(await statuses(backend, ids)).toEqual(["-", "-", "DEAD", "DEAD"]);
      const deleted = (await readAll(backend, cursor)).changes.filter((change) => change.deleted);
      expect(deleted.map(({ jobId }) => jobId)).toEqual(ids.slice(0, 2));
      await backend.updateQueue("default", { maxDead: 1 });
      await tickAll(backend);
      expect(await statuses(backend, ids.slice(2))).toEqual(["-", "DEAD"]);
      // Who died of a lost lease counts too.
      const poison = await addOne(backend);
      for (let lost = 0; lost < 6; lost++) {
        await leaseOne(backend);
        await passTime(opened, 60_000);
      }
      expect(await statuses(backend, [...ids, poison])).toEqual(["-", "-", "-", "-", "DEAD"]);
    });

    test("very many DEAD jobs that are too many at once are deleted in bounded steps, all of them", async () => {
      const opened = await open();
      const { backend } = opened;
      for (let batch = 0; batch < 2; batch++) {
        await add(backend, ...Array.from({ length: 1000 }, () => ({})));
        await backend.fail((await lease(backend)).map((leased) => fatal(leased)));
      }
      expect(await statsOf(backend)).toMatchObject({ dead: 2000 });
      await backend.updateQueue("default", { maxDead: 3 });
      await tickAll(backend);
      expect(await statsOf(backend)).toMatchObject({ dead: 3 });
      expect((await backend.listDead({ queue: "default", statuses: [], limit: 9, order: "OLDEST" })).jobs).toHaveLength(
        3,
      );
    });

    test("very many that are due at once are forgotten in bounded steps, all of them", async () => {
      const opened = await open({ completeJobTtlMs: 10_000 });
      const { backend } = opened;
      for (let batch = 0; batch < 3; batch++) {
        await add(backend, ...Array.from({ length: 1000 }, () => ({})));
        const leases = await lease(backend);
        await backend.complete(leases.map((leased) => done(leased)));
      }
      expect(await statsOf(backend)).toMatchObject({ done: 3000 });
      await passTime(opened, 10_000);
      expect(await statsOf(backend)).toMatchObject({ done: 0 });
      expect((await backend.list({ queue: "default", statuses: [], limit: 9 })).jobs).toEqual([]);
    });
  });
}
