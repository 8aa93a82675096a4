import { expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";

test("a tick is asked for when the next thing is due, and not when nothing is", async () => {
  const clock = new FakeClock();
  const backend = createMemoryBackend({ clock, random: () => 0.5 }, { completeJobTtlMs: 60_000 });
  const next = async () => (await backend.tick()).nextInMs;
  expect(await next()).toBeUndefined();
  await backend.enqueue([newJob({ id: "1" })]);
  expect(await next()).toBeUndefined();
  const [lease] = await backend.lease({ queues: ["default"], types: ["echo"], max: 1, leaseMs: 5000, worker: "w" });
  if (lease === undefined) throw new Error("no lease");
  expect(await next()).toBe(5000);
  await backend.complete([{ jobId: lease.job.id, token: lease.token, result: undefined }]);
  await clock.advance(20_000);
  expect(await next()).toBe(40_000);
  await clock.advance(40_000);
  expect(await next()).toBeUndefined();
  expect(await backend.get([lease.job.id])).toEqual([undefined]);
});
