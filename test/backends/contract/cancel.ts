import { describe, expect, test } from "vitest";
import type { Open } from "./harness.js";
import {
  addDead,
  addDone,
  addOne,
  changesOf,
  createQueue,
  done,
  expectRefused,
  expectUntouched,
  failed,
  jobOf,
  leasedIds,
  leaseOne,
  only,
  passTime,
  ref,
  statsOf,
  statuses,
} from "./support.js";

const NO_STATS = {
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

/** Cancelling jobs in every state. */
export function describeCancel(open: Open): void {
  describe("cancel", () => {
    test.each([
      ["ready", 0],
      ["scheduled", 60_000],
    ])("a %s job is CANCELED at once and never runs", async (_name, delayMs) => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { delayMs });
      const cursor = await backend.head();
      const job = await backend.cancel(id);
      expect(job).toMatchObject({ id, status: "CANCELED", revision: 2, deliveries: 0, startedAt: undefined });
      expect(job.finishedAt).toBe(job.updatedAt);
      expect(await jobOf(backend, id)).toEqual(job);
      expect(await changesOf(backend, id, cursor)).toMatchObject([{ status: "CANCELED", revision: 2 }]);
      expect(await statsOf(backend)).toEqual(NO_STATS);
      await passTime(opened, 60_000);
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("a job that waits for its retry can be cancelled", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      await backend.fail([failed(await leaseOne(backend))]);
      expect(await backend.cancel(id)).toMatchObject({ status: "CANCELED", retryCount: 1, error: "it broke" });
      await passTime(opened, 10_000);
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("it makes room in a full queue", async () => {
      const { backend } = await open();
      await createQueue(backend, "small", { maxDepth: 1 });
      const id = await addOne(backend, { queue: "small" });
      await expectRefused(addOne(backend, { queue: "small" }), "QUEUE_FULL");
      await backend.cancel(id);
      await addOne(backend, { queue: "small" });
    });

    test("a running job is marked, once: it goes on until its worker acknowledges", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      await leaseOne(backend);
      const cursor = await backend.head();
      const job = await backend.cancel(id);
      expect(job).toMatchObject({ status: "RUNNING", cancelRequested: true, revision: 3, finishedAt: undefined });
      await expectUntouched(backend, [id], async () => {
        expect(await backend.cancel(id)).toEqual(job);
      });
      expect(await changesOf(backend, id, cursor)).toMatchObject([
        { status: "RUNNING", cancelRequested: true, revision: 3 },
      ]);
      expect(await statsOf(backend)).toMatchObject({ running: 1 });
    });

    test("its worker acknowledges by failing: CANCELED, and no retry", async () => {
      const { backend } = await open();
      const id = await addOne(backend, { maxRetries: 0 });
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      const cursor = await backend.head();
      const settlement = only(await backend.fail([failed(leased, "stopped")]));
      expect(settlement).toMatchObject({ outcome: "CANCELED", applied: { status: "CANCELED" } });
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({ status: "CANCELED", retryCount: 0, revision: 4, cancelRequested: false });
      expect(job.finishedAt).toBe(job.updatedAt);
      expect((await changesOf(backend, id, cursor)).map(({ status }) => status)).toEqual(["CANCELED"]);
      await expectUntouched(backend, [id], async () => {
        expect(await backend.fail([failed(leased)])).toEqual([{ outcome: "CANCELED" }]);
        expect(await backend.complete([done(leased)])).toEqual([{ outcome: "CANCELED" }]);
      });
      expect(await statsOf(backend)).toEqual(NO_STATS);
    });

    test("its worker acknowledges by releasing: CANCELED, and not given to another", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      expect(only(await backend.release([ref(leased)]))).toMatchObject({
        outcome: "CANCELED",
        applied: { status: "CANCELED" },
      });
      expect(await jobOf(backend, id)).toMatchObject({ status: "CANCELED", error: "", attemptErrors: [] });
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("a worker that was done already may say so: DONE", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      expect(only(await backend.complete([done(leased, "1")]))).toMatchObject({
        outcome: "APPLIED",
        applied: { status: "DONE" },
      });
      expect(await jobOf(backend, id)).toMatchObject({ status: "DONE", result: "1", cancelRequested: false });
      await expectRefused(backend.cancel(id), "JOB_STATE_CONFLICT");
    });

    test("an extension answers CANCEL_REQUESTED: progress is stored, the lease is not extended", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend, { leaseMs: 5000 });
      await backend.cancel(id);
      const result = only(
        await backend.extend([{ ...ref(leased), leaseMs: 60_000, progress: { percent: 50, message: "half" } }]),
      );
      expect(result.outcome).toBe("CANCEL_REQUESTED");
      expect(result.expiresInMs).toBeLessThanOrEqual(5000);
      expect(await jobOf(backend, id)).toMatchObject({ progress: { percent: 50, message: "half" }, revision: 4 });
      await passTime(opened, 5000);
      expect(await statuses(backend, [id])).toEqual(["CANCELED"]);
    });

    test("a CANCELED job stays as it is", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const job = await backend.cancel(id);
      await expectUntouched(backend, [id], async () => {
        expect(await backend.cancel(id)).toEqual(job);
      });
    });

    test("DONE and DEAD jobs and unknown ones are refused", async () => {
      const { backend } = await open();
      const ids = [await addDone(backend), await addDead(backend)];
      await expectUntouched(backend, ids, async () => {
        for (const id of ids) await expectRefused(backend.cancel(id), "JOB_STATE_CONFLICT");
      });
      await expectRefused(backend.cancel("4711"), "JOB_NOT_FOUND");
    });

    test("cancel and lease at the same time: either it never ran, or its worker is told", async () => {
      const { backend } = await open();
      for (let turn = 0; turn < 10; turn++) {
        const id = await addOne(backend);
        const [ids, job] = await Promise.all([leasedIds(backend), backend.cancel(id)]);
        const now = await jobOf(backend, id);
        if (ids.length === 0) expect(now.status).toBe("CANCELED");
        else expect(now).toMatchObject({ status: "RUNNING", cancelRequested: true });
        expect(job.id).toBe(id);
      }
    });
  });
}
