import { createMemoryBackend, type MemoryBackendOptions } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { createEngine, type Engine, type EngineOptions } from "../../../src/core/engine.js";
import { DEFAULT_JOB_DEFAULTS } from "../../../src/core/new-job.js";
import { type Observer, silentObserver } from "../../../src/core/observer.js";
import type { Lease } from "../../../src/core/port/leases.js";
import type { Handler } from "../../../src/model/handler/handler.js";
import type { Job, JobStatus } from "../../../src/model/job/job.js";
import { type Logger, silentLogger } from "../../../src/model/log/logger.js";
import { createIdGenerator } from "../../../src/model/queue/ids.js";
import type { JobRequest } from "../../../src/model/request/validate.js";
import { FakeClock, settle } from "../../support/fake-clock.js";
import { Faults } from "./faults.js";

/** Options of a fixture. */
export interface FixtureOptions extends Partial<EngineOptions> {
  readonly memory?: Partial<MemoryBackendOptions>;
  readonly observer?: Observer;
  readonly clock?: FakeClock;
  readonly logger?: Logger;
}

/** An engine on a memory backend and a clock that stands still. Backoffs have no jitter. */
export class Fixture {
  readonly clock: FakeClock;
  readonly faults = new Faults();
  readonly backend: Backend;
  readonly engine: Engine;

  constructor({ memory, observer = silentObserver, clock = new FakeClock(), logger, ...options }: FixtureOptions = {}) {
    this.clock = clock;
    this.backend = this.faults.wrap(createMemoryBackend({ clock, random: () => 0.5 }, memory));
    this.engine = createEngine(
      {
        backend: this.backend,
        clock,
        ids: createIdGenerator(clock, 1),
        random: () => 0,
        logger: logger ?? silentLogger,
        observer,
      },
      {
        handlers: {},
        numWorkers: 2,
        queuePolicy: "round-robin",
        leaseMs: 30_000,
        worker: "pool",
        jobDefaults: DEFAULT_JOB_DEFAULTS,
        ...options,
      },
    );
  }

  /** Creates a job and lets everything happen that follows at once. Returns its id. */
  async create(request: Partial<JobRequest> = {}): Promise<string> {
    const { job } = await this.engine.jobs.create({ type: "work", ...request });
    await settle();
    return job.id;
  }

  /** Returns the job as it is now. */
  get(id: string): Promise<Job> {
    return this.engine.jobs.get(id);
  }

  /** Returns the status of a job now. */
  async status(id: string): Promise<JobStatus> {
    return (await this.get(id)).status;
  }

  /** Leases jobs as a worker of another process would. */
  async lease(
    request: { queue?: string; type?: string; max?: number; leaseMs?: number } = {},
  ): Promise<readonly Lease[]> {
    const { queue = "default", type = "work", max = 1, leaseMs = 30_000 } = request;
    return this.backend.lease({ queues: [queue], types: [type], max, leaseMs, worker: "other" });
  }

  /** Creates jobs and lets them die, 1 ms apart. Returns their ids. */
  async bury(requests: readonly Partial<JobRequest>[], error = "broken"): Promise<string[]> {
    const ids: string[] = [];
    for (const request of requests) {
      const id = await this.create(request);
      const [lease] = await this.lease({
        ...(request.queue && { queue: request.queue }),
        type: request.type ?? "work",
      });
      if (lease?.job.id !== id) throw new Error("another job was leased");
      await this.backend.fail([{ jobId: id, token: lease.token, error, retry: "NEVER", jitter: 0 }]);
      await this.clock.advance(1);
      ids.push(id);
    }
    return ids;
  }
}

/** Starts an engine that runs jobs. */
export async function started(options: FixtureOptions = {}): Promise<Fixture> {
  const fixture = new Fixture(options);
  await fixture.engine.start();
  // The first check of what is due.
  await fixture.clock.advance(0);
  return fixture;
}

/** Starts an engine that runs jobs of type `work` with this handler. */
export function running(work: Handler, options: FixtureOptions = {}): Promise<Fixture> {
  return started({ handlers: { work }, ...options });
}
