import { getHeapStatistics } from "node:v8";
import type { Backend, BackendOptions } from "../../core/backend.js";
import { DEFAULT_BACKEND_OPTIONS } from "../../core/backend.js";
import * as admin from "./admin.js";
import { enqueue } from "./enqueue.js";
import { JobStore, type MemoryBackendDeps } from "./job-store.js";
import * as jobs from "./jobs.js";
import { extend, lease, tick } from "./lease.js";
import { count, groupDead, list, listDead, listDeadKeys, listKeys } from "./listing.js";
import { complete, fail, release } from "./settle.js";

/** Settings of the memory backend. */
export interface MemoryBackendOptions extends BackendOptions {
  /** Changes kept for watchers that lag behind or resume with a cursor. Default 500,000. */
  readonly changeLogSize: number;
}

/** The default of `maxCompletedBytes`: a quarter of the heap that this process may have. */
export const DEFAULT_COMPLETED_BYTES = Math.floor(getHeapStatistics().heap_size_limit / 4);

/** The default of `changeLogSize`. */
export const DEFAULT_CHANGE_LOG_SIZE = 500_000;

/**
 * Creates a backend that keeps jobs in this process. Every operation runs to its end without an await inside: nothing
 * can come between, so each is atomic without locks.
 */
export function createMemoryBackend(deps: MemoryBackendDeps, options: Partial<MemoryBackendOptions> = {}): Backend {
  const { changeLogSize = DEFAULT_CHANGE_LOG_SIZE, ...given } = options;
  const store = new JobStore(
    deps,
    { ...DEFAULT_BACKEND_OPTIONS, maxCompletedBytes: DEFAULT_COMPLETED_BYTES, ...given },
    changeLogSize,
  );

  /** Runs one operation, then calls the listener. Not async: that would cost more than many of the operations do. */
  function run<T>(operation: () => T): Promise<T> {
    try {
      return Promise.resolve(operation());
    } catch (error) {
      return Promise.reject(error);
    } finally {
      store.announce();
    }
  }

  return {
    kind: "memory",
    durable: false,
    async start(listener) {
      store.listener = listener;
      for (const queue of store.queues.values()) store.markReady(queue);
      store.announce();
    },
    async stop() {
      store.listener = undefined;
    },
    now: async () => store.clock.now(),
    enqueue: (given) => run(() => enqueue(store, given)),
    lease: (request) => run(() => lease(store, request)),
    complete: (items) => run(() => complete(store, items)),
    fail: (items) => run(() => fail(store, items)),
    release: (items) => run(() => release(store, items)),
    extend: (items) => run(() => extend(store, items)),
    cancel: (id) => run(() => jobs.cancel(store, id)),
    get: async (ids, view) => jobs.get(store, ids, view),
    list: async (query) => list(store, query),
    listDead: async (query) => listDead(store, query),
    listKeys: async (query) => listKeys(store, query),
    listDeadKeys: async (query) => listDeadKeys(store, query),
    count: async (query) => count(store, query),
    groupDead: async (query) => groupDead(store, query),
    act: (action, ids, match) => run(() => jobs.act(store, action, ids, match)),
    replay: (ids) => run(() => jobs.replay(store, ids)),
    remove: (ids, statuses) => run(() => jobs.remove(store, ids, statuses)),
    createQueue: (name, settings) => run(() => admin.createQueue(store, name, settings)),
    queues: (names) => run(() => admin.queues(store, names)),
    queueNames: async () => store.queueNames,
    updateQueue: (name, settings) => run(() => admin.updateQueue(store, name, settings)),
    setPaused: (name, paused) => run(() => admin.setPaused(store, name, paused)),
    deleteQueue: (name, force) => run(() => admin.deleteQueue(store, name, force)),
    purge: (name, limit = Number.POSITIVE_INFINITY) => run(() => admin.purge(store, name, limit)),
    tick: () => run(() => tick(store)),
    head: async () => store.log.head(),
    read: async (cursor, limit, filter) => store.log.read(cursor, limit, filter),
    told: () => store.log.told(),
  };
}
