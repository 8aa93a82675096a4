import { describe, expect, test } from "vitest";
import { REQUEST_ID_TTL_MS } from "../../../src/model/job/request-id.js";
import { newJob } from "../../support/job.js";
import type { Open } from "./harness.js";
import {
  addOne,
  createQueue,
  done,
  expectAbout,
  expectRefused,
  fatal,
  jobOf,
  leaseOne,
  only,
  passTime,
  readAll,
  statsOf,
} from "./support.js";

/** Creating a job twice with one request id. */
export function describeRequestIds(open: Open): void {
  describe("enqueue with a request id", () => {
    test("the same one again creates nothing and answers the first job", async () => {
      const { backend } = await open();
      const id = await addOne(backend, { requestId: "order-1", payload: "1" });
      const cursor = await backend.head();
      const result = only(await backend.enqueue([newJob({ requestId: "order-1", payload: "1" })]));
      expect(result).toMatchObject({ id, deduplicated: true, existing: { id } });
      expect(await jobOf(backend, id)).toMatchObject({ payload: "1", revision: 1 });
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
      expect((await readAll(backend, cursor)).changes).toEqual([]);
    });

    test("it counts inside one batch too, and only within a queue", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const jobs = [
        newJob({ requestId: "r" }),
        newJob({ requestId: "r" }),
        newJob({ requestId: "r", queue: "other" }),
        newJob(),
        newJob({ requestId: "r", queue: "other" }),
      ];
      const results = await backend.enqueue(jobs);
      expect(results.map(({ deduplicated }) => deduplicated)).toEqual([false, true, false, false, true]);
      expect(results.map(({ id }) => id)).toEqual([0, 0, 2, 3, 2].map((at) => jobs[at]?.id));
      expect(await statsOf(backend)).toMatchObject({ ready: 2 });
      expect(await statsOf(backend, "other")).toMatchObject({ ready: 1 });
    });

    test("callers at the same time create one job", async () => {
      const { backend } = await open();
      const results = await Promise.all(Array.from({ length: 8 }, () => backend.enqueue([newJob({ requestId: "r" })])));
      expect(new Set(results.flat().map(({ id }) => id)).size).toBe(1);
      expect(results.flat().filter(({ deduplicated }) => !deduplicated)).toHaveLength(1);
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
    });

    test("it holds while the job runs and after it is done, and for ten minutes when the job is gone", async () => {
      const opened = await open({ completeJobTtlMs: 1000 });
      const { backend } = opened;
      const before = await opened.now();
      const id = await addOne(backend, { requestId: "r" });
      const again = async () => only(await backend.enqueue([newJob({ requestId: "r" })]));
      const leased = await leaseOne(backend);
      expect(await again()).toMatchObject({ id, deduplicated: true, existing: { status: "RUNNING" } });
      await backend.complete([done(leased)]);
      expect(await again()).toMatchObject({ id, deduplicated: true, existing: { status: "DONE" } });
      await passTime(opened, 2000);
      expect(await backend.get([id])).toEqual([undefined]);
      const gone = await again();
      expect(gone).toMatchObject({ id, deduplicated: true });
      expect(gone.existing).toBeUndefined();
      expectAbout(gone.createdAt, before, opened);
      expectAbout(gone.runAfter, before, opened);
      await passTime(opened, REQUEST_ID_TTL_MS - 10_000);
      expect(await again()).toMatchObject({ id, deduplicated: true });
      await passTime(opened, 10_000);
      const fresh = await again();
      expect(fresh.deduplicated).toBe(false);
      expect(fresh.id).not.toBe(id);
    });

    test("it holds when its job is gone, however that went", async () => {
      const opened = await open({ completeJobTtlMs: 0 });
      const { backend } = opened;
      const ends: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
        completed: async () => backend.complete([done(await leaseOne(backend))]),
        canceled: (id) => backend.cancel(id),
        purged: () => backend.purge("default"),
        removed: async (id) => {
          await backend.fail([fatal(await leaseOne(backend))]);
          await backend.remove([id], ["DEAD"]);
        },
      };
      for (const [requestId, end] of Object.entries(ends)) {
        const id = await addOne(backend, { requestId });
        await end(id);
        await passTime(opened, 2000);
        expect(await backend.get([id]), requestId).toEqual([undefined]);
        expect(await addOne(backend, { requestId }), requestId).toBe(id);
      }
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 0 });
    });

    test("it holds as long as its job waits; an automatic one for ten minutes only", async () => {
      const opened = await open();
      const { backend } = opened;
      const own = await addOne(backend, { requestId: "r" });
      const automatic = await addOne(backend, { requestId: "auto:r" });
      await passTime(opened, REQUEST_ID_TTL_MS - 10_000);
      expect(await addOne(backend, { requestId: "auto:r" })).toBe(automatic);
      await passTime(opened, 10_000);
      expect(await addOne(backend, { requestId: "auto:r" })).not.toBe(automatic);
      expect(await addOne(backend, { requestId: "r" })).toBe(own);
      await passTime(opened, REQUEST_ID_TTL_MS);
      expect(await addOne(backend, { requestId: "r" })).toBe(own);
    });

    test("with another content it is refused, and nothing of the batch is created", async () => {
      const opened = await open({ completeJobTtlMs: 0 });
      const { backend } = opened;
      await createQueue(backend, "other");
      const id = await addOne(backend, { requestId: "r", digest: "one" });
      const batch = [newJob(), newJob({ queue: "other" }), newJob({ requestId: "r", digest: "two" })];
      const refused = backend.enqueue(batch);
      await expectRefused(refused, "REQUEST_ID_REUSED");
      await expect(refused).rejects.toMatchObject({ violations: [{ field: "requests[2].requestId" }] });
      const twice = ["one", "two"].map((digest) => newJob({ queue: "other", requestId: "s", digest }));
      await expectRefused(backend.enqueue(twice), "REQUEST_ID_REUSED");
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
      expect(await statsOf(backend, "other")).toMatchObject({ ready: 0 });
      await backend.cancel(id);
      await passTime(opened, 2000);
      await expectRefused(backend.enqueue([newJob({ requestId: "r", digest: "two" })]), "REQUEST_ID_REUSED");
      expect(await addOne(backend, { requestId: "r", digest: "one" })).toBe(id);
    });
  });
}
