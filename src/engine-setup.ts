import { hostname } from "node:os";
import { createMemoryBackend } from "./backends/memory/memory-backend.js";
import { createRedisBackend } from "./backends/redis/redis-backend.js";
import type { Backend, BackendOptions } from "./core/backend.js";
import type { Clock } from "./core/clock.js";
import { createEngine, type Engine, type EngineOptions } from "./core/engine.js";
import type { Observer } from "./core/observer.js";
import { DEFAULT_JOB_DEFAULTS, type JobDefaults } from "./core/operations/job-operations.js";
import type { QueuePolicy } from "./core/selector.js";
import { defined } from "./model/defined.js";
import type { Handlers } from "./model/handler.js";
import { createIdGenerator, type IdGenerator } from "./model/ids.js";
import type { Logger } from "./model/logger.js";

/** Settings of an engine and its store; all have defaults. Durations in ms. */
export interface EngineSettings extends Partial<BackendOptions>, Partial<JobDefaults> {
  /** Handlers by job type. Default: none; jobs then wait. */
  readonly handlers?: Handlers | undefined;
  /** Handlers that run at the same time. Default 10. */
  readonly numWorkers?: number | undefined;
  /** Default `round-robin`. */
  readonly queuePolicy?: QueuePolicy | undefined;
  /** Default 30,000. */
  readonly leaseMs?: number | undefined;
  /** Changes kept for watchers that lag behind or come back. Default 500,000; on Redis, of each queue, 100,000. */
  readonly changeLogSize?: number | undefined;
  /** Keeps jobs in this Redis, as REDIS_URL of the server. Default: in memory. */
  readonly redisUrl?: string | undefined;
  /** What all keys in Redis begin with. Default `gotaskq`. */
  readonly redisPrefix?: string | undefined;
  /** 0 to 1023: part of job ids. On Redis leased by itself. Default 0. */
  readonly nodeId?: number | undefined;
}

/** Dependencies of an engine and its store. */
export interface EngineSetupDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Observer;
  /** Whether this process has no room for more jobs; asked at each create in memory. Default: never. */
  readonly isFull?: (() => boolean) | undefined;
}

/** An engine and what only its store knows. */
export interface EngineSetup {
  readonly engine: Engine;
  /** The node id in job ids; undefined while none is leased from Redis yet. */
  readonly nodeId: () => number | undefined;
}

/** A store, and the ids of the jobs in it. */
interface Storage {
  readonly backend: Backend;
  readonly ids: IdGenerator;
  readonly nodeId: () => number | undefined;
}

function createStorage(settings: EngineSettings, { clock, logger, isFull }: EngineSetupDeps): Storage {
  const {
    redisUrl,
    redisPrefix,
    nodeId = 0,
    changeLogSize,
    maxLostLeases,
    completeJobTtlMs,
    maxCompletedJobs,
  } = settings;
  const options = defined({ changeLogSize, maxLostLeases, completeJobTtlMs, maxCompletedJobs });
  if (redisUrl === undefined) {
    const backend = createMemoryBackend({ clock, random: Math.random, isFull }, options);
    return { backend, ids: createIdGenerator(clock, nodeId), nodeId: () => nodeId };
  }
  const place = defined({ prefix: redisPrefix });
  const backend = createRedisBackend({ clock, logger }, { ...options, ...place, url: redisUrl });
  return { backend, ids: backend.ids, nodeId: () => backend.node };
}

/** Makes an engine on the store that the settings name: the one wiring of it, for the library and for the server. */
export function setUpEngine(
  settings: EngineSettings,
  deps: EngineSetupDeps,
  options: Pick<EngineOptions, "queues" | "availableChanged"> = {},
): EngineSetup {
  const { nodeId, ...storage } = createStorage(settings, deps);
  const { random } = Math;
  const engine = createEngine(
    { ...deps, ...storage, random },
    {
      ...options,
      handlers: settings.handlers ?? {},
      numWorkers: settings.numWorkers ?? 10,
      queuePolicy: settings.queuePolicy ?? "round-robin",
      leaseMs: settings.leaseMs ?? 30_000,
      worker: `${hostname()}/${process.pid}`,
      jobDefaults: {
        maxRetries: settings.maxRetries ?? DEFAULT_JOB_DEFAULTS.maxRetries,
        backoff: settings.backoff ?? DEFAULT_JOB_DEFAULTS.backoff,
      },
    },
  );
  return { engine, nodeId };
}
