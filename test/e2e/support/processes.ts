import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { readExposition } from "../../support/exposition.js";
import { processesOf } from "../../support/process-tree.js";
import { startRedis, type UsableRedis } from "../../support/redis.js";
import { type Clients, createClients } from "../../support/server.js";
import { type ServerProcess, spawnServer, startServerProcess } from "../../support/server-process.js";
import { GRPC } from "../../support/transports.js";
import { eventually, within } from "../../support/wait.js";
import { http1 } from "../../support/wire.js";

/** How long processes may take to start, ms, on a machine that is busy with others. */
export const START_MS = 30_000;

/** One connection to each of the processes, by the node id of the process. */
export async function toEach(url: string): Promise<ReadonlyMap<number, Clients>> {
  const found = new Map<number, Clients>();
  return eventually(
    async () => {
      const clients = createClients(GRPC, url);
      found.set((await clients.info.getServerInfo({})).nodeId, clients);
      return found.size === 2 ? found : undefined;
    },
    "a connection to each process",
    START_MS,
  );
}

/** The page of metrics, which must be as Prometheus reads it. */
export async function metrics(url: string): Promise<string> {
  const body = await (await fetch(`${url}/metrics`)).text();
  expect(readExposition(body).problems).toEqual([]);
  return body;
}

/** Its built-in workers: one a process, whose id is in its name. */
export async function builtIn({ info }: Clients) {
  const { workers } = await info.listWorkers({});
  return workers.map(({ id, name, capacity }) => ({ id, capacity, pid: Number(name.split("/").at(-1)) }));
}

/** The id of the process that keeps the jobs of a server. */
export function storeOf({ child }: ServerProcess): number {
  const { store } = processesOf(child.pid ?? 0);
  if (store === undefined) throw new Error("no process keeps the jobs");
  return store;
}

/** The status that a probe gets, on a connection of its own. */
export async function ready(url: string): Promise<number> {
  return (await http1(url, { method: "GET", path: "/readyz" })).status;
}

/** Whether there is such a process. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Undoes what the tests set for Redis: the server warns of what does nothing. */
export const NO_REDIS = { USE_REDIS: "", REDIS_URL: "", REDIS_PREFIX: "" };

/** Starts a server that refuses to start. Resolves when it has ended. */
export async function refusedStart(
  env: Readonly<Record<string, string>>,
  folder: string,
): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawnServer(env, folder);
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  const [code] = await within(once(child, "close"), "the end of the server", START_MS);
  return { code, output };
}

/** What the tests of a file share. */
export interface Place {
  readonly redis: UsableRedis;
  /** A folder without a `.env`; `damaged` in it has a file that is no store. */
  readonly folder: string;
  /** Starts a server with two processes on this Redis, with keys of its own. */
  start(name: string, env?: Readonly<Record<string, string>>): Promise<ServerProcess>;
}

/** Gives the tests of a file a place, from their beginning on. */
export function usePlace(): Place {
  let redis: UsableRedis;
  let folder: string;
  beforeAll(async () => {
    redis = await startRedis();
    folder = await mkdtemp(join(tmpdir(), "gotaskq-processes-"));
    await mkdir(join(folder, "damaged"));
    await writeFile(join(folder, "damaged", "gotaskq.db"), "this is no database".repeat(500));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return {
    get redis() {
      return redis;
    },
    get folder() {
      return folder;
    },
    start(name, env = {}) {
      const place = { USE_REDIS: "true", REDIS_URL: redis.url, REDIS_PREFIX: name };
      return startServerProcess({ ...place, PROCESSES: "2", ...env }, folder);
    },
  };
}
