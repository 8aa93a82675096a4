import { hostname } from "node:os";
import { calmLogger } from "./core/calm-logger.js";
import { createEngine, type Engine, type EngineOptions } from "./core/engine.js";
import type { HandlerRunner } from "./core/handler-runner.js";
import { DEFAULT_JOB_DEFAULTS, type JobDefaults } from "./core/new-job.js";
import type { Observer } from "./core/observer.js";
import type { QueuePolicy } from "./core/work/queue-turns.js";
import type { Handlers } from "./model/handler/handler.js";
import { type Middleware, withMiddleware } from "./model/handler/middleware.js";
import type { Tracer } from "./model/log/tracer.js";
import { createStorage, type StorageDeps, type StorageSettings } from "./storage.js";

/** How long a lease lasts unless it is extended, ms. */
export const DEFAULT_LEASE_MS = 30_000;

/** Settings of an engine and its backend. All have defaults. Durations in ms. */
export interface EngineSettings extends StorageSettings, Partial<JobDefaults> {
  /** Handlers by job type. Default: none, so that jobs wait for remote workers. */
  readonly handlers?: Handlers | undefined;
  /** Runs around each of `handlers`, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[] | undefined;
  /** Runs handlers somewhere else, in place of `handlers`: see `isolateHandlers`. It is stopped with the queue. */
  readonly runner?: HandlerRunner | undefined;
  /** Handlers that run at the same time. Default 10. */
  readonly numWorkers?: number | undefined;
  /** How the next queue to lease from is chosen. Default `round-robin`. */
  readonly queuePolicy?: QueuePolicy | undefined;
  /** How long a lease lasts unless it is extended. Default 30,000. */
  readonly leaseMs?: number | undefined;
}

/** Dependencies of an engine and its backend. */
export interface EngineSetupDeps extends StorageDeps {
  readonly observer: Observer;
  readonly tracer: Tracer;
}

/** An engine, and the node id that comes with its backend. */
export interface EngineSetup {
  readonly engine: Engine;
  /** Returns the node id in job ids, or undefined while none is leased from Redis yet. */
  readonly nodeId: () => number | undefined;
}

/** Creates an engine on the backend that the settings name. The library and the server share this one wiring. */
export function setUpEngine(
  settings: EngineSettings,
  given: EngineSetupDeps,
  options: Pick<EngineOptions, "queues" | "availableChanged" | "poolId" | "otherWorkers"> = {},
): EngineSetup {
  const deps = { ...given, logger: calmLogger(given.logger, given.clock) };
  const worker = `${hostname()}/${process.pid}`;
  const { nodeId, ...storage } = createStorage(settings, deps);
  const { random } = Math;
  if (settings.runner !== undefined && settings.middleware !== undefined) {
    throw new TypeError("middleware: is for `handlers`; a module of handlers that runs elsewhere exports its own");
  }
  const engine = createEngine(
    { ...deps, ...storage, random },
    {
      ...options,
      handlers: withMiddleware(settings.handlers ?? {}, settings.middleware),
      runner: settings.runner,
      numWorkers: settings.numWorkers ?? 10,
      queuePolicy: settings.queuePolicy ?? "round-robin",
      leaseMs: settings.leaseMs ?? DEFAULT_LEASE_MS,
      worker,
      jobDefaults: {
        maxRetries: settings.maxRetries ?? DEFAULT_JOB_DEFAULTS.maxRetries,
        backoff: settings.backoff ?? DEFAULT_JOB_DEFAULTS.backoff,
      },
    },
  );
  return { engine, nodeId };
}
