import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import {
  createRedisBackend,
  type RedisBackend,
  type RedisBackendOptions,
} from "../../../../src/backends/redis/redis-backend.js";
import { createSystemClock } from "../../../../src/core/clock.js";
import { createEngine, type Engine } from "../../../../src/core/engine.js";
import { DEFAULT_JOB_DEFAULTS } from "../../../../src/core/new-job.js";
import { type Observer, silentObserver } from "../../../../src/core/observer.js";
import type { Handlers } from "../../../../src/model/handler/handler.js";
import { type Logger, silentLogger } from "../../../../src/model/log/logger.js";
import { Recorder } from "../../contract/harness.js";

let count = 0;

/** Returns the prefix of the keys of one test, which its servers share. */
export function newPrefix(): string {
  return `t${process.pid}-${count++}`;
}

/** How a test opens a backend or an engine: on which Redis, under which prefix, and further options. */
export type OpenOptions = Partial<RedisBackendOptions> & Pick<RedisBackendOptions, "url" | "prefix">;

/** Starts the backend of one server, in real time. It is stopped at the end of the test. */
export async function openBackend(
  options: OpenOptions,
  { logger = silentLogger, clock = createSystemClock(), features = undefined as readonly string[] | undefined } = {},
): Promise<{ backend: RedisBackend; heard: Recorder }> {
  const backend = createRedisBackend({ clock, logger, features }, options);
  const heard = new Recorder();
  onTestFinished(() => backend.stop());
  await backend.start(heard);
  return { backend, heard };
}

/** Options of an engine in a test. */
export interface EngineChoice {
  readonly handlers?: Handlers;
  readonly numWorkers?: number;
  readonly leaseMs?: number;
  readonly queues?: readonly string[];
  readonly logger?: Logger;
  readonly observer?: Observer;
}

/** Starts an engine as a server does, in real time. It is stopped at the end of the test. */
export async function openEngine(options: OpenOptions, given: EngineChoice = {}): Promise<Engine> {
  const { handlers = {}, numWorkers = 10, leaseMs = 30_000, queues = [] } = given;
  const { logger = silentLogger, observer = silentObserver } = given;
  const clock = createSystemClock();
  const backend = createRedisBackend({ clock, logger }, options);
  const engine = createEngine(
    { backend, ids: backend.ids, clock, logger, observer, random: () => 0 },
    {
      handlers,
      numWorkers,
      leaseMs,
      queues,
      queuePolicy: "round-robin",
      worker: "test",
      jobDefaults: DEFAULT_JOB_DEFAULTS,
    },
  );
  onTestFinished(() => engine.stop(0));
  await engine.start();
  return engine;
}

/** Returns how often each command was called since the last `CONFIG RESETSTAT`, by its name in lower case. */
export async function commandCounts(client: Redis): Promise<Map<string, number>> {
  const info = await client.info("commandstats");
  return new Map(
    [...info.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(([, name = "", calls]) => [name, Number(calls)]),
  );
}
