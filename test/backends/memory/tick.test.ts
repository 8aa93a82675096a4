import { expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";
import { statsOf } from "../contract/support.js";

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

test("a new limit of keys is obeyed a part at once, and in ticks for the rest; no lease comes before it", async () => {
  const backend = createMemoryBackend({ clock: new FakeClock(), random: () => 0.5 });
  const request = { queues: ["default"], types: ["echo"], leaseMs: 600_000, worker: "w" };
  const jobs = Array.from({ length: 7500 }, (_, at) => newJob({ key: `key-${at % 2500}` }));
  for (let from = 0; from < jobs.length; from += 500) await backend.enqueue(jobs.slice(from, from + 500));
  const seen: number[] = [];
  const set = async (maxConcurrencyPerKey: number) => {
    await backend.updateQueue("default", { maxConcurrencyPerKey });
    for (let left = 4; left > 0; left--) {
      seen.push((await statsOf(backend)).limited);
      if ((await backend.tick()).nextInMs !== 0) break;
    }
    return (await statsOf(backend)).limited;
  };
  expect(await backend.lease({ ...request, max: 2500 })).toHaveLength(2500);
  expect(await set(1)).toBe(5000);
  expect(await set(2)).toBe(0);
  expect(await backend.lease({ ...request, max: 2500 })).toHaveLength(2500);
  expect(seen).toEqual([2000, 4000, 3000, 1000]);
  expect(await set(3)).toBe(0);
  // A lease that comes before the ticks gives nobody more than the new limit, either.
  await backend.updateQueue("default", { maxConcurrencyPerKey: 1 });
  expect(await backend.lease({ ...request, max: 10 })).toEqual([]);
});
