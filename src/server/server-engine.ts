import { type Clock, createSystemClock } from "../core/clock.js";
import type { Engine } from "../core/engine.js";
import type { HandlerRunner } from "../core/handler-runner.js";
import { createInProcessRunner } from "../core/pool/in-process-runner.js";
import { type EngineSettings, type EngineSetup, setUpEngine } from "../engine-setup.js";
import type { Handlers } from "../model/handler/handler.js";
import type { Logger } from "../model/log/logger.js";
import type { Tracer } from "../model/log/tracer.js";
import type { StorageSettings } from "../storage.js";
import { createTracer } from "../telemetry/tracer.js";
import { readVersion } from "../version.js";
import type { Config } from "./config/config.js";
import { createBuiltinHandlers } from "./handlers/builtin-handlers.js";
import { HealthState } from "./health/health.js";
import { createMemoryGuard } from "./health/memory-guard.js";
import { createMetrics, type Metrics } from "./metrics/metrics.js";
import type { Siblings } from "./processes/siblings.js";
import { storageSettings } from "./storage-settings.js";
import { watchRedisTls } from "./tls/redis-tls.js";

/** An engine with what measures it. */
export interface MeasuredEngine {
  readonly engine: Engine;
  readonly metrics: Metrics;
  /** Traces its jobs, and the calls that it is asked by. */
  readonly tracer: Tracer;
  /** What the health service and `/healthz` report. */
  readonly health: HealthState;
  /** Returns the node id in job ids. */
  readonly node: () => number;
  /** How long a lease lasts unless it is extended, ms. */
  readonly leaseMs: number;
  /** The handlers that ran in this thread since the last call; undefined: that is not known. */
  readonly recent: HandlerRunner["recent"];
  /** Ends what is left once the engine has stopped. Idempotent. */
  release(): void;
}

/** Dependencies of the engine of a server. */
export interface ServerEngineDeps {
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** Handlers by job type. Default: the built-in handlers. */
  readonly handlers?: Handlers | undefined;
  /** Runs the handlers, in place of `handlers`. It is stopped with the engine. */
  readonly runner?: HandlerRunner | undefined;
  /** The other processes behind the port of its server. Default: there are none. */
  readonly siblings?: Siblings | undefined;
}

/** Returns the settings of the engine that belong to this configuration. */
function settingsOf(config: Config, runner: HandlerRunner, storage: StorageSettings): EngineSettings {
  const { baseDelayMs, maxDelayMs } = config;
  return { ...config, ...storage, handlers: undefined, runner, backoff: { baseDelayMs, maxDelayMs } };
}

/** Creates the engine of a server; it does nothing until it is started. */
export function createServerEngine(config: Config, deps: ServerEngineDeps): ServerEngine {
  const { logger, siblings, clock = createSystemClock() } = deps;
  const runner = deps.runner ?? createInProcessRunner(deps.handlers ?? createBuiltinHandlers(clock), clock);
  const health = new HealthState();
  const guard = createMemoryGuard();
  const tracer = createTracer();
  const node = () => nodeId() ?? config.nodeId;
  const redisTls = config.redis?.tls && watchRedisTls(config.redis.tls, clock, logger);
  const metrics = createMetrics({
    isAvailable: () => engine.isAvailable,
    activeWorkers: () => engine.activeWorkers,
    workers: () => engine.workers(),
    isMemoryFull: () => guard.isFullNow,
    types: runner.types,
    monotonic: () => clock.monotonic(),
    version: readVersion(),
    node,
    backend: () => engine.backend,
  });
  const { engine, nodeId }: EngineSetup = setUpEngine(
    settingsOf(config, runner, storageSettings(config, redisTls)),
    {
      ...{ clock, logger, tracer, isFull: guard.isFull },
      ...{ observer: metrics.observer, storeObserver: metrics.storeObserver },
      connect: siblings?.connect,
    },
    {
      queues: config.queues,
      availableChanged(isAvailable) {
        health.set(isAvailable);
        siblings?.available(isAvailable);
      },
      poolId: String(siblings?.index ?? 0),
      otherWorkers: siblings && (() => siblings.workers()),
    },
  );
  siblings?.onOthersAvailable((areAvailable) => health.setOthers(areAvailable));
  siblings?.answer({ page: () => metrics.page(), workers: () => engine.workers() });

  function release(): void {
    guard.stop();
    metrics.stop();
    redisTls?.stop();
  }

  return {
    ...{ engine, metrics, tracer, health, node, release },
    leaseMs: config.leaseMs,
    recent: runner.recent,
    stop: (timeoutMs) => engine.stop(timeoutMs),
    async start() {
      try {
        await engine.start();
      } catch (error) {
        await runner.stop();
        throw error;
      }
    },
  };
}

/** The engine of a server. */
export interface ServerEngine extends MeasuredEngine {
  /** Starts the engine. When it cannot be started, nothing is left of its handlers. */
  start(): Promise<void>;
  /** Stops it in order; see `Engine.stop`. */
  stop(timeoutMs: number): Promise<void>;
}
