import { describe, expect, test } from "vitest";
import { TRACE } from "../../support/job.js";
import type { Open } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  changesOf,
  createQueue,
  expectAbout,
  expectRefused,
  expectUntouched,
  failed,
  jobOf,
  leasedIds,
  leaseOne,
  pages,
  passTime,
  ref,
  statsOf,
  statuses,
} from "./support.js";

/** Changing jobs that have not begun. */
export function describeUpdate(open: Open): void {
  describe("an update of a PENDING job", () => {
    test("changes what it says and nothing else, in one change, and answers the job", async () => {
      const opened = await open();
      const { backend } = opened;
      const metadata = { tenant: "acme" };
      const spec = { priority: 3, maxRetries: 2, timeoutMs: 5000, metadata, traceContext: TRACE, requestId: "r" };
      const id = await addOne(backend, { ...spec, backoff: { delaysMs: [7, 9] }, ttlMs: 3_600_000 });
      const before = await jobOf(backend, id);
      const cursor = await backend.head();
      const payloads = ['{"b":2}', new Uint8Array([0, 10, 13, 255]), null, "[1]"];
      for (const [at, payload] of payloads.entries()) {
        const job = await backend.update(id, { payload });
        expect(job).toEqual({
          ...before,
          payload: payload ?? undefined,
          revision: at + 2,
          updatedAt: job.updatedAt,
        });
        expect(await jobOf(backend, id)).toEqual(job);
      }
      const now = await opened.now();
      const job = await backend.update(id, { priority: 9, delayMs: 60_000, payload: "[2]" });
      expect(job).toEqual({
        ...before,
        ...{ priority: 9, payload: "[2]", revision: 6, updatedAt: job.updatedAt, runAfter: job.runAfter },
        pendingState: "SCHEDULED",
      });
      expectAbout(job.runAfter, now + 60_000, opened);
      const changes = await changesOf(backend, id, cursor);
      expect(changes.map(({ revision, priority }) => [revision, priority])).toEqual([
        ...[2, 3, 4, 5].map((revision) => [revision, 3]),
        [6, 9],
      ]);
      expect(changes.at(-1)).toMatchObject({ status: "PENDING", runAfter: job.runAfter, type: "echo" });
    });

    test("to another priority changes its turn, at its place among the others of that", async () => {
      const opened = await open();
      const { backend } = opened;
      const [low = "", high = "", first = ""] = await add(backend, {}, {}, { priority: 5 });
      await passTime(opened, 1000);
      const late = await addOne(backend, { priority: 5 });
      await backend.update(high, { priority: 10 });
      await backend.update(low, { priority: 5 });
      await backend.update(first, { priority: 5 });
      // Each stands where it would have stood from the start.
      const order = [high, ...[low, first].toSorted((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1)), late];
      expect(await leasedIds(backend)).toEqual(order);
      expect(await leasedIds(backend)).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, running: 4 });
    });

    test("also in the order by run_after", async () => {
      const { backend } = await open();
      await createQueue(backend, "timed", { ordering: "RUN_AFTER" });
      const [first = "", second = "", third = ""] = await add(
        backend,
        ...[{ runAfter: 1000 }, { runAfter: 2000 }, { runAfter: 2000 }].map((when) => ({ ...when, queue: "timed" })),
      );
      await backend.update(third, { priority: 1 });
      await backend.update(first, { runAfter: 3000 });
      expect(await leasedIds(backend, { queues: ["timed"] })).toEqual([third, second, first]);
    });

    test.each([
      ["a delay", () => ({ delayMs: 5000 })],
      ["a time of its own", (now: number) => ({ runAfter: now + 5000 })],
    ])("to %s has it wait for that", async (_name, when) => {
      const opened = await open();
      const { backend, heard } = opened;
      const [ready = "", waiting = ""] = await add(backend, {}, { delayMs: 60_000 });
      await opened.settled();
      heard.clear();
      for (const id of [ready, waiting]) await backend.update(id, when(await opened.now()));
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 2 });
      await opened.settled();
      expect(Math.min(...heard.dueHeard)).toBeLessThanOrEqual(5000);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 4900 - opened.slackMs);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 100 + opened.slackMs);
      expect((await leasedIds(backend)).toSorted()).toEqual([ready, waiting].toSorted());
    });

    test.each([
      ["no delay", () => ({ delayMs: 0 })],
      ["a time that has passed", (now: number) => ({ runAfter: now - 5000 })],
    ])("to %s makes it ready", async (_name, when) => {
      const opened = await open();
      const { backend, heard } = opened;
      const timed = (await opened.now()) + 60_000;
      const ids = await add(backend, {}, { delayMs: 60_000 }, { runAfter: timed });
      await opened.settled();
      heard.clear();
      for (const id of ids) await backend.update(id, when(await opened.now()));
      await heard.heardReady("default");
      expect(await statsOf(backend)).toMatchObject({ ready: 3, scheduled: 0 });
      expect(await leasedIds(backend, { leaseMs: 3_600_000 })).toHaveLength(3);
      await passTime(opened, 61_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0 });
    });

    test("leaves what it waits for as it is, when it says no time", async () => {
      const opened = await open();
      const { backend } = opened;
      const retry = { backoff: { baseDelayMs: 6000, maxDelayMs: 6000 } };
      const retrying = await addOne(backend, retry);
      await backend.fail([failed(await leaseOne(backend))]);
      const runAfter = (await opened.now()) + 6000;
      const [delayed = "", timed = ""] = await add(backend, { delayMs: 6000 }, { runAfter });
      const ids = [retrying, delayed, timed];
      await passTime(opened, 3000);
      const before = await backend.get(ids);
      for (const id of ids) await backend.update(id, { priority: 7, payload: "8" });
      const after = await backend.get(ids);
      expect(after.map((job) => job?.runAfter)).toEqual(before.map((job) => job?.runAfter));
      expect(after[0]).toMatchObject({ retryCount: 1, error: "it broke", deliveries: 1, priority: 7 });
      await passTime(opened, 2900 - 2 * opened.slackMs);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 100 + 3 * opened.slackMs);
      expect((await leasedIds(backend)).toSorted()).toEqual(ids.toSorted());
    });

    test("to a delay lasts as long as was said, whatever the wall clock does", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      await backend.update(id, { delayMs: 20_000 });
      await opened.stepWall(86_400_000);
      await passTime(opened, 19_000);
      expect(await leasedIds(backend)).toEqual([]);
      await opened.stepWall(-2 * 86_400_000);
      await passTime(opened, 1000);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("leaves the retries and the order of a retrying job to itself, and may end its wait", async () => {
      const { backend } = await open();
      const id = await addOne(backend, { maxRetries: 1, backoff: { baseDelayMs: 60_000, maxDelayMs: 60_000 } });
      await backend.fail([failed(await leaseOne(backend))]);
      await backend.update(id, { delayMs: 0, payload: '"again"' });
      const leased = await leaseOne(backend);
      expect(leased.job).toMatchObject({ id, payload: '"again"', retryCount: 1, deliveries: 2 });
      await backend.fail([failed(leased)]);
      expect(await jobOf(backend, id)).toMatchObject({ status: "DEAD", payload: '"again"' });
      await backend.replay([id]);
      expect((await leaseOne(backend)).job).toMatchObject({ payload: '"again"', deliveries: 3 });
    });

    test("many times leaves it in its queue once, and the others in their order", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = await add(backend, ...Array.from({ length: 30 }, (_, at) => ({ priority: at % 3 })));
      for (let turn = 0; turn < 20; turn++) {
        for (const [at, id] of ids.entries()) {
          if (at % 4 === 0) continue;
          await backend.update(id, turn % 3 === 0 ? { delayMs: 1000 * (turn + 1) } : { priority: (at + turn) % 11 });
        }
      }
      const priorities = new Map(ids.map((id, at) => [id, at % 4 === 0 ? at % 3 : (at + 19) % 11]));
      expect(await statsOf(backend)).toMatchObject({ ready: 8, scheduled: 22 });
      expect(await pages((after) => backend.list({ queue: "default", limit: 7, after }))).toHaveLength(30);
      const first = ids.filter((_, at) => at % 4 === 0);
      const byPriority = (list: readonly string[]) =>
        list.toSorted(
          (a, b) => (priorities.get(b) ?? 0) - (priorities.get(a) ?? 0) || (BigInt(a) < BigInt(b) ? -1 : 1),
        );
      expect(await leasedIds(backend, { leaseMs: 3_600_000 })).toEqual(byPriority(first));
      await passTime(opened, 30_000);
      const rest = await leasedIds(backend);
      expect(rest.toSorted()).toEqual(ids.filter((_, at) => at % 4 !== 0).toSorted());
      expect(rest.map((id) => priorities.get(id))).toEqual(byPriority(rest).map((id) => priorities.get(id)));
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0 });
    });

    test("keeps its request id: a repeat of the create is answered with the job as it is", async () => {
      const { backend } = await open();
      const id = await addOne(backend, { requestId: "r" });
      const { pendingState, heldBy, ...job } = await backend.update(id, { priority: 4, delayMs: 1000 });
      expect([pendingState, heldBy]).toEqual(["SCHEDULED", undefined]);
      const [result] = await backend.enqueue([
        { ...(await jobOf(backend, id)), id: "77", requestId: "r", digest: undefined },
      ]);
      expect(result).toMatchObject({ id, deduplicated: true, existing: job, runAfter: job.createdAt });
    });

    test("keeps when it expires; a time by which it has expired is refused", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = await add(backend, { ttlMs: 5000 }, { expiresAt: (await opened.now()) + 5000 });
      for (const id of ids) {
        const before = await jobOf(backend, id);
        await expectUntouched(backend, [id], async () => {
          await expect(backend.update(id, { delayMs: 5000 })).rejects.toMatchObject({
            reason: "FIELD_INVALID",
            violations: [{ field: "delay" }],
          });
          const runAfter = (await opened.now()) + 6000;
          await expect(backend.update(id, { runAfter })).rejects.toMatchObject({
            reason: "FIELD_INVALID",
            violations: [{ field: "runAfter" }],
          });
        });
        expect((await backend.update(id, { delayMs: 4000, priority: 2 })).expiresAt).toBe(before.expiresAt);
        await backend.update(id, { delayMs: 0 });
        await backend.update(id, { priority: 3 });
        await backend.update(id, { payload: "1" });
      }
      await passTime(opened, 4900 - 2 * opened.slackMs);
      expect(await statuses(backend, ids)).toEqual(["PENDING", "PENDING"]);
      await passTime(opened, 100 + 2 * opened.slackMs);
      expect(await statuses(backend, ids)).toEqual(["CANCELED", "CANCELED"]);
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("of one that has begun may wait for as long as it likes: it does not expire", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { ttlMs: 5000 });
      await backend.release([ref(await leaseOne(backend))]);
      await backend.update(id, { delayMs: 10_000 });
      await passTime(opened, 10_000);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("is refused in other states, and for unknown jobs", async () => {
      const { backend } = await open();
      const canceled = await addOne(backend);
      await backend.cancel(canceled);
      const running = await addOne(backend);
      await leaseOne(backend);
      const ids = [await addDone(backend), await addDead(backend), canceled, running];
      await expectUntouched(backend, ids, async () => {
        for (const id of ids) await expectRefused(backend.update(id, { priority: 1 }), "JOB_STATE_CONFLICT");
      });
      await expectRefused(backend.update("4711", { priority: 1 }), "JOB_NOT_FOUND");
      await expectRefused(backend.update("4711@nowhere", { payload: "1" }), "JOB_NOT_FOUND");
    });

    test("it may be cancelled, run, purged and counted like any other", async () => {
      const opened = await open();
      const { backend } = opened;
      const [first = "", second = "", third = "", fourth = ""] = await add(backend, {}, {}, {}, { type: "other" });
      await backend.update(first, { priority: 5 });
      await backend.update(second, { delayMs: 9000 });
      await backend.update(third, { priority: 6 });
      await backend.update(fourth, { delayMs: 9000, priority: 2 });
      expect(await backend.countReady("default", ["echo", "other"])).toEqual([2, 0]);
      expect(await backend.cancel(first)).toMatchObject({ status: "CANCELED", revision: 3, priority: 5 });
      expect(await backend.run(second)).toMatchObject({ revision: 3 });
      expect(await backend.act("CANCEL", [second], {})).toBe(1);
      expect(await backend.purge("default")).toBe(2);
      await passTime(opened, 9000);
      expect(await leasedIds(backend, { types: ["echo", "other"] })).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0 });
    });

    test("counts no job twice: a full queue stays so, and has room again when it has run", async () => {
      const { backend } = await open();
      await createQueue(backend, "narrow", { maxDepth: 2 });
      const narrow = { queue: "narrow" };
      const [first = ""] = await add(backend, narrow, narrow);
      await backend.update(first, { priority: 5 });
      await backend.update(first, { delayMs: 1000 });
      await expectRefused(addOne(backend, narrow), "QUEUE_FULL");
      await leaseOne(backend, { queues: ["narrow"] });
      await addOne(backend, narrow);
      await expectRefused(addOne(backend, narrow), "QUEUE_FULL");
    });

    test("and a lease and a cancel at the same time: it runs at most once, with the one payload or the other", async () => {
      const { backend } = await open();
      for (let turn = 0; turn < 10; turn++) {
        const id = await addOne(backend, { payload: "1" });
        const [updated, leases, job] = await Promise.all([
          backend.update(id, { priority: 5, payload: "2" }).catch((error) => error.reason),
          backend.lease({ queues: ["default"], types: ["echo"], max: 9, leaseMs: 9000, worker: "w" }),
          backend.cancel(id),
        ]);
        expect(job.status).toBe(leases.length === 0 ? "CANCELED" : "RUNNING");
        if (updated === "JOB_STATE_CONFLICT") expect(job.payload).toBe("1");
        else expect(updated).toMatchObject({ id, payload: "2", priority: 5, status: "PENDING" });
        expect(leases.every((each) => each.job.payload === job.payload)).toBe(true);
        expect(await leasedIds(backend)).toEqual([]);
      }
    });
  });
}
