import { fileURLToPath } from "node:url";
import { createTaskQueue, type HandlerRunner, isolateHandlers } from "gotaskq";
import { createClient } from "gotaskq/client";
import { check, type Figure, quantile, report } from "../figures.js";
import handlers from "../isolation-handlers.js";
import { startServerProcess } from "../processes.js";

// What it costs to run handlers in threads or child processes, and how long a call waits beside handlers that compute: two at a
// time, 20 ms each.

const MODULE = fileURLToPath(new URL("../isolation-handlers.js", import.meta.url));
const SLOTS = 4;
const CALLS = 100;
const ISOLATIONS = ["none", "threads", "processes"] as const;

type Isolation = (typeof ISOLATIONS)[number];

/** No-op jobs a second, created in batches and run in `SLOTS` places. */
async function throughput(isolation: Isolation, jobs: number): Promise<number> {
  const runner: HandlerRunner | undefined =
    isolation === "none" ? undefined : await isolateHandlers(MODULE, { isolation, size: SLOTS });
  const queue = createTaskQueue({
    numWorkers: SLOTS,
    maxCompletedJobs: 2 * jobs,
    ...(runner ? { runner } : { handlers }),
  });
  await queue.start();
  const run = async () => {
    for (let made = 0; made < jobs; made += 1000) {
      await queue.createBatch(Array.from({ length: 1000 }, () => ({ type: "noop" })));
    }
    while ((await queue.count({ statuses: ["PENDING", "RUNNING"] })).count > 0) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await run();
  const start = performance.now();
  await run();
  const seconds = (performance.now() - start) / 1000;
  const { stats } = await queue.queues.get("default");
  check(stats.done === 2 * jobs, `${stats.done} jobs are done, not ${2 * jobs}`);
  await queue.stop();
  return jobs / seconds;
}

/** Latencies of calls, ms, one after the other, while there are always jobs that compute. */
async function latencies(isolation: Isolation): Promise<number[]> {
  const server = await startServerProcess({ HANDLERS: MODULE, HANDLERS_ISOLATION: isolation, NUM_WORKERS: "2" });
  const client = createClient(server.url);
  const measured: number[] = [];
  await client.createBatch(Array.from({ length: 1000 }, () => ({ type: "busy" })));
  for (let call = 0; call < CALLS; call++) {
    const start = performance.now();
    await client.queues.get("default");
    measured.push(performance.now() - start);
  }
  const { stats } = await client.queues.get("default");
  check(stats.ready > 0 && stats.done > 0, `${stats.done} jobs are done, and ${stats.ready} wait`);
  client.close();
  await server.end();
  return measured;
}

const figures: Figure[] = [];
for (const isolation of ISOLATIONS) {
  const value = await throughput(isolation, isolation === "none" ? 100_000 : 10_000);
  figures.push({ name: `no-op jobs, ${isolation}`, value, unit: "jobs/s" });
}
for (const isolation of ISOLATIONS) {
  const measured = await latencies(isolation);
  figures.push({ name: `a call beside busy handlers, ${isolation}, p50`, value: quantile(measured, 0.5), unit: "ms" });
  figures.push({ name: `a call beside busy handlers, ${isolation}, p99`, value: quantile(measured, 0.99), unit: "ms" });
}
report(figures);
