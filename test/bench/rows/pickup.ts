import { setTimeout } from "node:timers/promises";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { createRedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { silentObserver } from "../../../src/core/observer.js";
import { DEFAULT_QUEUE } from "../../../src/model/queue/queue.js";
import { within } from "../../support/wait.js";
import { createBenchEngine } from "../engine.js";
import { check, type Figure, quantile, report } from "../figures.js";
import { startBenchRedis } from "../redis.js";

// How soon an idle server starts a job: from the call that creates it to the first line of its handler. There is one
// job at a time, and a pause between the end of a job and the next.

const JOBS = 2000;
const WARM_UP = 200;
const IDLE_MS = 2;

type MakeBackend = Parameters<typeof createBenchEngine>[0];

/**
 * Measures latencies in ms. The jobs are created on the server that runs them, or on another one with the same store.
 */
async function measure(makeBackend: MakeBackend, on: "the same server" | "another server"): Promise<number[]> {
  let startedAt = 0;
  let settled = () => {};
  const runner = createBenchEngine(makeBackend, {
    numWorkers: 10,
    handlers: {
      noop() {
        startedAt = performance.now();
      },
    },
    observer: { ...silentObserver, settled: () => settled() },
  });
  await runner.start();
  const creator = on === "the same server" ? runner : createBenchEngine(makeBackend);
  // Starting twice does no harm.
  await creator.start();
  const latencies: number[] = [];
  try {
    for (let made = 0; made < JOBS + WARM_UP; made++) {
      await setTimeout(IDLE_MS);
      const isSettled = new Promise<void>((resolve) => {
        settled = resolve;
      });
      const createdAt = performance.now();
      const created = creator.jobs.create({ type: "noop", payload: "null" });
      await within(Promise.all([created, isSettled]), "the run of a job");
      if (made >= WARM_UP) latencies.push(startedAt - createdAt);
    }
    const { stats } = await runner.queues.get(DEFAULT_QUEUE);
    check(stats.done === JOBS + WARM_UP, `${stats.done} jobs are done, not ${JOBS + WARM_UP}`);
    check(Math.min(...latencies) > 0, "a handler started before its job was created");
  } finally {
    await creator.stop(10_000);
    await runner.stop(10_000);
  }
  return latencies;
}

function figures(name: string, latencies: readonly number[]): Figure[] {
  return [
    { name: `${name}, p50`, value: quantile(latencies, 0.5), unit: "ms" },
    { name: `${name}, p99`, value: quantile(latencies, 0.99), unit: "ms" },
  ];
}

const memory = await measure((deps) => createMemoryBackend(deps), "the same server");
const redis = await startBenchRedis();
try {
  const onRedis: MakeBackend = (deps) => createRedisBackend(deps, { url: redis.url });
  const same = await measure(onRedis, "the same server");
  await redis.flush();
  const another = await measure(onRedis, "another server");
  report(
    [...figures("memory", memory), ...figures("Redis", same), ...figures("Redis, created on another server", another)],
    `Redis ${redis.version}`,
  );
} finally {
  await redis.dispose();
}
