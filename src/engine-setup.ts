import { hostname } from "node:os";
import type { Durability } from "./backends/file/batch.js";
import { createFileBackend } from "./backends/file/file-backend.js";
import type { KeptBytes } from "./backends/memory/kept-bytes.js";
import { createMemoryBackend } from "./backends/memory/memory-backend.js";
import type { RedisTls } from "./backends/redis/link/tls.js";
import { createRedisBackend } from "./backends/redis/redis-backend.js";
import type { Backend, BackendOptions } from "./core/backend.js";
import { calmLogger } from "./core/calm-logger.js";
import type { Clock } from "./core/clock.js";
import { createEngine, type Engine, type EngineOptions } from "./core/engine.js";
import type { HandlerRunner } from "./core/handler-runner.js";
import { DEFAULT_JOB_DEFAULTS, type JobDefaults } from "./core/new-job.js";
import type { Observer } from "./core/observer.js";
import type { StoreObserver } from "./core/port/store-observer.js";
import type { QueuePolicy } from "./core/work/queue-turns.js";
import { defined } from "./model/defined.js";
import type { Handlers } from "./model/handler.js";
import { createIdGenerator, type IdGenerator } from "./model/ids.js";
import type { Logger } from "./model/logger.js";
import type { Tracer } from "./model/tracer.js";

/** Settings of an engine and its backend. All have defaults. Durations in ms. */
export interface EngineSettings extends Partial<BackendOptions>, Partial<JobDefaults> {
  /** Handlers by job type. Default: none, so that jobs wait for remote workers. */
  readonly handlers?: Handlers | undefined;
  /** Runs handlers somewhere else, in place of `handlers`: see `isolateHandlers`. It is stopped with the queue. */
  readonly runner?: HandlerRunner | undefined;
  /** Handlers that run at the same time. Default 10. */
  readonly numWorkers?: number | undefined;
  /** How the next queue to lease from is chosen. Default `round-robin`. */
  readonly queuePolicy?: QueuePolicy | undefined;
  /** How long a lease lasts unless it is extended. Default 30,000. */
  readonly leaseMs?: number | undefined;
  /** Changes kept for watchers that lag behind or come back. Default 500,000; on Redis 100,000 for each queue. */
  readonly changeLogSize?: number | undefined;
  /**
   * Folder that keeps the jobs in a file, as DATA_DIR of the server. It serves one process; `start` rejects with
   * `StoreUnusable` when it cannot. Not together with `redisUrl`. Default: none.
   */
  readonly dataDir?: string | undefined;
  /** What a change survives before it counts: `power` (default): a power cut; `process`: the end of the process. */
  readonly durability?: Durability | undefined;
  /** URL of a Redis that keeps the jobs, as in REDIS_URL of the server. Default: they are kept in memory. */
  readonly redisUrl?: string | undefined;
  /** For a `redisUrl` that begins with `rediss`: whom to trust, and what to show. */
  readonly redisTls?: RedisTls | undefined;
  /** Prefix of all keys in Redis. Default `gotaskq`. */
  readonly redisPrefix?: string | undefined;
  /** Node id in job ids, 0 to 1023. Default 0. Not used on Redis, where each process leases one. */
  readonly nodeId?: number | undefined;
}

/** Dependencies of an engine and its backend. */
export interface EngineSetupDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Observer;
  /** Told what the store does. Default: nobody. */
  readonly storeObserver?: StoreObserver | undefined;
  readonly tracer: Tracer;
  /**
   * Whether this process has no memory for more jobs. The memory backend calls it at each create and result, and while its
   * change log grows, with what its jobs take. Default: never full.
   */
  readonly isFull?: ((kept: KeptBytes) => boolean) | undefined;
}

/** An engine, and the node id that comes with its backend. */
export interface EngineSetup {
  readonly engine: Engine;
  /** Returns the node id in job ids, or undefined while none is leased from Redis yet. */
  readonly nodeId: () => number | undefined;
}

/** A backend, and the source of ids for the jobs in it. */
interface Storage {
  readonly backend: Backend;
  readonly ids: IdGenerator;
  readonly nodeId: () => number | undefined;
}

function createStorage(settings: EngineSettings, worker: string, deps: EngineSetupDeps): Storage {
  const { clock, logger, isFull, storeObserver: observer } = deps;
  const {
    dataDir,
    durability,
    redisUrl,
    redisPrefix,
    redisTls,
    nodeId = 0,
    changeLogSize,
    maxLostLeases,
    completeJobTtlMs,
    maxCompletedJobs,
    maxCompletedBytes,
  } = settings;
  const options = defined({ changeLogSize, maxLostLeases, completeJobTtlMs, maxCompletedJobs, maxCompletedBytes });
  if (dataDir !== undefined) {
    if (redisUrl !== undefined) throw new TypeError("dataDir and redisUrl: name one of them");
    const place = { ...defined({ durability }), folder: dataDir, worker, nodeId };
    const backend = createFileBackend(
      { clock, random: Math.random, logger, isFull, observer },
      { ...options, ...place },
    );
    return { backend, ids: backend.ids, nodeId: () => nodeId };
  }
  if (redisUrl === undefined) {
    const backend = createMemoryBackend({ clock, random: Math.random, isFull }, options);
    return { backend, ids: createIdGenerator(clock, nodeId), nodeId: () => nodeId };
  }
  const place = defined({ prefix: redisPrefix, tls: redisTls });
  const backend = createRedisBackend({ clock, logger, observer }, { ...options, ...place, url: redisUrl });
  return { backend, ids: backend.ids, nodeId: () => backend.node };
}

/** Creates an engine on the backend that the settings name. The library and the server share this one wiring. */
export function setUpEngine(
  settings: EngineSettings,
  given: EngineSetupDeps,
  options: Pick<EngineOptions, "queues" | "availableChanged" | "poolId" | "otherWorkers"> = {},
): EngineSetup {
  const deps = { ...given, logger: calmLogger(given.logger, given.clock) };
  const worker = `${hostname()}/${process.pid}`;
  const { nodeId, ...storage } = createStorage(settings, worker, deps);
  const { random } = Math;
  const engine = createEngine(
    { ...deps, ...storage, random },
    {
      ...options,
      handlers: settings.handlers ?? {},
      runner: settings.runner,
      numWorkers: settings.numWorkers ?? 10,
      queuePolicy: settings.queuePolicy ?? "round-robin",
      leaseMs: settings.leaseMs ?? 30_000,
      worker,
      jobDefaults: {
        maxRetries: settings.maxRetries ?? DEFAULT_JOB_DEFAULTS.maxRetries,
        backoff: settings.backoff ?? DEFAULT_JOB_DEFAULTS.backoff,
      },
    },
  );
  return { engine, nodeId };
}
