import { expect, test } from "vitest";
import type { KeptBytes } from "../../../src/backends/memory/kept-bytes.js";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { type Job, jobBytes, type Payload } from "../../../src/model/job/job.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";
import { newSchedule } from "../../support/schedule.js";

const LEASE = { queues: ["default"], types: ["echo"], max: 1, leaseMs: 1000, worker: "w" };

function open() {
  const memory = { isFull: false, kept: { heap: 0, external: 0 } };
  const isFull = (kept: KeptBytes) => {
    memory.kept = { heap: kept.heap, external: kept.external };
    return memory.isFull;
  };
  const deps = { clock: new FakeClock(), random: () => 0.5, isFull };
  return { memory, backend: createMemoryBackend(deps, { changeLogSize: 10_000 }) };
}

/** Creates a job and completes it with this result. Returns it as it is then, if it is kept. */
async function complete(backend: Backend, result: Payload | undefined): Promise<Job | undefined> {
  const [job] = await backend.enqueue([newJob()]);
  return completeNext(backend, job?.id ?? "", result);
}

async function completeNext(backend: Backend, id: string, result: Payload | undefined): Promise<Job | undefined> {
  const [lease] = await backend.lease(LEASE);
  expect(lease?.job.id).toBe(id);
  expect(await backend.complete([{ jobId: id, token: lease?.token ?? "", result }])).toMatchObject([
    { outcome: "APPLIED" },
  ]);
  return (await backend.get([id]))[0];
}

test("a full memory takes no more jobs, and says so", async () => {
  const { memory, backend } = open();
  memory.isFull = true;
  await expect(backend.enqueue([newJob()])).rejects.toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: 1000 });
  memory.isFull = false;
  expect(await backend.enqueue([newJob()])).toHaveLength(1);
});

test("a full memory takes no more schedules and no larger ones, and lets them be paused", async () => {
  const { memory, backend } = open();
  const now = await backend.now();
  const first = newSchedule(now, { nextRunAt: now + 1000 });
  const was = await backend.createSchedule(first);
  memory.isFull = true;
  const full = { reason: "QUEUE_FULL", retryAfterMs: 1000 };
  await expect(backend.createSchedule(newSchedule(now, { name: "other" }))).rejects.toMatchObject(full);
  const spec = { ...first.spec, job: { ...first.spec.job, payload: new Uint8Array(1000) } };
  const larger = { spec, paused: false, nextRunAt: undefined, was };
  await expect(backend.updateSchedule(larger)).rejects.toMatchObject(full);
  expect(await backend.updateSchedule({ ...larger, spec: first.spec, paused: true })).toMatchObject({ paused: true });
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

test("a full memory forgets the oldest finished jobs for a new result; what has no room then is left out", async () => {
  const { memory, backend } = open();
  await backend.createQueue("other", DEFAULT_QUEUE_SETTINGS);
  const waiting = await backend.enqueue(Array.from({ length: 4 }, () => newJob()));
  const first = await addFinished(backend, "other");
  const second = await addFinished(backend, "default");
  const third = await addFinished(backend, "other");
  memory.isFull = true;
  const result = "1".repeat(jobBytes(first) + 1);
  const kept = await completeNext(backend, waiting[0]?.id ?? "", result);
  expect(kept).toMatchObject({ status: "DONE", result, resultDropped: false });
  expect(await backend.get([first.id, second.id, third.id])).toEqual([undefined, undefined, third]);

  const tooLarge = "1".repeat(10_000);
  const dropped = await completeNext(backend, waiting[1]?.id ?? "", tooLarge);
  expect(dropped).toMatchObject({ status: "DONE", result: undefined, resultDropped: true });
  expect(await backend.get([third.id, kept?.id ?? ""])).toEqual([undefined, undefined]);

  const silent = await completeNext(backend, waiting[2]?.id ?? "", undefined);
  expect(silent).toMatchObject({ status: "DONE", result: undefined, resultDropped: false });
  memory.isFull = false;
  expect(await completeNext(backend, waiting[3]?.id ?? "", tooLarge)).toMatchObject({ result: tooLarge });
});

/** Adds a job of this queue that is CANCELED. */
async function addFinished(backend: Backend, queue: string): Promise<Job> {
  const [job] = await backend.enqueue([newJob({ queue, type: "never" })]);
  return backend.cancel(job?.id ?? "");
}

test("what is kept is counted as its jobs come, grow and go", async () => {
  const { memory, backend } = open();
  const expectKept = async (...jobs: (Job | undefined)[]) => {
    await backend.enqueue([]);
    const sizes = jobs.map((job) => (job === undefined ? 0 : jobBytes(job)));
    expect(memory.kept.heap + memory.kept.external).toBe(sizes.reduce((sum, size) => sum + size, 0));
  };
  await expectKept();
  const payload = new Uint8Array(1000);
  const [created] = await backend.enqueue([newJob({ payload, metadata: { tenant: "käse" }, maxRetries: 1 })]);
  const now = async () => (await backend.get([created?.id ?? ""]))[0];
  await expectKept(await now());
  expect(memory.kept.external).toBe(1000);
  for (const error of ["it broke", "x".repeat(4096)]) {
    const [lease] = await backend.lease(LEASE);
    const ref = { jobId: lease?.job.id ?? "", token: lease?.token ?? "" };
    await backend.fail([{ ...ref, error, retry: { afterMs: 0 }, jitter: 0 }]);
    await expectKept(await now());
  }
  expect(await now()).toMatchObject({ status: "DEAD" });
  await backend.replay([created?.id ?? ""]);
  await expectKept(await now());
  const done = await completeNext(backend, created?.id ?? "", new Uint8Array(500));
  await expectKept(done);
  expect(memory.kept.external).toBe(1500);
  const other = await complete(backend, '"done"');
  await expectKept(done, other);
  await backend.remove([done?.id ?? ""], ["DONE"]);
  await expectKept(other);
  await backend.enqueue([newJob(), newJob({ runAfter: 4e12 })]);
  await backend.purge("default");
  await expectKept(other);
  expect(memory.kept.external).toBe(0);
});

test("of the finished jobs of all queues no more bytes are kept than the limit, the oldest go first", async () => {
  const deps = { clock: new FakeClock(), random: () => 0.5 };
  const backend = createMemoryBackend(deps, { maxCompletedBytes: 5000 });
  await backend.createQueue("other", DEFAULT_QUEUE_SETTINGS);
  const jobs = [
    await addFinished(backend, "other"),
    await complete(backend, "1".repeat(1500)),
    await addFinished(backend, "other"),
    await complete(backend, "1".repeat(2000)),
  ];
  const ids = jobs.map((job) => job?.id ?? "");
  expect((await backend.get(ids)).map((job) => job?.status)).toEqual(["CANCELED", "DONE", "CANCELED", "DONE"]);
  const next = await complete(backend, "1".repeat(500));
  expect((await backend.get(ids)).map((job) => job?.status)).toEqual([undefined, "DONE", "CANCELED", "DONE"]);
  await backend.remove([ids[3] ?? ""], ["DONE"]);
  const last = await complete(backend, "1".repeat(1000));
  expect(await backend.get([ids[1] ?? "", ids[2] ?? "", next?.id ?? "", last?.id ?? ""])).not.toContain(undefined);
  expect(await complete(backend, "1".repeat(5000))).toBeUndefined();
});
