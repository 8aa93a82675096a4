import { rmSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis, type RedisOptions } from "ioredis";
import type { CertificateFiles } from "./certificates.js";
import { freePort } from "./free-port.js";
import { type RedisAddress, type RedisProcess, startRedisProcess } from "./redis-process.js";

/** Options of `startRedis`. */
export interface StartRedisOptions {
  /** Listens on a free port of the loopback address. Default: on a unix socket. */
  readonly port?: boolean;
  /** Writes an append-only file with this `appendfsync`. Default: nothing is kept on disk. */
  readonly aof?: "always" | "everysec" | "no";
  /** More configuration, as in `["--maxmemory", "10mb"]`. */
  readonly args?: readonly string[];
  /** Listens by TLS too, on a free port of the loopback address, and asks clients for certificates. */
  readonly tls?: RedisTlsFiles;
  /** Content of a configuration file, for what arguments cannot express (Sentinel rewrites its own file). */
  readonly config?: string;
}

/** What a Redis shows, and the authority of those that it lets in. */
export interface RedisTlsFiles extends CertificateFiles {
  readonly ca: string;
}

/** One command that took long. */
export interface SlowCommand {
  readonly ms: number;
  /** The command and its arguments, which Redis cuts when there are many. */
  readonly command: readonly string[];
}

/** A Redis that a test uses, its own or not. */
export interface UsableRedis {
  /** The URL for REDIS_URL: `redis://127.0.0.1:port` or `unix:///path`. */
  readonly url: string;
  /** Opens a new connection, which is closed with the server. Its errors are seen only through its commands. */
  client(options?: RedisOptions): Redis;
  /** Closes the connections for good. If the server is the test's own, ends it and removes its folder. */
  dispose(): Promise<void>;
}

/** A Redis of the test's own. */
export interface RedisServer extends UsableRedis {
  /** The unix socket; undefined on a port. */
  readonly path: string | undefined;
  /** The port on 127.0.0.1; undefined on a unix socket. */
  readonly port: number | undefined;
  readonly address: RedisAddress;
  /** The port of TLS; 0 without one. */
  readonly tlsPort: number;
  /** Its data folder. */
  readonly dir: string;
  /** The id of the process that runs, or ran last. */
  readonly pid: number;
  readonly isRunning: boolean;
  /** Sends a signal. Resolves at once, or when the process has ended if the signal ends it. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends the process in an orderly way. The data stay for a `restart`. Idempotent. */
  stop(): Promise<void>;
  /** Ends the process if it runs, and starts another one with the same data and address. */
  restart(): Promise<void>;
  /** Returns the commands since the start of the process that took longer than `overMs`, which is at least 1. */
  slowlog(overMs: number): Promise<SlowCommand[]>;
}

/** Threshold of the slow log, µs: low enough for any `overMs` from 1 ms. */
const SLOW_US = 1000;

const open = new Set<UsableRedis>();
const folders = new Set<string>();
process.on("exit", () => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true });
});

/** Ends every Redis that this process uses. */
export async function disposeAllRedis(): Promise<void> {
  await Promise.all([...open].map((redis) => redis.dispose()));
}

/** Starts a redis-server of the caller's own and resolves when it answers. It ends with this process at the latest. */
export async function startRedis(options: StartRedisOptions = {}): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), "gotaskq-redis-"));
  folders.add(dir);
  const { address, tlsPort, process: first } = await startSomewhere(dir, options);
  let current = first;
  const connections = connectionsTo({ ...address });
  let admin: Redis | undefined;

  const server: RedisServer = {
    url: "path" in address ? `unix://${address.path}` : `redis://${address.host}:${address.port}`,
    path: "path" in address ? address.path : undefined,
    port: "port" in address ? address.port : undefined,
    address,
    tlsPort,
    dir,
    get pid() {
      return current.pid;
    },
    get isRunning() {
      return current.isRunning;
    },
    client: connections.open,
    kill: (signal) => current.kill(signal),
    stop: () => current.stop(),
    async restart() {
      await current.stop();
      current = await startRedisProcess(await argumentsOf(dir, address, tlsPort, options), address);
    },
    async slowlog(overMs) {
      admin ??= connections.open();
      const entries = (await admin.call("SLOWLOG", "GET", "-1")) as [number, number, number, string[]][];
      return entries
        .map(([, , us, command]) => ({ ms: us / 1000, command }))
        .filter(({ ms }) => ms > Math.max(overMs, SLOW_US / 1000));
    },
    async dispose() {
      open.delete(server);
      connections.close();
      // Nobody reads its data again, so that it need not save them.
      await current.kill("SIGKILL");
      await rm(dir, { recursive: true, force: true });
      folders.delete(dir);
    },
  };
  open.add(server);
  return server;
}

/**
 * Starts a Redis for tests that only use keys of their own and do not control the server: the one at
 * `GOTASKQ_TEST_REDIS_URL` when that is set, otherwise one of the caller's own.
 */
export async function startSharedRedis(options?: StartRedisOptions): Promise<UsableRedis> {
  const url = process.env.GOTASKQ_TEST_REDIS_URL;
  if (!url) return startRedis(options);
  const connections = connectionsTo(url);
  const shared: UsableRedis = {
    url,
    client: connections.open,
    async dispose() {
      open.delete(shared);
      connections.close();
    },
  };
  open.add(shared);
  return shared;
}

/** Another process may take a port between its choice and its use. Then another port is tried. */
async function startSomewhere(
  dir: string,
  options: StartRedisOptions,
): Promise<{ address: RedisAddress; tlsPort: number; process: RedisProcess }> {
  for (let tries = 1; ; tries++) {
    const address = options.port ? { host: "127.0.0.1", port: await freePort() } : { path: join(dir, "redis.sock") };
    const tlsPort = options.tls === undefined ? 0 : await freePort();
    try {
      const args = await argumentsOf(dir, address, tlsPort, options);
      return { address, tlsPort, process: await startRedisProcess(args, address) };
    } catch (error) {
      if (tries < 5 && /address already in use/i.test(String(error))) continue;
      throw error;
    }
  }
}

async function argumentsOf(
  dir: string,
  address: RedisAddress,
  tlsPort: number,
  options: StartRedisOptions,
): Promise<string[]> {
  const { aof, args = [], config, tls } = options;
  const file = join(dir, "redis.conf");
  // At a restart the file is kept: Redis itself may have changed it.
  if (config !== undefined) await writeFile(file, config, { flag: "wx" }).catch(() => {});
  const where =
    "path" in address
      ? ["--port", "0", "--unixsocket", address.path, "--unixsocketperm", "700"]
      : ["--port", String(address.port), "--bind", address.host];
  const kept = aof === undefined ? ["--appendonly", "no"] : ["--appendonly", "yes", "--appendfsync", aof];
  const slow = ["--slowlog-log-slower-than", String(SLOW_US), "--slowlog-max-len", "10000"];
  const files = tls && ["--tls-cert-file", tls.cert, "--tls-key-file", tls.key, "--tls-ca-cert-file", tls.ca];
  const secure = files === undefined ? [] : ["--tls-port", String(tlsPort), "--bind", "127.0.0.1", ...files];
  const all = ["--dir", dir, ...where, "--save", "", ...kept, ...slow, ...secure, ...args];
  return config === undefined ? all : [file, ...all];
}

function connectionsTo(where: string | RedisOptions): { open(options?: RedisOptions): Redis; close(): void } {
  const clients: Redis[] = [];
  return {
    open(options = {}) {
      const client = typeof where === "string" ? new Redis(where, options) : new Redis({ ...where, ...options });
      // Tests end servers while connections are open; the commands on them reject by themselves.
      client.on("error", () => {});
      clients.push(client);
      return client;
    },
    close() {
      for (const client of clients.splice(0)) client.disconnect();
    },
  };
}
