import { setTimeout } from "node:timers/promises";
import { createClient } from "gotaskq/client";
import { eventually } from "../support/wait.js";
import { cpuOfRedis, cpuOfServer } from "./cpu.js";
import { check, median } from "./figures.js";
import { loadFrom, newPayload } from "./load.js";
import { startServerProcess } from "./processes.js";
import type { BenchRedis } from "./redis.js";

/** µs of CPU for each job, of all servers and of Redis. */
export interface FleetCost {
  /** When as many wait as the servers can take. */
  readonly fullSpeed: number;
  /** When 2,000 are created each second. */
  readonly steady: number;
}

/** What a job costs one server, and how many times that others: medians of the rounds. */
export interface FleetCosts {
  readonly one: FleetCost;
  /** Three servers that share their jobs, to one. */
  readonly three: FleetCost;
  /** The same, to three that have the same work on the same Redis but nothing in common: what it costs to share. */
  readonly sharing: FleetCost;
}

const WAITING = 10_000;
const BATCH = 500;

/** The steady load: so many jobs in each call, by turns at all servers, a call each so many ms. */
const STEADY_JOBS = 4;
const STEADY_MS = 2;
const STEADY_CALLS = 500;

/** Calls of that kind that each server answers before anything is measured: its code is compiled by then. */
const WARM_UP = 1000;
const CALLERS = 16;

/** How often each fleet has its turn. */
const ROUNDS = 7;

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

/** Servers at work. */
interface Fleet {
  /** Has them all compile their code. */
  warmUp(): Promise<void>;
  readonly measure: Readonly<Record<keyof FleetCost, () => Promise<number>>>;
  end(): Promise<void>;
}

/** Starts a server for each prefix: those with the same one share their jobs. */
async function openFleet(redis: BenchRedis, prefixes: readonly string[]): Promise<Fleet> {
  const env = { USE_REDIS: "true", REDIS_URL: redis.url, NUM_WORKERS: "50", MAX_COMPLETED_JOBS: "1000000" };
  const servers = await Promise.all(
    prefixes.map((prefix) => startServerProcess({ ...env, REDIS_PREFIX: `fleet-${prefix}` })),
  );
  const clients = servers.map(({ url }) => createClient(url));
  /** A client for each prefix. */
  const stores = clients.filter((_, at) => prefixes.indexOf(prefixes[at] ?? "") === at);

  /** Creates jobs at one of the servers, by turns. */
  async function create(turn: number, count: number): Promise<void> {
    await clients[turn % clients.length]?.createBatch(jobs(count));
  }

  async function done(): Promise<void> {
    for (const { queues } of stores) {
      const areDone = async () => {
        const { ready, running } = (await queues.get("default")).stats;
        return ready + running === 0 || undefined;
      };
      await eventually(areDone, "all jobs", 60_000);
    }
  }

  async function cpu(): Promise<number> {
    const used = await Promise.all([cpuOfRedis(redis), ...servers.map(({ url }) => cpuOfServer(url))]);
    return used.reduce((sum, each) => sum + each, 0);
  }

  async function fullSpeed(): Promise<number> {
    await Promise.all(stores.map(({ queues }) => queues.pause("default")));
    for (let call = 0; call < WAITING / BATCH; call++) await create(call, BATCH);
    const before = await cpu();
    await Promise.all(stores.map(({ queues }) => queues.resume("default")));
    await done();
    return (((await cpu()) - before) * 1e6) / WAITING;
  }

  async function steady(): Promise<number> {
    const before = await cpu();
    const calls: Promise<void>[] = [];
    const start = performance.now();
    for (let call = 0; call < STEADY_CALLS; call++) {
      const early = start + call * STEADY_MS - performance.now();
      if (early > 0) await setTimeout(early);
      calls.push(create(call, STEADY_JOBS));
    }
    await Promise.all(calls);
    await done();
    return (((await cpu()) - before) * 1e6) / (STEADY_CALLS * STEADY_JOBS);
  }

  return {
    async warmUp() {
      let call = 0;
      await loadFrom(CALLERS, WARM_UP * clients.length, () => create(call++, STEADY_JOBS));
      await done();
      for (let at = 0; at < clients.length; at++) await fullSpeed();
    },
    measure: { fullSpeed, steady },
    async end() {
      for (const each of clients) each.close();
      await Promise.all(servers.map((server) => server.end()));
    },
  };
}

/** Runs jobs on one server, on three that share them, and on three that do not, by turns: so other programs disturb them alike. */
export async function costOfFleets(redis: BenchRedis): Promise<FleetCosts> {
  await redis.flush();
  const fleets: Fleet[] = [];
  const costs = { fullSpeed: [] as number[][], steady: [] as number[][] };
  try {
    for (const prefixes of [["one"], ["all", "all", "all"], ["a", "b", "c"]]) {
      const fleet = await openFleet(redis, prefixes);
      fleets.push(fleet);
      await fleet.warmUp();
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const load of ["fullSpeed", "steady"] as const) {
        const found: number[] = [];
        for (const at of round % 2 === 0 ? [0, 1, 2] : [2, 1, 0]) found[at] = (await fleets[at]?.measure[load]()) ?? 0;
        costs[load].push(found);
      }
    }
  } finally {
    for (const fleet of fleets) await fleet.end();
  }
  const of = (value: (found: readonly number[]) => number): FleetCost => ({
    fullSpeed: median(costs.fullSpeed.map(value)),
    steady: median(costs.steady.map(value)),
  });
  return {
    one: of(([one = 0]) => one),
    three: of(([one = 0, three = 0]) => three / one),
    sharing: of(([, three = 0, apart = 0]) => three / apart),
  };
}
