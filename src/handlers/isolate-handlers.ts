import { resolve } from "node:path";
import { type Clock, createSystemClock } from "../core/clock.js";
import type { HandlerRunner } from "../core/handler-runner.js";
import { receivedDescription } from "../model/common/describe-error.js";
import { type Logger, silentLogger } from "../model/log/logger.js";
import type { Host, HostListener, HostOptions } from "./host.js";
import { IsolatedRunner } from "./isolated-runner.js";
import { createProcessHost } from "./processes/process-host.js";
import { createThreadHost } from "./threads/thread-host.js";

/** Where handlers run away from the server: in threads of its process, or in child processes. */
export type Isolation = "threads" | "processes";

/** How handlers are isolated. */
export interface IsolationOptions {
  readonly isolation: Isolation;
  /** Most threads or processes: as many as jobs run at the same time. Default 10. */
  readonly size?: number | undefined;
  /** Most bytes of the heap of each. Default: what Node takes. */
  readonly memoryBytes?: number | undefined;
  /** How long a handler has, once its signal is aborted, before it is ended by force, ms. Default 1000. */
  readonly graceMs?: number | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** Default: that of the machine. */
  readonly clock?: Clock | undefined;
}

/** How many threads or processes there are at most, and the grace period, unless somebody says otherwise. */
export const DEFAULT_ISOLATION_SIZE = 10;
export const DEFAULT_GRACE_MS = 1000;

/**
 * Loads a module of handlers in a thread or child process, never in this one, and returns what runs them there: the `runner` of a
 * task queue. `path` is relative to the current folder. Rejects with an error that says what is wrong with the module.
 */
export async function isolateHandlers(path: string, options: IsolationOptions): Promise<HandlerRunner> {
  const { size = DEFAULT_ISOLATION_SIZE, memoryBytes, graceMs = DEFAULT_GRACE_MS } = options;
  const { logger = silentLogger, clock = createSystemClock() } = options;
  const listener = logTo(logger);
  const hosted: HostOptions = { module: resolve(path), size: Math.max(1, size), memoryBytes };
  const host: Host =
    options.isolation === "threads"
      ? await createThreadHost(hosted, listener)
      : createProcessHost(hosted, { clock, logger, listener });
  try {
    return new IsolatedRunner(host, await host.start(), clock, { graceMs });
  } catch (error) {
    await host.stop();
    throw error;
  }
}

function logTo(logger: Logger): HostListener {
  return {
    stray({ error, job }) {
      logger.error({ ...job, err: receivedDescription(error) }, "an error of a handler was caught by nobody");
    },
    ended({ why }) {
      logger.warn({ how: why }, "a thread of handlers ended by itself; another takes its place");
    },
  };
}
