import type { Backend } from "../../src/core/backend.js";
import { type Clock, createSystemClock } from "../../src/core/clock.js";
import { createEngine, type Engine } from "../../src/core/engine.js";
import { DEFAULT_JOB_DEFAULTS } from "../../src/core/new-job.js";
import { type Observer, silentObserver } from "../../src/core/observer.js";
import type { Handlers } from "../../src/model/handler/handler.js";
import { type Logger, silentLogger } from "../../src/model/log/logger.js";
import { createIdGenerator, type IdGenerator } from "../../src/model/queue/ids.js";

/** Dependencies of the backend. */
export interface BackendDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/** Options of `createBenchEngine`. */
export interface BenchEngineOptions {
  readonly handlers?: Handlers;
  /** Jobs that it runs at a time. Default 0. */
  readonly numWorkers?: number;
  readonly observer?: Observer;
}

/** Creates an engine on a backend, with the defaults of the server. Ids come from the backend if it provides any. */
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
