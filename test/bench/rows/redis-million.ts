import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import type { Engine } from "../../../src/core/engine.js";
import { startRedis } from "../../support/redis-server.js";
import { createBenchEngine } from "../engine.js";
import { check, type Figure, median, report } from "../figures.js";
import { newPayload } from "../load.js";

// One million waiting jobs of 100 bytes in Redis: the memory they take there, and what a job costs then, against a
// thousand.

const MANY = 1_000_000;
const FEW = 1000;
const SLICES = 40;
const ALONE = 50;
const BATCH = 1000;
const LOADERS = 4;

const server = await startRedis();
const admin = server.client();

const job = () => ({ type: "noop", payload: JSON.stringify(newPayload()) });
const batch = () => Array.from({ length: BATCH }, job);

/** Bytes that Redis uses for its data, including what its allocator cannot give to anything else. */
async function usedMemory(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await admin.info("memory"))?.[1]);
}

/**
 * Opens an engine on an empty Redis and creates `count` jobs. What is kept of the change log counts as part of the
 * jobs.
 */
async function fill(count: number): Promise<{ engine: Engine; bytesPerJob: number }> {
  await admin.flushall("SYNC");
  const empty = await usedMemory();
  const engine = createBenchEngine((deps) => createRedisBackend(deps, { url: server.url }));
  await engine.start();
  let left = count;
  await Promise.all(
    Array.from({ length: LOADERS }, async () => {
      for (left -= BATCH; left >= 0; left -= BATCH) await engine.jobs.createBatch(batch());
    }),
  );
  const { stats } = await engine.queues.get("default");
  check(stats.ready === count, `${stats.ready} jobs wait, not ${count}`);
  return { engine, bytesPerJob: ((await usedMemory()) - empty) / count };
}

/** Leases `max` jobs and completes them. */
async function run(engine: Engine, max: number): Promise<void> {
  const leases = await engine.leasing.lease({
    queues: ["default"],
    types: ["noop"],
    max,
    leaseMs: 30_000,
    worker: "bench",
  });
  check(leases.length === max, `${leases.length} jobs were leased, not ${max}`);
  await engine.leasing.complete(leases.map(({ job: { id }, token }) => ({ jobId: id, token, result: undefined })));
}

/** Microseconds per job at a constant number of waiting jobs, one by one and in batches: medians of slices. */
async function costs(engine: Engine) {
  const us: Record<"create" | "run" | "createBatch" | "runBatch", number[]> = {
    create: [],
    run: [],
    createBatch: [],
    runBatch: [],
  };
  const time = async (into: number[], jobs: number, work: () => Promise<unknown>) => {
    const start = performance.now();
    await work();
    into.push(((performance.now() - start) * 1000) / jobs);
  };
  for (let slice = 0; slice < SLICES; slice++) {
    await time(us.create, ALONE, async () => {
      for (let n = 0; n < ALONE; n++) await engine.jobs.create(job());
    });
    await time(us.run, ALONE, async () => {
      for (let n = 0; n < ALONE; n++) await run(engine, 1);
    });
    const requests = batch();
    await time(us.createBatch, BATCH, () => engine.jobs.createBatch(requests));
    await time(us.runBatch, BATCH, () => run(engine, BATCH));
  }
  return {
    create: median(us.create),
    run: median(us.run),
    createBatch: median(us.createBatch),
    runBatch: median(us.runBatch),
  };
}

async function measure(count: number) {
  const { engine, bytesPerJob } = await fill(count);
  await costs(engine);
  const measured = { bytesPerJob, ...(await costs(engine)) };
  await engine.stop(0);
  return measured;
}

try {
  const small = await measure(FEW);
  const large = await measure(MANY);
  const compare = (name: string, kind: "create" | "run" | "createBatch" | "runBatch"): Figure[] => [
    { name: `${name} at 1,000 waiting`, value: small[kind], unit: "us/job" },
    { name: `${name} at 1,000,000 waiting`, value: large[kind], unit: "us/job" },
    { name: `${name}, 1,000,000 against 1,000`, value: large[kind] / small[kind], unit: "x" },
  ];
  const version = /redis_version:(\S+)/.exec(await admin.info("server"))?.[1] ?? "unknown";
  report(
    [
      { name: "memory of Redis, of 1,000,000 jobs of 100 bytes", value: large.bytesPerJob, unit: "bytes/job" },
      ...compare("create one", "create"),
      ...compare("lease and complete one", "run"),
      ...compare(`create by ${BATCH}`, "createBatch"),
      ...compare(`lease and complete by ${BATCH}`, "runBatch"),
    ],
    `Redis ${version}`,
  );
} finally {
  await server.dispose();
}
