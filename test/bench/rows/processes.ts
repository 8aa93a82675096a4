import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "gotaskq/client";
import { processesOf } from "../../support/process-tree.js";
import { eventually } from "../../support/wait.js";
import { cpuOfProcess, cpuOfRedis } from "../cpu.js";
import { check, type Figure, report } from "../figures.js";
import { h2load, installH2load } from "../h2load.js";
import { newPayload } from "../load.js";
import { startServerProcess } from "../processes.js";
import { startBenchRedis } from "../redis.js";

// One job per call over HTTP/1.1, from 64 connections, created and run by a server with one process and by one with several, in each
// place. Rates depend on the cores that are there. How many serving processes one store can carry is told by the CPU that it
// takes for a job: with 20 us it is 50,000 jobs a second.

const PROCESSES = Number(process.env.PROCESSES ?? 2);
const JOBS = 30_000;
/** Jobs before anything is measured: the code of all processes is compiled by then. */
const WARM_UP = 30_000;
const BODY = Buffer.from(JSON.stringify({ type: "echo", payload: newPayload() }));

/** Seconds of CPU, by who used them. */
interface Used {
  readonly serving: number;
  readonly store: number;
  readonly redis: number;
}

const redis = await startBenchRedis();
const folders: string[] = [];

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-bench-"));
  folders.push(folder);
  return folder;
}

const PLACES: readonly (readonly [name: string, env: () => Readonly<Record<string, string>>])[] = [
  ["memory", () => ({})],
  ["file", () => ({ DATA_DIR: newFolder() })],
  ["Redis", () => ({ USE_REDIS: "true", REDIS_URL: redis.url })],
];

/** What a server and the processes that it has started have used, and Redis. */
async function usedBy(pid: number, isOnRedis: boolean): Promise<Used> {
  const { store, serving } = processesOf(pid);
  return {
    serving: [pid, ...serving].reduce((sum, each) => sum + cpuOfProcess(each), 0),
    store: store === undefined ? 0 : cpuOfProcess(store),
    redis: isOnRedis ? await cpuOfRedis(redis) : 0,
  };
}

async function measure(place: string, env: Readonly<Record<string, string>>, processes: number): Promise<Figure[]> {
  const server = await startServerProcess({
    ...{ PROCESSES: String(processes), NUM_WORKERS: "100", MAX_COMPLETED_JOBS: "1000000", ...env },
  });
  const client = createClient(server.url);
  const url = `${server.url}/gotaskq.v1.JobService/CreateJob`;
  let made = 0;
  const run = async (jobs: number) => {
    await h2load({ url, contentType: "application/json", body: BODY, isHttp2: false, requests: jobs });
    made += jobs;
    const areDone = async () => (await client.queues.get("default")).stats.done === made || undefined;
    await eventually(areDone, `the end of ${jobs} jobs`, 60_000);
  };
  try {
    await run(WARM_UP);
    const pid = server.child.pid ?? 0;
    const isOnRedis = env.USE_REDIS !== undefined;
    const [before, start] = [await usedBy(pid, isOnRedis), performance.now()];
    await run(JOBS);
    const [after, seconds] = [await usedBy(pid, isOnRedis), (performance.now() - start) / 1000];
    check(processes === 1 || after.serving > before.serving, "there is no /proc to read the CPU of processes from");
    const name = `${place}, ${processes} ${processes === 1 ? "process" : "processes"}`;
    const costs = (["serving", "store", "redis"] as const)
      .map((who) => ({ who, value: ((after[who] - before[who]) / JOBS) * 1e6 }))
      .filter(({ value }) => value > 0);
    return [
      { name: `${name}: created and run`, value: JOBS / seconds, unit: "jobs/s" },
      ...costs.map(({ who, value }) => ({ name: `${name}: CPU, ${who}`, value, unit: "us/job" })),
      { name: `${name}: CPU, all`, value: costs.reduce((sum, { value }) => sum + value, 0), unit: "us/job" },
    ];
  } finally {
    client.close();
    await server.end();
  }
}

installH2load();
const figures: Figure[] = [];
try {
  for (const [place, env] of PLACES) {
    for (const processes of [1, PROCESSES]) {
      await redis.flush();
      figures.push(...(await measure(place, env(), processes)));
    }
  }
  report(figures, `Redis ${redis.version}`);
} finally {
  await redis.dispose();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
