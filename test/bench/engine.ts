import type { Backend } from "../../src/core/backend.js";
import { type Clock, createSystemClock } from "../../src/core/clock.js";
import { createEngine, type Engine } from "../../src/core/engine.js";
import { type Observer, silentObserver } from "../../src/core/observer.js";
import { DEFAULT_JOB_DEFAULTS } from "../../src/core/operations/job-operations.js";
import type { Handlers } from "../../src/model/handler.js";
import { createIdGenerator, type IdGenerator } from "../../src/model/ids.js";
import { type Logger, silentLogger } from "../../src/model/logger.js";

/** What a backend is made of. */
export interface BackendDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** How an engine of a row differs from one that runs nothing. */
export interface BenchEngineOptions {
  readonly handlers?: Handlers;
  /** Default 0: it runs no jobs. */
  readonly numWorkers?: number;
  readonly observer?: Observer;
}

/** The core on a backend, with the defaults of the server; ids are the backend's own where it gives any. */
export function createBenchEngine(
  makeBackend: (deps: BackendDeps) => Backend & { readonly ids?: IdGenerator },
  { handlers = {}, numWorkers = 0, observer = silentObserver }: BenchEngineOptions = {},
): Engine {
  const deps = { clock: createSystemClock(), random: Math.random, logger: silentLogger };
  const backend = makeBackend(deps);
  return createEngine(
    { ...deps, backend, ids: backend.ids ?? createIdGenerator(deps.clock, 0), observer },
    {
      handlers,
      numWorkers,
      queuePolicy: "round-robin",
      leaseMs: 30_000,
      worker: "bench",
      jobDefaults: DEFAULT_JOB_DEFAULTS,
    },
  );
}
