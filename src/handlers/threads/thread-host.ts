import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import type { Piscina } from "piscina";
import type { RunJob } from "../../core/handler-runner.js";
import { errorText } from "../../model/common/describe-error.js";
import { withNeededPackages } from "../../model/process/needed-package.js";
import type { Host, HostedRun, HostListener, HostOptions, PlaceEnd } from "../host.js";
import type { FromRun, Stray } from "../messages.js";
import type { ThreadTask } from "./thread-main.js";

/** Runs handlers in threads of this process. */
export async function createThreadHost(options: HostOptions, listener: HostListener): Promise<Host> {
  const { module } = options;
  // Loaded only where it is used: it takes 30 ms.
  const { Piscina } = await withNeededPackages("handlers in threads need", () => import("piscina"));
  const pool = new Piscina({
    ...entry(),
    minThreads: 0,
    maxThreads: options.size,
    idleTimeout: Number.POSITIVE_INFINITY,
    // An idle thread waits in its event loop, as a process does: connections that handlers keep open stay alive.
    atomics: "disabled",
    recordTiming: false,
    ...(options.memoryBytes && {
      resourceLimits: { maxOldGenerationSizeMb: Math.ceil(options.memoryBytes / 2 ** 20) },
    }),
  });
  pool.on("message", (message: Stray) => listener.stray(message));
  pool.on("error", (error) => listener.ended({ why: whyOf(error) }));

  let stopped: Promise<void> | undefined;
  return {
    place: "thread",
    start: () => pool.run({ kind: "load", module } satisfies ThreadTask),
    run: (job, hear) => runInThread(pool, module, job, hear),
    stop() {
      stopped ??= pool.destroy();
      return stopped;
    },
  };
}

/** What each thread runs: the build, or the source where that runs as it is. */
function entry(): { readonly filename: string; readonly execArgv?: string[] } {
  const main = (extension: string) => fileURLToPath(new URL(`./thread-main${extension}`, import.meta.url));
  if (import.meta.url.endsWith(".js")) return { filename: main(".js") };
  return { filename: main(".ts"), execArgv: ["--import", "tsx"] };
}

/** The pool has a thread for each run, or starts one, as no more run at a time than it has threads. */
function runInThread(pool: Piscina, module: string, job: RunJob, hear: (message: FromRun) => void): HostedRun {
  const { port1, port2 } = new MessageChannel();
  const kill = new AbortController();
  const told = new Promise<void>((resolve) => {
    port1.on("message", (message: FromRun) => {
      hear(message);
      if (message.kind === "outcome") resolve();
    });
  });
  // It closes when the thread has ended.
  const closed = new Promise<void>((resolve) => port1.once("close", resolve));
  const task: ThreadTask = { kind: "run", module, job, port: port2 };
  const transferList = job.payload instanceof Uint8Array ? [port2, job.payload.buffer as ArrayBuffer] : [port2];
  const ran = pool.run(task, { signal: kill.signal, transferList });

  async function over(): Promise<PlaceEnd | undefined> {
    try {
      await ran;
      await told;
      return undefined;
    } catch (error) {
      // Without effect when the thread has it. What it said before its end comes before this closes.
      port2.close();
      await closed;
      return { why: whyOf(error) };
    } finally {
      port1.close();
    }
  }

  return {
    send: (message) => port1.postMessage(message),
    kill: () => kill.abort(),
    over: over(),
  };
}

function whyOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ERR_WORKER_OUT_OF_MEMORY") return "it ran out of memory";
  const exit = /worker exited with code: (-?\d+)/.exec(errorText(error));
  return exit === null ? errorText(error) : `it exited with ${exit[1]}`;
}
