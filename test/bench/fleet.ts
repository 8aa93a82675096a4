import { setTimeout } from "node:timers/promises";
import { createClient } from "gotaskq/client";
import { eventually } from "../support/wait.js";
import { cpuOfRedis, cpuOfServer } from "./cpu.js";
import { check } from "./figures.js";
import { loadFrom, newPayload } from "./load.js";
import { startServerProcess } from "./processes.js";
import type { BenchRedis } from "./redis.js";

/** What a job costs some servers on one Redis, µs of CPU of them all. */
export interface FleetCost {
  /** When as many wait as they can take. */
  readonly fullSpeed: number;
  /** When 2,000 are created each second. */
  readonly steady: number;
}

const WAITING = 20_000;
const BATCH = 1000;

/** The steady load: so many jobs in each call, by turns at all servers, a call each so many ms. */
const STEADY_JOBS = 4;
const STEADY_MS = 2;
const STEADY_CALLS = 2000;

/** Calls of that kind that each server answers before anything is measured: its code is compiled by then. */
const WARM_UP = 3000;
const CALLERS = 16;

const jobs = (count: number) =>
  Array.from({ length: count }, () => ({ type: "echo", payload: newPayload(), requestId: "" }));

/** Returns how long a server takes from the start of its process until it listens, ms; it must then have so many queues. */
export async function timeToStart(env: Readonly<Record<string, string>>, queues: number): Promise<number> {
  const start = performance.now();
  const server = await startServerProcess(env);
  const ms = performance.now() - start;
  const client = createClient(server.url);
  try {
    const count = (await client.queues.list()).length;
    check(count > queues, `the server has ${count} queues, not ${queues} and the default one`);
  } finally {
    client.close();
    await server.end();
  }
  return ms;
}

/** Runs jobs on this many servers that share an empty Redis. */
export async function costOfFleet(redis: BenchRedis, count: number): Promise<FleetCost> {
  await redis.flush();
  const env = { USE_REDIS: "true", REDIS_URL: redis.url, NUM_WORKERS: "50", MAX_COMPLETED_JOBS: "1000000" };
  const servers = await Promise.all(Array.from({ length: count }, () => startServerProcess(env)));
  const clients = servers.map(({ url }) => createClient(url));
  const [client] = clients;
  if (client === undefined) throw new Error("no server");
  let made = 0;

  const done = (jobs: number) =>
    eventually(async () => (await client.queues.get("default")).stats.done === jobs || undefined, "all jobs", 60_000);

  async function cpu(): Promise<number> {
    const used = await Promise.all([cpuOfRedis(redis), ...servers.map(({ url }) => cpuOfServer(url))]);
    return used.reduce((sum, each) => sum + each, 0);
  }

  async function fullSpeed(): Promise<number> {
    await client?.queues.pause("default");
    for (let left = WAITING; left > 0; left -= BATCH) await client?.createBatch(jobs(BATCH));
    made += WAITING;
    const before = await cpu();
    await client?.queues.resume("default");
    await done(made);
    return (((await cpu()) - before) * 1e6) / WAITING;
  }

  async function steady(): Promise<number> {
    const before = await cpu();
    const calls: Promise<unknown>[] = [];
    const start = performance.now();
    for (let call = 0; call < STEADY_CALLS; call++) {
      const early = start + call * STEADY_MS - performance.now();
      if (early > 0) await setTimeout(early);
      calls.push((clients[call % count] ?? client)?.createBatch(jobs(STEADY_JOBS)) ?? Promise.resolve());
    }
    await Promise.all(calls);
    made += STEADY_CALLS * STEADY_JOBS;
    await done(made);
    return (((await cpu()) - before) * 1e6) / (STEADY_CALLS * STEADY_JOBS);
  }

  async function warmUp(): Promise<void> {
    let call = 0;
    await loadFrom(CALLERS, WARM_UP * count, async () => {
      await clients[call++ % count]?.createBatch(jobs(STEADY_JOBS));
    });
    made += WARM_UP * count * STEADY_JOBS;
    await done(made);
    for (let at = 0; at < count; at++) await fullSpeed();
  }

  try {
    await warmUp();
    return { fullSpeed: await fullSpeed(), steady: await steady() };
  } finally {
    for (const each of clients) each.close();
    await Promise.all(servers.map((server) => server.end()));
  }
}
