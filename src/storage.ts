import type { Durability } from "./backends/file/batch.js";
import { createFileBackend } from "./backends/file/file-backend.js";
import type { KeptBytes } from "./backends/memory/kept-bytes.js";
import { createMemoryBackend } from "./backends/memory/memory-backend.js";
import type { RedisTls } from "./backends/redis/link/tls.js";
import { createRedisBackend } from "./backends/redis/redis-backend.js";
import type { SharedBackend, SharedBackendDeps } from "./backends/shared/shared-backend.js";
import type { Backend, BackendOptions } from "./core/backend.js";
import type { Clock } from "./core/clock.js";
import type { StoreObserver } from "./core/port/store-observer.js";
import { defined } from "./model/common/defined.js";
import type { Logger } from "./model/log/logger.js";
import { createIdGenerator, type IdGenerator } from "./model/queue/ids.js";

/** Where jobs are kept, and how. All have defaults. Durations in ms. */
export interface StorageSettings extends Partial<BackendOptions> {
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

/** Dependencies of what keeps the jobs. */
export interface StorageDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told what the store does. Default: nobody. */
  readonly storeObserver?: StoreObserver | undefined;
  /**
   * Whether this process has no memory for more jobs. The memory backend calls it at each create and result, and while its
   * change log grows, with what its jobs take. Default: never full.
   */
  readonly isFull?: ((kept: KeptBytes) => boolean) | undefined;
  /**
   * Connects to the store of another process of this machine, which has the settings of the store then. Default: this process keeps the
   * jobs.
   */
  readonly connect?: ((deps: SharedBackendDeps) => SharedBackend) | undefined;
}

/** A backend, and the source of ids for the jobs in it. */
export interface Storage {
  readonly backend: Backend;
  readonly ids: IdGenerator;
  /** Returns the node id in these, or undefined while none is had from the store yet. */
  readonly nodeId: () => number | undefined;
}

/** Creates what keeps the jobs. */
export function createStorage(settings: StorageSettings, deps: StorageDeps): Storage {
  const { clock, logger, isFull, storeObserver: observer } = deps;
  const { dataDir, redisUrl, nodeId = 0 } = settings;
  if (deps.connect !== undefined) {
    const backend = deps.connect({ clock, logger, observer });
    return { backend, ids: backend.ids, nodeId: () => backend.node };
  }
  const { changeLogSize, maxLostLeases, completeJobTtlMs, maxCompletedJobs, maxCompletedBytes } = settings;
  const options = defined({ changeLogSize, maxLostLeases, completeJobTtlMs, maxCompletedJobs, maxCompletedBytes });
  if (dataDir !== undefined) {
    if (redisUrl !== undefined) throw new TypeError("dataDir and redisUrl: name one of them");
    const place = { ...defined({ durability: settings.durability }), folder: dataDir, nodeId };
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
  const place = defined({ prefix: settings.redisPrefix, tls: settings.redisTls });
  const backend = createRedisBackend({ clock, logger, observer }, { ...options, ...place, url: redisUrl });
  return { backend, ids: backend.ids, nodeId: () => backend.node };
}
