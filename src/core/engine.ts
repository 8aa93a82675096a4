import { TaskQueueError } from "../model/common/errors.js";
import type { EnqueuedJob, Handlers } from "../model/handler/handler.js";
import type { Logger } from "../model/log/logger.js";
import { noTracer, type Tracer } from "../model/log/tracer.js";
import type { IdGenerator } from "../model/queue/ids.js";
import type { QueuePatterns } from "../model/queue/queue-patterns.js";
import type { JobRequest } from "../model/request/validate.js";
import type { Backend } from "./backend.js";
import type { Clock, Timer } from "./clock.js";
import { type EngineView, narrowEngine } from "./engine-view.js";
import type { HandlerRunner } from "./handler-runner.js";
import { Maintenance } from "./maintenance.js";
import { createNewJobs, type JobDefaults } from "./new-job.js";
import type { Observer } from "./observer.js";
import { createCreates } from "./operations/creates.js";
import { createDlqOperations } from "./operations/dlq-operations.js";
import { createJobOperations } from "./operations/job-operations.js";
import { createQueueOperations } from "./operations/queue-operations.js";
import { createScheduleOperations } from "./operations/schedule-operations.js";
import { createInProcessRunner } from "./pool/in-process-runner.js";
import { WorkerPool } from "./pool/worker-pool.js";
import { RemoteWorkers } from "./remote/remote-workers.js";
import type { WorkerInfo } from "./remote/worker-info.js";
import { ScheduleFirer } from "./schedules/schedule-firer.js";
import { takenHere } from "./untaken.js";
import { WatchHub } from "./watch/watch-hub.js";
import { createJobLog } from "./work/job-log.js";
import { createLeasing, type Leasing } from "./work/leasing.js";
import type { QueuePolicy } from "./work/queue-turns.js";
import { ReadyWork } from "./work/ready-work.js";

/** Delay before the queues are read again after that failed, ms. */
const RETRY_MS = 1000;

/** Dependencies of an engine. */
export interface EngineDeps {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly ids: IdGenerator;
  /** Returns a random number from 0 to 1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly observer: Observer;
  /** Default: nobody traces. */
  readonly tracer?: Tracer | undefined;
}

/** Settings of an engine. */
export interface EngineOptions {
  /** Handlers to run in this process. Not used when there is a `runner`. */
  readonly handlers: Handlers;
  /** Runs the handlers somewhere else. It is stopped with the engine. Default: `handlers` run in this process. */
  readonly runner?: HandlerRunner | undefined;
  /** Slots of the built-in worker pool; 0: none. */
  readonly numWorkers: number;
  readonly queuePolicy: QueuePolicy;
  /** How long a lease lasts unless it is extended, ms; the default of remote workers too. */
  readonly leaseMs: number;
  /** The worker name of the built-in pool. */
  readonly worker: string;
  /** Its id among the workers: a small number. Default `0`. */
  readonly poolId?: string | undefined;
  /** Returns the workers of other processes that belong to this server. Default: there are none. */
  readonly otherWorkers?: (() => Promise<readonly WorkerInfo[]>) | undefined;
  readonly jobDefaults: JobDefaults;
  /** Queues to create, if missing, at the start and when the store has lost its data. Default: none. */
  readonly queues?: readonly string[] | undefined;
  /** Called when the backend becomes reachable or unreachable. */
  readonly availableChanged?: ((isAvailable: boolean) => void) | undefined;
}

/** The whole core, as the services of the server and the library use it. */
export interface Engine extends EngineView {
  readonly backend: Backend;
  readonly watches: WatchHub;
  readonly leasing: Leasing;
  readonly remote: RemoteWorkers;
  /** Slots of the built-in pool that are in use. */
  readonly activeWorkers: number;
  /** Whether the backend is reachable. */
  readonly isAvailable: boolean;
  /** The engine as somebody sees it who may reach only these queues; see `narrowEngine`. To be kept for those with the same. */
  within(queues: QueuePatterns): EngineView;
  /** Starts the backend and begins to run jobs. Idempotent. */
  start(): Promise<void>;
  /**
   * Drains and stops: leases no more jobs, refuses creates with SERVER_DRAINING and notifies the remote workers; lets
   * running handlers and jobs on streams finish within `timeoutMs`, then aborts the handlers, releases their jobs, and
   * ends all streams and watches. The built-in pool leaves no job RUNNING, unless the backend is unreachable; remote
   * workers may go on and settle at another server. Idempotent.
   */
  stop(timeoutMs: number): Promise<void>;
}

/** Creates an engine; it does nothing until it is started. */
export function createEngine(deps: EngineDeps, options: EngineOptions): Engine {
  const { backend, clock, logger, observer, tracer = noTracer } = deps;
  const leasing = createLeasing({ backend, observer, random: deps.random, log: createJobLog(logger), tracer });
  const work = new ReadyWork(clock, options.queuePolicy);
  const runner = options.runner ?? createInProcessRunner(options.handlers);
  // What handlers create while the server drains is still taken: they could not finish otherwise.
  const creates = createCreates({ ...deps, tracer, log: createJobLog(logger) }, options.jobDefaults);
  const create = async (request: JobRequest): Promise<EnqueuedJob> => {
    const { job, deduplicated, replaced } = await creates.create(request);
    return { id: job.id, deduplicated, replaced };
  };
  const pool = new WorkerPool(
    { leasing, work, clock, logger, tracer, runner, create, createBatch: creates.createBatch },
    { size: options.numWorkers, leaseMs: options.leaseMs, worker: options.worker },
  );
  const remote = new RemoteWorkers({ ...deps, leasing, work, queues: (names) => backend.queues(names) }, options);
  const watches = new WatchHub(backend, clock);
  // A process that was stalled extends its own leases before a tick ends expired ones.
  const before = () => pool.keepAlive();
  const newJobs = createNewJobs(deps.ids, options.jobDefaults);
  const firer = new ScheduleFirer({ backend, newJobs, random: deps.random, observer, logger });
  const maintenance = new Maintenance(backend, clock, observer, logger, before, (due) => firer.fire(due));
  const jobs = createJobOperations(deps, options.jobDefaults);
  const schedules = createScheduleOperations({ backend, observer, newJobs });
  const queues = createQueueOperations(backend, options.jobDefaults.backoff);
  let startedAt = 0;
  let started: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;
  let retry: Timer | undefined;
  let refreshing: Promise<void> | undefined;
  let refreshAgain = false;
  let isAvailable = true;

  /** Reads the queues for the pool and the remote workers. One read at a time, so that no older result comes last. */
  function refreshQueues(): Promise<void> {
    refreshAgain = true;
    refreshing ??= readQueues().finally(() => {
      refreshing = undefined;
      // Queues may have changed right after the last read.
      if (refreshAgain && stopped === undefined && retry === undefined) void refreshQueues();
    });
    return refreshing;
  }

  async function readQueues(): Promise<void> {
    retry?.cancel();
    retry = undefined;
    while (refreshAgain) {
      refreshAgain = false;
      try {
        work.update(await backend.queueNames());
      } catch (error) {
        if (stopped !== undefined) return;
        logger.warn({ err: error }, "queues could not be read; trying again");
        retry ??= clock.setTimer(RETRY_MS, () => void refreshQueues());
      }
    }
  }

  async function createQueues(): Promise<void> {
    for (const name of options.queues ?? []) {
      await queues.create(name).catch((error) => {
        if (!(error instanceof TaskQueueError && error.reason === "QUEUE_EXISTS")) throw error;
      });
    }
  }

  async function start(): Promise<void> {
    startedAt = clock.now();
    await backend.start({
      ready(queue, types) {
        work.mark(queue, types);
        watches.queuesChanged(queue);
      },
      due: (inMs) => maintenance.due(inMs),
      changes(batch) {
        // Watchers first: the pool's reaction to a change may cause the next change at once.
        watches.changed(batch);
        if (batch.concernsWorkers) pool.changed(batch);
        remote.changed(batch);
      },
      counts: (queue) => watches.queuesChanged(queue),
      interrupted: () => watches.interrupted(),
      queues(name) {
        watches.queuesChanged(name);
        void refreshQueues();
      },
      available(value) {
        isAvailable = value;
        options.availableChanged?.(value);
        if (!value) return;
        work.reachable();
        pool.wake();
        void refreshQueues();
      },
      emptied() {
        createQueues().catch((error) => logger.warn({ err: error }, "queues could not be created"));
      },
      resync() {
        watches.resync();
        void pool.keepAlive(true).catch((error) => logger.warn({ err: error }, "leases could not be looked after"));
      },
      taken: () => takenHere(workers()),
    });
    await createQueues();
    await refreshQueues();
    // The engine may have been stopped meanwhile.
    if (stopped !== undefined) return;
    maintenance.start();
    pool.start();
  }

  async function stop(timeoutMs: number): Promise<void> {
    jobs.close();
    schedules.close();
    const fired = firer.stop();
    remote.drain(timeoutMs);
    const worked = pool.stop(timeoutMs).then(() => creates.close());
    await Promise.all([fired, worked, remote.quiet(timeoutMs)]);
    await remote.stop();
    work.close();
    watches.stop();
    maintenance.stop();
    retry?.cancel();
    await backend.stop();
  }

  function workers(): readonly WorkerInfo[] {
    return [...builtIn(), ...remote.list()];
  }

  function builtIn(): WorkerInfo[] {
    const { numWorkers, worker, leaseMs, poolId = "0" } = options;
    const { types } = runner;
    if (numWorkers === 0 || types.length === 0) return [];
    const { jobIds } = pool;
    const taken = { queues: [], types, capacity: numWorkers, jobIds, leaseMs };
    return [{ id: poolId, name: worker, kind: "BUILT_IN", ...taken, since: startedAt }];
  }

  const engine: Engine = {
    backend,
    jobs,
    queues,
    schedules,
    dlq: createDlqOperations(backend),
    watches,
    leasing,
    remote,
    workers,
    allWorkers: async () => [...workers(), ...((await options.otherWorkers?.()) ?? [])],
    get activeWorkers() {
      return pool.active;
    },
    get isAvailable() {
      return isAvailable;
    },
    start() {
      started ??= start();
      return started;
    },
    stop(timeoutMs) {
      stopped ??= stop(timeoutMs);
      return stopped;
    },
    within(names) {
      const createJobs = (narrow: Backend) => createJobOperations({ ...deps, backend: narrow }, options.jobDefaults);
      return narrowEngine(engine, names, createJobs);
    },
  };
  return engine;
}
