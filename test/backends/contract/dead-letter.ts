import { describe, expect, test } from "vitest";
import type { ListDeadQuery } from "../../../src/core/port/listing.js";
import { type Job, jobBytes } from "../../../src/model/job/job.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  changesOf,
  createQueue,
  expectAbout,
  expectAlike,
  expectRefused,
  expectUntouched,
  failed,
  fatal,
  jobOf,
  LEASE_MS,
  lease,
  leasedIds,
  leaseOne,
  only,
  pages,
  passTime,
  readAll,
  statsOf,
  statuses,
} from "./support.js";

const ORDERS: readonly ListDeadQuery["order"][] = ["NEWEST", "OLDEST"];

/** Lets `count` jobs die, a second apart. Returns their ids. */
async function addDeads({ backend, advance }: OpenedBackend, count: number, type = "doomed"): Promise<string[]> {
  const ids: string[] = [];
  for (let at = 0; at < count; at++) {
    ids.push(await addDead(backend, { type }));
    await advance(1000);
  }
  return ids;
}

/** Dead jobs: listing, replaying, removing. */
export function describeDeadLetter(open: Open): void {
  describe("the dead of a queue", () => {
    test("are listed by time of death, the latest or the oldest first, page by page", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = await addDeads(opened, 7);
      await addDone(backend);
      await addOne(backend);
      for (const limit of [1, 2, 3, 7, 100]) {
        const list = (order: ListDeadQuery["order"]) =>
          pages((after) => backend.listDead({ queue: "default", limit, order, after }));
        expect(await list("OLDEST")).toEqual(ids);
        expect(await list("NEWEST")).toEqual(ids.toReversed());
      }
      const page = await backend.listDead({ queue: "default", limit: 3, order: "OLDEST" });
      expect(page.jobs.map(({ id }) => id)).toEqual(ids.slice(0, 3));
      expect(page.jobs[0]).toEqual(await jobOf(backend, ids[0] ?? ""));
    });

    test("are ordered by death, not by creation", async () => {
      const opened = await open();
      const { backend } = opened;
      const [first, second] = await add(backend, { type: "a" }, { type: "b" });
      await backend.fail([fatal(await leaseOne(backend, { types: ["b"] }))]);
      await opened.advance(1000);
      await backend.fail([fatal(await leaseOne(backend, { types: ["a"] }))]);
      const page = await backend.listDead({ queue: "default", limit: 10, order: "OLDEST" });
      expect(page.jobs.map(({ id }) => id)).toEqual([second, first]);
    });

    test.each(ORDERS)("%s: those that died at one moment are all listed once, by id", async (order) => {
      const { backend } = await open();
      const ids = ["99999999999999998", "99999999999999999", "100000000000000000", "100000000000000001"];
      await add(backend, ...ids.map((id) => ({ id })));
      const leases = await backend.lease({ queues: ["default"], types: ["echo"], max: 9, leaseMs: 1000, worker: "w" });
      await backend.fail(leases.toReversed().map((leased) => fatal(leased)));
      const listed = await pages((after) => backend.listDead({ queue: "default", limit: 1, order, after }));
      expect(listed).toEqual(order === "OLDEST" ? ids : ids.toReversed());
    });

    test.each(ORDERS)("%s: can be listed by type", async (order) => {
      const opened = await open();
      const mails = await addDeads(opened, 2, "mail");
      await addDeads(opened, 3, "image");
      mails.push(...(await addDeads(opened, 2, "mail")));
      const list = (type: string) =>
        pages((after) => opened.backend.listDead({ queue: "default", types: [type], limit: 2, order, after }));
      expect(await list("mail")).toEqual(order === "OLDEST" ? mails : mails.toReversed());
      expect(await list("none")).toEqual([]);
    });

    test.each(ORDERS)("%s: paging misses none and repeats none while others die, return and go", async (order) => {
      const opened = await open();
      const { backend } = opened;
      const ids = await addDeads(opened, 9);
      const inOrder = order === "OLDEST" ? ids : ids.toReversed();
      const listed: string[] = [];
      let after: string | undefined;
      let turn = 0;
      do {
        const page = await backend.listDead({ queue: "default", limit: 3, order, after });
        listed.push(...page.jobs.map(({ id }) => id));
        after = page.next;
        // The last one listed and a later one leave; a new one dies.
        if (turn === 0) await backend.replay([inOrder[2] ?? "", inOrder[5] ?? ""]);
        if (turn === 1) await backend.remove([inOrder[4] ?? ""], ["DEAD"]);
        if (turn++ < 2) await addDeads(opened, 1, "other");
      } while (after !== undefined);
      const stayed = inOrder.filter((_, at) => at !== 5);
      expect(listed.slice(0, 8)).toEqual(stayed);
      expect(listed.slice(8)).toHaveLength(order === "OLDEST" ? 2 : 0);
    });

    test.each(ORDERS)("%s: keys are time and id of the dead on the same page, with their size", async (order) => {
      const opened = await open();
      const { backend } = opened;
      await addDeads(opened, 3);
      await addDeads(opened, 2, "other");
      const all = { queue: "default", limit: 10, order };
      for (const query of [all, { ...all, limit: 2 }, { ...all, types: ["doomed"], scan: 3 }]) {
        const { jobs, next } = await backend.listDead(query);
        const page = await backend.listDeadKeys(query);
        expect(page.next).toBe(next);
        expect(page.keys.map(({ key }) => key)).toEqual(jobs.map(({ id, finishedAt }) => `${finishedAt}-${id}`));
        for (const [at, { bytes }] of page.keys.entries()) expectAlike(bytes, jobBytes(jobs[at] as Job));
      }
      await expectRefused(backend.listDeadKeys({ ...all, queue: "nowhere" }), "QUEUE_NOT_FOUND");
      await expectRefused(backend.listDeadKeys({ ...all, after: "1" }), "PAGE_TOKEN_INVALID");
    });

    test.each(ORDERS)("%s: begin behind a death in another queue, also of the same moment", async (order) => {
      const { backend } = await open();
      const ids = await add(backend, { id: "10" }, { id: "20" }, { id: "30" });
      await backend.fail((await lease(backend)).map((leased) => fatal(leased)));
      const { finishedAt } = await jobOf(backend, "20");
      const page = await backend.listDead({ queue: "default", limit: 9, order, after: `${finishedAt}-25` });
      expect(page.jobs.map(({ id }) => id)).toEqual(order === "OLDEST" ? ids.slice(2) : ["20", "10"]);
    });

    test("a bad page token is refused, and so is an unknown queue", async () => {
      const opened = await open();
      const { backend } = opened;
      await addDeads(opened, 2);
      for (const after of ["x", "-1", "1", "1-2-3", "1-x", " 1-2", "1e3-2", "99999999999999999999-1"]) {
        for (const order of ORDERS) {
          const query = { queue: "default", limit: 1, order, after };
          await expectRefused(backend.listDead(query), "PAGE_TOKEN_INVALID");
        }
      }
      await expectRefused(backend.listDead({ queue: "nowhere", limit: 1, order: "NEWEST" }), "QUEUE_NOT_FOUND");
    });

    test("are kept apart by queue", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const mine = await addDead(backend);
      const other = await addDead(backend, { queue: "other" });
      const list = async (queue: string) =>
        (await backend.listDead({ queue, limit: 10, order: "NEWEST" })).jobs.map(({ id }) => id);
      expect(await list("default")).toEqual([mine]);
      expect(await list("other")).toEqual([other]);
    });
  });

  describe("replay", () => {
    test("a dead job returns to its own queue, ready now, with all its chances", async () => {
      const opened = await open({ maxLostLeases: 0 });
      const { backend } = opened;
      await createQueue(backend, "own");
      const id = await addOne(backend, { queue: "own", priority: 6, maxRetries: 1, requestId: "r" });
      const from = { queues: ["own"] };
      await backend.fail([{ ...failed(await leaseOne(backend, from), "broken"), retry: { afterMs: 0 } }]);
      await leaseOne(backend, from);
      await passTime(opened, LEASE_MS);
      const dead = await jobOf(backend, id);
      expect(dead).toMatchObject({ status: "DEAD", retryCount: 1, lostLeases: 1 });
      await opened.advance(60_000);
      const cursor = await backend.head();
      const now = await opened.now();
      const row = only(await backend.replay([id]));
      const job = await jobOf(backend, id);
      expect(row).toEqual({ outcome: "APPLIED", job });
      expectAbout(job.runAfter, now, opened);
      expect(job).toEqual({
        ...dead,
        status: "PENDING",
        pendingState: "READY",
        retryCount: 0,
        lostLeases: 0,
        revision: dead.revision + 1,
        runAfter: job.runAfter,
        updatedAt: job.runAfter,
        finishedAt: undefined,
      });
      expect(await changesOf(backend, id, cursor)).toMatchObject([{ status: "PENDING", revision: job.revision }]);
      expect(await statsOf(backend, "own")).toMatchObject({ ready: 1, scheduled: 0, dead: 0 });
      expect(await statsOf(backend)).toMatchObject({ ready: 0 });
      const again = await leaseOne(backend, from);
      expect(again.job).toMatchObject({ id, retryCount: 0, deliveries: 3 });
      await backend.fail([failed(again)]);
      expect(await jobOf(backend, id)).toMatchObject({ status: "PENDING", retryCount: 1 });
    });

    test("each job is answered in order: replayed, in another state, or unknown", async () => {
      const { backend } = await open();
      const dead = await addDead(backend);
      const finished = await addDone(backend);
      const waiting = await addOne(backend);
      expect(await backend.replay([])).toEqual([]);
      const rows = await backend.replay([finished, "4711", dead, waiting, dead]);
      expect(rows).toEqual([
        { outcome: "CONFLICT", status: "DONE" },
        { outcome: "NOT_FOUND" },
        { outcome: "APPLIED", job: await jobOf(backend, dead) },
        { outcome: "CONFLICT", status: "PENDING" },
        { outcome: "CONFLICT", status: "PENDING" },
      ]);
    });

    test("the same job replayed by many at once comes back once", async () => {
      const { backend } = await open();
      const ids = [await addDead(backend), await addDead(backend)];
      const rows = (await Promise.all(Array.from({ length: 6 }, () => backend.replay(ids)))).flat();
      expect(rows.filter(({ outcome }) => outcome === "APPLIED")).toHaveLength(2);
      expect(rows.filter(({ outcome }) => outcome === "CONFLICT")).toHaveLength(10);
      expect(await statsOf(backend)).toMatchObject({ ready: 2, dead: 0 });
      expect((await leasedIds(backend, { types: ["doomed"] })).toSorted()).toEqual(ids.toSorted());
    });

    test("a job may die, be replayed and die again; it is listed by its last death", async () => {
      const opened = await open();
      const { backend } = opened;
      const [first, second] = await addDeads(opened, 2);
      if (!first || !second) throw new Error("no jobs");
      await backend.replay([first]);
      await opened.advance(1000);
      await backend.fail([fatal(await leaseOne(backend, { types: ["doomed"] }))]);
      const page = await backend.listDead({ queue: "default", limit: 10, order: "OLDEST" });
      expect(page.jobs.map(({ id }) => id)).toEqual([second, first]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, dead: 2 });
    });
  });

  describe("remove", () => {
    test("deletes jobs in the given states only, and answers each in order", async () => {
      const { backend } = await open();
      const dead = await addDead(backend);
      const finished = await addDone(backend);
      const canceled = await addOne(backend);
      await backend.cancel(canceled);
      const waiting = await addOne(backend);
      const running = (await leaseOne(backend)).job.id;
      expect(running).toBe(waiting);
      const before = await jobOf(backend, dead);
      await expectUntouched(backend, [dead, finished, canceled, running], async () => {
        expect(await backend.remove([dead, finished], ["CANCELED"])).toEqual([
          { outcome: "CONFLICT", status: "DEAD" },
          { outcome: "CONFLICT", status: "DONE" },
        ]);
        expect(await backend.remove([dead], [])).toEqual([{ outcome: "CONFLICT", status: "DEAD" }]);
      });
      const cursor = await backend.head();
      const ids = [running, dead, "4711", canceled, finished, dead];
      const rows = await backend.remove(ids, ["DONE", "CANCELED", "DEAD"]);
      expect(rows.map(({ outcome }) => outcome)).toEqual([
        "CONFLICT",
        "APPLIED",
        "NOT_FOUND",
        "APPLIED",
        "APPLIED",
        "NOT_FOUND",
      ]);
      expect(await statuses(backend, ids)).toEqual(["RUNNING", "-", "-", "-", "-", "-"]);
      expect(await statsOf(backend)).toMatchObject({ running: 1, dead: 0, done: 0 });
      const { changes } = await readAll(backend, cursor);
      expect(changes.map(({ jobId, deleted }) => [jobId, deleted])).toEqual([
        [dead, true],
        [canceled, true],
        [finished, true],
      ]);
      expect(changes[0]).toMatchObject({ status: "DEAD", revision: before.revision + 1, error: before.error });
    });

    test("a removed dead job is not listed, not and not replayed", async () => {
      const { backend } = await open();
      const id = await addDead(backend);
      await backend.remove([id], ["DEAD"]);
      expect((await backend.listDead({ queue: "default", limit: 9, order: "NEWEST" })).jobs).toEqual([]);
      expect((await backend.list({ queue: "default", statuses: [], limit: 9 })).jobs).toEqual([]);
      expect(await backend.replay([id])).toEqual([{ outcome: "NOT_FOUND" }]);
    });
  });
}
