import { describe, expect, test } from "vitest";
import { newJob } from "../../support/job.js";
import type { Open } from "./harness.js";
import { addDone, addOne, createQueue, done, jobOf, leaseOne, only, passTime, readAll, statsOf } from "./support.js";

/** Creating a job twice with one request id. */
export function describeRequestIds(open: Open): void {
  describe("enqueue with a request id", () => {
    test("the same one again creates nothing and answers the first job", async () => {
      const { backend } = await open();
      const id = await addOne(backend, { requestId: "order-1", payload: "1" });
      const cursor = await backend.head();
      const result = only(await backend.enqueue([newJob({ requestId: "order-1", payload: "2", priority: 9 })]));
      expect(result).toMatchObject({ id, existing: { id } });
      expect(await jobOf(backend, id)).toMatchObject({ payload: "1", priority: 0, revision: 1 });
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
      expect(results.map(({ existing }) => existing !== undefined)).toEqual([false, true, false, false, true]);
      expect(results.map(({ id }) => id)).toEqual([0, 0, 2, 3, 2].map((at) => jobs[at]?.id));
      expect(await statsOf(backend)).toMatchObject({ ready: 2 });
      expect(await statsOf(backend, "other")).toMatchObject({ ready: 1 });
    });

    test("callers at the same time create one job", async () => {
      const { backend } = await open();
      const results = await Promise.all(Array.from({ length: 8 }, () => backend.enqueue([newJob({ requestId: "r" })])));
      expect(new Set(results.flat().map(({ id }) => id)).size).toBe(1);
      expect(results.flat().filter(({ existing }) => existing === undefined)).toHaveLength(1);
      expect(await statsOf(backend)).toMatchObject({ ready: 1 });
    });

    test("it holds while the job runs and after it is done, and is free once the job is removed", async () => {
      const { backend } = await open();
      const id = await addOne(backend, { requestId: "r" });
      const leased = await leaseOne(backend);
      expect(await addOne(backend, { requestId: "r" })).toBe(id);
      await backend.complete([done(leased)]);
      expect(await addOne(backend, { requestId: "r" })).toBe(id);
      await backend.remove([id], ["DONE"]);
      const second = await addOne(backend, { requestId: "r" });
      expect(second).not.toBe(id);
      await backend.purge("default");
      expect(await addOne(backend, { requestId: "r" })).not.toBe(second);
    });

    test("it is free once the finished job is forgotten", async () => {
      const opened = await open({ completeJobTtlMs: 5000 });
      const id = await addDone(opened.backend, { requestId: "r" });
      await passTime(opened, 5000);
      expect(await addOne(opened.backend, { requestId: "r" })).not.toBe(id);
    });
  });
}
