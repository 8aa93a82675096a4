import { setTimeout } from "node:timers/promises";
import { createClient, createWorker } from "gotaskq/client";
import { within } from "../../support/wait.js";
import { bullMqVersion, openBullMq } from "../bullmq.js";
import { check, type Figure, quantile, report } from "../figures.js";
import { loadFrom, newPayload } from "../load.js";
import { type BenchProcess, startProgram, startServerProcess } from "../processes.js";
import { startBenchRedis } from "../redis.js";

// No-op jobs through one TypeScript worker in a process of its own, against a server in another: from the moment the
// queue is resumed until the server has answered the last outcome. BullMQ's own worker runs on the same Redis, in this
// process. Both run jobs before those that are measured: programs become fast only while they run. Also, how soon an idle worker starts a job: from the call that creates it to the first line of its handler.

const JOBS = { memory: 60_000, redis: 30_000 };
const WARM_UP_JOBS = 10_000;
const BATCH = 1000;
const CONCURRENCY = 100;
const PREFETCH = 400;
const BULLMQ_SLOTS = [50, 100, 200];

const PICKUPS = 1000;
const WARM_UP = 500;
const IDLE_MS = 2;

type Environment = Readonly<Record<string, string>>;

/** Returns jobs per second. */
async function throughput(env: Environment, jobs: number): Promise<number> {
  const server = await startServerProcess({ NUM_WORKERS: "0", ...env });
  const client = createClient(server.url);
  const worker = startProgram("worker-process", [], {
    SERVER_URL: server.url,
    JOBS: `${WARM_UP_JOBS},${WARM_UP_JOBS + jobs}`,
    CONCURRENCY: String(CONCURRENCY),
    PREFETCH: String(PREFETCH),
  });
  try {
    await worker.line(/^ready$/);
    await secondsOf(client, worker, WARM_UP_JOBS);
    const seconds = await secondsOf(client, worker, jobs);
    const { stats } = await client.queues.get("default");
    const made = WARM_UP_JOBS + jobs;
    check(stats.done === made && stats.ready === 0, `${stats.done} jobs are done, not ${made}`);
    return jobs / seconds;
  } finally {
    await worker.end();
    client.close();
    await server.end();
  }
}

/** How long the worker takes for so many jobs that wait for it. */
async function secondsOf(client: ReturnType<typeof createClient>, worker: BenchProcess, jobs: number): Promise<number> {
  await client.queues.pause("default");
  for (let made = 0; made < jobs; made += BATCH) {
    const request = () => ({ type: "noop", payload: newPayload(), requestId: "" });
    await client.createBatch(Array.from({ length: BATCH }, request));
  }
  const settled = worker.line(/^settled$/);
  const start = performance.now();
  await client.queues.resume("default");
  await within(settled, `the last of ${jobs} jobs`, 60_000);
  return (performance.now() - start) / 1000;
}

/** Returns latencies in ms. There is one job at a time, and a pause between the end of a job and the next. */
async function pickUp(env: Environment): Promise<number[]> {
  const server = await startServerProcess({ NUM_WORKERS: "0", ...env });
  const client = createClient(server.url);
  let startedAt = 0;
  let ran = () => {};
  const worker = createWorker({
    url: server.url,
    handlers: {
      noop() {
        startedAt = performance.now();
        ran();
      },
    },
  });
  const latencies: number[] = [];
  try {
    await worker.start();
    for (let made = 0; made < PICKUPS + WARM_UP; made++) {
      await setTimeout(IDLE_MS);
      const hasRun = new Promise<void>((resolve) => {
        ran = resolve;
      });
      const createdAt = performance.now();
      await within(Promise.all([client.create({ type: "noop" }), hasRun]), "the run of a job");
      if (made >= WARM_UP) latencies.push(startedAt - createdAt);
    }
    check(Math.min(...latencies) > 0, "a handler started before its job was created");
  } finally {
    await worker.stop();
    client.close();
    await server.end();
  }
  return latencies;
}

function pickUpFigures(name: string, latencies: readonly number[]): Figure[] {
  return [
    { name: `${name}: idle pick-up, p50 (wanted: under 5)`, value: quantile(latencies, 0.5), unit: "ms" },
    { name: `${name}: idle pick-up, p99 (wanted: under 15)`, value: quantile(latencies, 0.99), unit: "ms" },
  ];
}

const redis = await startBenchRedis();
try {
  const onRedis = { USE_REDIS: "true", REDIS_URL: redis.url };

  async function bullMq(slots: number): Promise<number> {
    await redis.flush();
    const contender = await openBullMq(redis, slots);
    try {
      await loadFrom(4, (WARM_UP_JOBS + JOBS.redis) / 100, () => contender.createBatch(100));
      const isWarm = contender.done(WARM_UP_JOBS);
      await contender.work();
      await within(isWarm, `the last of ${WARM_UP_JOBS} jobs`, 60_000);
      const start = performance.now();
      await within(contender.done(WARM_UP_JOBS + JOBS.redis), `the last of ${JOBS.redis} jobs`, 60_000);
      return JOBS.redis / ((performance.now() - start) / 1000);
    } finally {
      await contender.close();
    }
  }

  const memory = await throughput({}, JOBS.memory);
  const ours = await throughput(onRedis, JOBS.redis);
  let theirs = 0;
  for (const slots of BULLMQ_SLOTS) theirs = Math.max(theirs, await bullMq(slots));
  await redis.flush();
  const figures: Figure[] = [
    { name: "memory: no-op jobs by one worker (wanted: 15,000)", value: memory, unit: "jobs/s" },
    { name: "Redis: no-op jobs by one worker (wanted: 10,000)", value: ours, unit: "jobs/s" },
    { name: "BullMQ: no-op jobs by its own worker", value: theirs, unit: "jobs/s" },
    { name: "memory against BullMQ", value: memory / theirs, unit: "x" },
    { name: "Redis against BullMQ", value: ours / theirs, unit: "x" },
    ...pickUpFigures("memory", await pickUp({})),
    ...pickUpFigures("Redis", await pickUp(onRedis)),
  ];
  report(figures, `Redis ${redis.version}, BullMQ ${bullMqVersion}`);
} finally {
  await redis.dispose();
}
