import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import { jobIdOf, numberOf } from "../../../src/model/queue/ids.js";
import type { Open } from "./harness.js";
import { add, addDead, addOne, createQueue, expectRefused, leaseOne } from "./support.js";

/** Expects that there is no job of this id, whatever is asked of it. */
async function expectNone(backend: Backend, jobId: string, token = "x.1"): Promise<void> {
  const ref = { jobId, token };
  expect(await backend.get([jobId])).toEqual([undefined]);
  await expectRefused(backend.cancel(jobId), "JOB_NOT_FOUND");
  expect(await backend.replay([jobId])).toEqual([{ outcome: "NOT_FOUND" }]);
  expect(await backend.remove([jobId], ["DEAD"])).toEqual([{ outcome: "NOT_FOUND" }]);
  expect(await backend.complete([{ ...ref, result: undefined }])).toEqual([{ outcome: "LEASE_LOST" }]);
  expect(await backend.fail([{ ...ref, error: "", retry: "NEVER", jitter: 0 }])).toEqual([{ outcome: "LEASE_LOST" }]);
  expect(await backend.release([ref])).toEqual([{ outcome: "LEASE_LOST" }]);
  expect(await backend.extend([ref])).toEqual([{ outcome: "LEASE_LOST", expiresInMs: 0 }]);
}

/** An id says in which queue its job is. */
export function describeIds(open: Open): void {
  describe("ids", () => {
    test("name the queue of their job, and each job is found by its own only", async () => {
      const { backend } = await open();
      for (const name of ["a", "b"]) await createQueue(backend, name);
      const ids = await add(backend, {}, { queue: "a" }, { queue: "b" }, { queue: "a" });
      const found = await backend.get(ids);
      expect(found.map((job) => [job?.id, job?.queue])).toEqual([
        [numberOf(ids[0] ?? ""), "default"],
        [`${numberOf(ids[1] ?? "")}@a`, "a"],
        [`${numberOf(ids[2] ?? "")}@b`, "b"],
        [`${numberOf(ids[3] ?? "")}@a`, "a"],
      ]);
      const [first = "", second = ""] = ids;
      for (const queue of ["a", "b", "nowhere"]) await expectNone(backend, jobIdOf(queue, numberOf(first)));
      for (const queue of ["default", "b", "nowhere"]) await expectNone(backend, jobIdOf(queue, numberOf(second)));
    });

    test("of jobs of several queues are worked on together, in the order they were given", async () => {
      const { backend } = await open();
      for (const name of ["a", "b"]) await createQueue(backend, name);
      const dead = [
        await addDead(backend, { queue: "a" }),
        await addDead(backend),
        await addDead(backend, { queue: "b" }),
      ];
      const waiting = await addOne(backend, { queue: "b" });
      const rows = await backend.replay([dead[2] ?? "", "1@nowhere", waiting, dead[0] ?? "", dead[1] ?? ""]);
      expect(rows.map(({ outcome }) => outcome)).toEqual(["APPLIED", "NOT_FOUND", "CONFLICT", "APPLIED", "APPLIED"]);
      expect(rows.map((row) => (row.outcome === "APPLIED" ? row.job?.id : ""))).toEqual([
        dead[2],
        "",
        "",
        dead[0],
        dead[1],
      ]);
    });

    test("of a queue that was deleted and made again find nothing", async () => {
      const { backend } = await open();
      await createQueue(backend, "q");
      const waiting = await addOne(backend, { queue: "q", type: "later" });
      await addOne(backend, { queue: "q" });
      const { job, token } = await leaseOne(backend, { queues: ["q"] });
      await backend.deleteQueue("q", true);
      for (const id of [waiting, job.id]) await expectNone(backend, id, token);
      await createQueue(backend, "q");
      const fresh = await addOne(backend, { queue: "q" });
      for (const id of [waiting, job.id]) await expectNone(backend, id, token);
      expect((await backend.get([fresh]))[0]?.id).toBe(fresh);
    });
  });
}
