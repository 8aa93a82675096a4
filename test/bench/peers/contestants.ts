import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "gotaskq/client";
import { prepareGo } from "../../clients/prepare.js";
import { freePort } from "../../support/free-port.js";
import { childrenOf } from "../../support/process-tree.js";
import { eventually } from "../../support/wait.js";
import { startCommand, startServerProcess } from "../processes.js";
import type { BenchRedis } from "../redis.js";
import { bringFromNpm, bringWithGo, root } from "./bring.js";

/** How many jobs each worker runs at a time. */
export const CONCURRENCY = 100;

/** Jobs that our workers take ahead. */
const PREFETCH = 400;

const BULLMQ = "6.7.0";
const IOREDIS = "6.0.0";
const BUNQUEUE = "2.9.5";
const BUN = "1.4.5";
const ASYNQ = "0.26.0";
const FAKTORY = "1.9.3";

/** A job queue with a client and a worker in some language. */
export interface Contestant {
  readonly name: string;
  /** Whether its client creates several jobs in one call. */
  readonly hasBatch: boolean;
  /** How long its workers take to be ready for jobs once they run, ms. */
  readonly restMs: number;
  /** Brings and builds what it needs. Throws why that is not possible. */
  bring(): Programs;
}

/** What to start. */
export interface Programs {
  /** The command of the client, which does what lines say, as in `drive.ts`. */
  readonly client: readonly string[];
  /** The command of the worker, which does so too, unless its `Service` tells how many jobs it has run. */
  readonly worker: readonly string[];
  /** Starts what client and worker talk to. Redis runs and is empty. */
  serve(redis: BenchRedis): Promise<Service>;
}

/** What client and worker talk to. */
export interface Service {
  /** Tells them where. */
  readonly env: Readonly<Record<string, string>>;
  /** Its processes. */
  readonly server?: number;
  readonly redis?: number;
  /** How many jobs have been run. Not set: the worker tells. */
  ran?(): Promise<number>;
  end(): Promise<void>;
}

type Store = "memory" | "Redis";

/** All that are measured, in the order of the tables. */
export const CONTESTANTS: readonly Contestant[] = [
  { ...contestant("GoTaskQ, memory, TypeScript"), bring: () => ours("memory") },
  { ...contestant("GoTaskQ, memory, Go"), restMs: 1500, bring: () => oursInGo("memory") },
  { ...contestant(`bunqueue ${BUNQUEUE}, memory, Bun`), bring: bunqueue },
  { ...contestant("GoTaskQ, Redis, TypeScript"), bring: () => ours("Redis") },
  { ...contestant("GoTaskQ, Redis, Go"), restMs: 1500, bring: () => oursInGo("Redis") },
  // Each of its workers begins at a random moment of its first 2.2 s.
  { ...contestant(`Faktory ${FAKTORY}, its Redis, Go`), restMs: 2500, bring: faktory },
  { ...contestant("GoTaskQ as a library, Redis, TypeScript"), bring: library },
  { ...contestant(`BullMQ ${BULLMQ}, Redis, Node`), bring: bullMq },
  { ...contestant(`asynq ${ASYNQ}, Redis, Go`), hasBatch: false, bring: asynq },
];

function contestant(name: string) {
  return { name, hasBatch: true, restMs: 500 };
}

function driver(name: string): string {
  return fileURLToPath(new URL(`${name}.js`, import.meta.url));
}

/** The same program, as a client or as a worker. */
function both(...command: readonly string[]): Pick<Programs, "client" | "worker"> {
  return { client: [...command, "client"], worker: [...command, "worker"] };
}

function ours(store: Store): Programs {
  return { ...both(process.execPath, driver("gotaskq")), serve: serveOurs(store) };
}

/** A client as lean as connect-go can be, and the worker that users copy, which answers the payload. */
function oursInGo(store: Store): Programs {
  prepareGo(root);
  const client = bringWithGo("gotaskq");
  const worker = [join(root, "test/clients/go/bin/gotaskq"), "worker"];
  const serve = serveOurs(store);
  return {
    client: [client, "client"],
    worker: [...worker, `--concurrency=${CONCURRENCY}`, `--prefetch=${PREFETCH}`],
    async serve(redis) {
      const service = await serve(redis);
      const watcher = createClient(service.env.GOTASKQ_URL ?? "");
      return {
        ...service,
        ran: async () => (await watcher.queues.get("default")).stats.completed,
        async end() {
          watcher.close();
          await service.end();
        },
      };
    },
  };
}

function serveOurs(store: Store): Programs["serve"] {
  return async (redis) => {
    const onRedis = { USE_REDIS: "true", REDIS_URL: redis.url };
    const { url, child, end } = await startServerProcess({ NUM_WORKERS: "0", ...(store === "Redis" && onRedis) });
    const pids = { server: child.pid ?? 0, ...(store === "Redis" && { redis: redis.pid }) };
    return { env: { GOTASKQ_URL: url, PREFETCH: String(PREFETCH) }, ...pids, end };
  };
}

async function serveRedis({ url, pid }: BenchRedis): Promise<Service> {
  const env = { REDIS_URL: url, REDIS_ADDRESS: new URL(url).host };
  return { env, redis: pid, end: async () => {} };
}

function library(): Programs {
  return { ...both(process.execPath, driver("library")), serve: serveRedis };
}

function bullMq(): Programs {
  const folder = bringFromNpm("bullmq", { bullmq: BULLMQ, ioredis: IOREDIS });
  return { ...both(process.execPath, join(folder, "bullmq.js")), serve: serveRedis };
}

function asynq(): Programs {
  return { ...both(bringWithGo("asynq")), serve: serveRedis };
}

function bunqueue(): Programs {
  const folder = bringFromNpm("bunqueue", { bunqueue: BUNQUEUE, bun: BUN });
  const bun = bunIn(folder);
  return {
    ...both(bun, join(folder, "bunqueue.js")),
    async serve() {
      const [port, webPort] = [await freePort(), await freePort()];
      const ports = ["--host", "127.0.0.1", "--tcp-port", String(port), "--http-port", String(webPort)];
      const server = [bun, join(folder, "node_modules/bunqueue/dist/cli/index.js"), "start", ...ports];
      const { child, end } = startCommand(server, {}, true);
      child.stdout.resume();
      await listens(port);
      return { env: { TCP_PORT: String(port) }, server: child.pid ?? 0, end };
    },
  };
}

/** Bun is in a package for each kind of machine, of which npm brings those that may run here. */
function bunIn(folder: string): string {
  const packages = join(folder, "node_modules/@oven");
  const programs = readdirSync(packages).map((name) => join(packages, name, "bin/bun"));
  const bun = programs.find((program) => spawnSync(program, ["--version"]).status === 0);
  if (bun === undefined) throw new Error("npm has brought no Bun that runs here");
  return bun;
}

function faktory(): Programs {
  const driver = bringWithGo("faktory");
  const server = bringWithGo("faktory", "github.com/contribsys/faktory/cmd/faktory");
  return {
    ...both(driver),
    async serve() {
      const [port, webPort] = [await freePort(), await freePort()];
      const folder = mkdtempSync(join(tmpdir(), "gotaskq-faktory-"));
      const addresses = ["-b", `127.0.0.1:${port}`, "-w", `127.0.0.1:${webPort}`];
      const { child, end } = startCommand([server, ...addresses, "-d", folder, "-c", folder, "-l", "error"], {}, true);
      await listens(port);
      const [redis = 0] = childrenOf(child.pid ?? 0);
      return {
        env: { FAKTORY_URL: `tcp://127.0.0.1:${port}` },
        ...{ server: child.pid ?? 0, redis },
        async end() {
          await end();
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
}

/** Resolves when somebody listens on this port. */
async function listens(port: number): Promise<void> {
  const tried = () =>
    new Promise<true | undefined>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => resolve(true)).once("error", () => resolve(undefined));
      socket.unref();
    });
  await eventually(tried, `a server on port ${port}`);
}
