import { getHeapStatistics } from "node:v8";
import type { Backend, BackendOptions } from "../../core/backend.js";
import { DEFAULT_BACKEND_OPTIONS } from "../../core/backend.js";
import { JobStore, type MemoryBackendDeps } from "./job-store.js";
import { operationsOf } from "./operations/operations.js";

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
      for (const queue of store.queues.values()) store.notices.ready(queue);
      store.announce();
    },
    async stop() {
      store.listener = undefined;
    },
    ...operationsOf(store, { change: run, hand: run, read: async (operation) => operation() }),
  };
}
