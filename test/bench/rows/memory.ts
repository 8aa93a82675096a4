import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { createBenchEngine } from "../engine.js";
import { check, type Figure, median, report } from "../figures.js";

// One million waiting jobs with payloads of 100 bytes: the memory they take, and what a job costs then, against a
// thousand. And the memory that a finished job takes for as long as it is kept.

const MANY = 1_000_000;
const FEW = 1000;
const STEPS = 100_000;
const SLICE = 1000;
const FINISHED = 150_000;
const BATCH = 100;

async function openWith(count: number) {
  const engine = createBenchEngine((deps) => createMemoryBackend(deps));
  await engine.start();
  for (let made = 0; made < count; made += 1000) {
    await engine.jobs.createBatch(Array.from({ length: 1000 }, (_, index) => jobOf(made + index)));
  }
  const [queue] = await engine.backend.queues(["default"]);
  check(queue?.stats.ready === count, `${queue?.stats.ready} jobs wait, not ${count}`);
  return engine;
}

function jobOf(index: number) {
  const payload = JSON.stringify({ text: String(index).padStart(89, "x") });
  check(payload.length === 100, `the payload has ${payload.length} bytes`);
  return { type: "noop", payload };
}

/**
 * Microseconds per create, and per lease with its completion, at a constant number of waiting jobs: medians of slices.
 */
async function costs(engine: Awaited<ReturnType<typeof openWith>>): Promise<{ create: number; lease: number }> {
  const creates: number[] = [];
  const leases: number[] = [];
  for (let step = 0; step < STEPS; step += SLICE) {
    const start = performance.now();
    for (let index = 0; index < SLICE; index++) await engine.jobs.create(jobOf(index));
    const middle = performance.now();
    for (let index = 0; index < SLICE; index++) {
      const request = { queues: ["default"], types: ["noop"], max: 1, leaseMs: 30_000, worker: "bench" };
      const [lease] = await engine.leasing.lease(request);
      check(lease !== undefined, "no job was leased");
      await engine.leasing.complete([{ jobId: lease?.job.id ?? "", token: lease?.token ?? "", result: undefined }]);
    }
    creates.push((middle - start) / SLICE);
    leases.push((performance.now() - middle) / SLICE);
  }
  return { create: median(creates) * 1000, lease: median(leases) * 1000 };
}

/** Measures the costs at this many waiting jobs, and the memory of the process before that. */
async function measure(count: number) {
  const engine = await openWith(count);
  globalThis.gc?.();
  globalThis.gc?.();
  const resident = process.memoryUsage().rss / 2 ** 20;
  await costs(engine);
  const measured = { resident, ...(await costs(engine)) };
  await engine.stop(0);
  return measured;
}

/** Bytes of the heap, and of tables beside it, for a finished job of 100 bytes with a request id, its entries in the change log included. */
async function finishedBytes(): Promise<number> {
  const engine = createBenchEngine((deps) => createMemoryBackend(deps, { maxCompletedJobs: FINISHED * 2 }));
  await engine.start();
  let made = 0;
  // As a client makes request ids: one text, not two that are linked.
  const request = () => ({ ...jobOf(made), requestId: ["auto:3Kd9c0mLx2Qa", (made++).toString(36)].join(".") });
  const finish = async (count: number) => {
    for (let done = 0; done < count; done += BATCH) {
      await engine.jobs.createBatch(Array.from({ length: BATCH }, request));
      const lease = { queues: ["default"], types: ["noop"], max: BATCH, leaseMs: 30_000, worker: "bench" };
      const leases = await engine.leasing.lease(lease);
      const ends = leases.map(({ job, token }) => ({ jobId: job.id, token, result: undefined }));
      const settled = await engine.leasing.complete(ends);
      check(settled.length === BATCH, `${settled.length} jobs are done, not ${BATCH}`);
    }
  };
  const used = () => {
    for (let pass = 0; pass < 3; pass++) globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  await finish(FINISHED / 10);
  const before = used();
  await finish(FINISHED);
  const bytes = (used() - before) / FINISHED;
  await engine.stop(0);
  return bytes;
}

const large = await measure(MANY);
const small = await measure(FEW);
const finished = await finishedBytes();

const figures: Figure[] = [
  { name: "resident with 1,000,000 waiting jobs of 100 bytes", value: large.resident, unit: "MiB" },
  { name: "heap a finished job of 100 bytes with a request id", value: finished / 1000, unit: "KB" },
  { name: "create at 1,000 waiting", value: small.create, unit: "us" },
  { name: "create at 1,000,000 waiting", value: large.create, unit: "us" },
  { name: "create, 1,000,000 against 1,000", value: large.create / small.create, unit: "x" },
  { name: "lease and complete at 1,000 waiting", value: small.lease, unit: "us" },
  { name: "lease and complete at 1,000,000 waiting", value: large.lease, unit: "us" },
  { name: "lease and complete, 1,000,000 against 1,000", value: large.lease / small.lease, unit: "x" },
];
report(figures);
