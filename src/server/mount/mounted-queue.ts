import { createSystemClock } from "../../core/clock.js";
import { partsOf } from "../../queue-parts.js";
import type { LocalTaskQueue } from "../../task-queue.js";
import { readVersion } from "../../version.js";
import { ConfigError } from "../config/config.js";
import type { Environment } from "../config/env-reader.js";
import { HealthState } from "../health/health.js";
import { createMetrics } from "../metrics/metrics.js";
import type { ServerEngine } from "../server-engine.js";

/** Variables of what a task queue has settings of its own for. */
const OF_QUEUE = [
  ...["NUM_WORKERS", "MAX_RETRIES", "BASE_DELAY", "MAX_DELAY", "COMPLETE_JOB_TTL", "MAX_COMPLETED_JOBS"],
  ...["MAX_COMPLETED_BYTES", "QUEUE_POLICY", "QUEUES", "LEASE_DURATION", "MAX_LOST_LEASES", "CHANGE_LOG_SIZE"],
  ...["HANDLERS", "HANDLERS_ISOLATION", "NODE_ID", "DATA_DIR", "DURABILITY", "USE_REDIS", "REDIS_URL", "REDIS_PREFIX"],
] as const;

/** Throws a `ConfigError` that names the variables which have no effect on a task queue that a program has made. */
export function checkQueueVariables(env: Environment): void {
  const set = OF_QUEUE.filter((name) => env[name]?.trim());
  if (set.length === 0) return;
  throw new ConfigError(set.map((name) => `${name}: the task queue that is handed in has settings of its own`));
}

/** Measures the engine of a task queue. Throws a TypeError for what is none. */
export function measureQueue(queue: LocalTaskQueue): ServerEngine {
  const parts = partsOf(queue);
  if (parts === undefined) {
    throw new TypeError("queue: must be a task queue of createTaskQueue, of this copy of the package");
  }
  const { engine, nodeId, leaseMs, types, tracer, relay } = parts;
  const clock = createSystemClock();
  const health = new HealthState();
  const node = () => nodeId() ?? 0;
  const metrics = createMetrics({
    isAvailable: () => engine.isAvailable,
    activeWorkers: () => engine.activeWorkers,
    workers: () => engine.workers(),
    isMemoryFull: () => false,
    types,
    monotonic: () => clock.monotonic(),
    version: readVersion(),
    node,
    backend: () => engine.backend,
  });
  health.set(engine.isAvailable);
  parts.onAvailable((isAvailable) => health.set(isAvailable));
  const forget = relay.add(metrics.observer);
  return {
    ...{ engine, metrics, tracer, health, node, leaseMs },
    recent: undefined,
    start: () => queue.start(),
    stop: (timeoutMs) => queue.stop({ timeoutMs }),
    release() {
      forget();
      metrics.stop();
    },
  };
}
