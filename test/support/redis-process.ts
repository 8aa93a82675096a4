import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { eventually, within } from "./wait.js";

/** Where a Redis listens, in the form of ioredis. */
export type RedisAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** A redis-server process that answers. */
export interface RedisProcess {
  readonly pid: number;
  readonly isRunning: boolean;
  /** Sends a signal. Resolves at once, or when the process has ended if the signal ends it. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends it in an orderly way, so that it saves its data if it is configured to, even if it is frozen. Idempotent. */
  stop(): Promise<void>;
}

const ENDING: readonly NodeJS.Signals[] = ["SIGKILL", "SIGTERM", "SIGINT"];

const running = new Set<ChildProcess>();

// No server may be left behind, whatever ends this process.
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts redis-server and resolves when it answers PING. Rejects with its output when it ends instead. */
export async function startRedisProcess(args: readonly string[], address: RedisAddress): Promise<RedisProcess> {
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-4000);
    });
  }
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      const missing = "redis-server is not on the PATH, and this test starts its own: install it";
      reject(error.code === "ENOENT" ? new Error(missing) : error);
    });
    child.once("close", (code) => reject(new Error(`redis-server ended with ${code}:\n${output}`)));
  });
  failed.catch(() => {});
  const { pid } = child;
  if (pid === undefined) return failed;
  running.add(child);
  child.once("exit", () => running.delete(child));

  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const answers = async () => {
    await Promise.race([failed, ping(address)]);
    return true;
  };
  try {
    // A failed connection is tried again, unless the process has ended.
    const ready = async () => answers().catch((error) => (isRunning() ? undefined : Promise.reject(error)));
    await Promise.race([failed, eventually(ready, `PONG of redis-server ${args.join(" ")}`)]);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }

  async function kill(signal: NodeJS.Signals): Promise<void> {
    if (!isRunning()) return;
    child.kill(signal);
    if (ENDING.includes(signal)) await within(ended, `the end of redis-server after ${signal}`);
  }
  return {
    pid,
    get isRunning() {
      return isRunning();
    },
    kill,
    async stop() {
      await kill("SIGCONT");
      await kill("SIGTERM").catch(() => kill("SIGKILL"));
    },
  };
}

/** Resolves when a new connection answers PING. A server that is loading its data does not yet. */
async function ping(address: RedisAddress): Promise<void> {
  const socket = connect({ ...address });
  try {
    socket.end("PING\r\n");
    const [answer] = await within(once(socket, "data"), "the answer to PING", 1000);
    // Passwords are up to the test.
    if (!/^(\+PONG|-NOAUTH)/.test(String(answer))) throw new Error(`PING was answered with ${answer}`);
  } finally {
    socket.on("error", () => {}).destroy();
  }
}
