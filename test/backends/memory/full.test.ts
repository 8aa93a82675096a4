import { expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";

const LEASE = { queues: ["default"], types: ["echo"], max: 1, leaseMs: 1000, worker: "w" };

function open() {
  const memory = { isFull: false };
  const deps = { clock: new FakeClock(), random: () => 0.5, isFull: () => memory.isFull };
  return { memory, backend: createMemoryBackend(deps, { changeLogSize: 10_000 }) };
}

test("a full memory takes no more jobs, and says so", async () => {
  const { memory, backend } = open();
  memory.isFull = true;
  await expect(backend.enqueue([newJob()])).rejects.toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: 1000 });
  memory.isFull = false;
  expect(await backend.enqueue([newJob()])).toHaveLength(1);
});

test("a full memory keeps the beginning of the last error only, and the job goes on", async () => {
  const { memory, backend } = open();
  await backend.enqueue([newJob({ backoff: { baseDelayMs: 0, maxDelayMs: 0 } })]);
  const failOnce = async () => {
    const [lease] = await backend.lease(LEASE);
    if (lease === undefined) throw new Error("no lease");
    const ref = { jobId: lease.job.id, token: lease.token };
    await backend.fail([{ ...ref, error: "x".repeat(4096), retry: "DEFAULT", jitter: 0 }]);
    const [job] = await backend.get([lease.job.id]);
    return [job?.error.length, job?.attemptErrors.map(({ error }) => error.length)];
  };
  expect(await failOnce()).toEqual([4096, [512]]);
  expect(await failOnce()).toEqual([4096, [512, 512]]);
  memory.isFull = true;
  expect(await failOnce()).toEqual([256, [256]]);
});

test("the change log does not grow while the memory is full", async () => {
  const { memory, backend } = open();
  const start = await backend.head();
  const add = () => backend.enqueue(Array.from({ length: 1000 }, () => newJob()));
  await add();
  await add();
  expect((await backend.read(start, 10_000, {})).entries).toHaveLength(2000);
  memory.isFull = true;
  const { entries } = await backend.read(start, 10_000, {});
  for (const { jobId } of entries.map(({ change }) => change)) await backend.cancel(jobId);
  await expect(backend.read(start, 10, {})).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
  const kept = await backend.read(entries.at(-1)?.cursor ?? "", 10_000, {});
  expect(kept.entries.map(({ change }) => change.status)).toEqual(Array(2000).fill("CANCELED"));
});
