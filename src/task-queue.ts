/// <reference lib="esnext.disposable" preserve="true" />
import { Console } from "node:console";
import type { CallOptions } from "./api/call-options.js";
import type { Job } from "./api/job.js";
import { createListing } from "./api/listing.js";
import type { TaskQueue } from "./api/task-queue.js";
import { type Clock, createSystemClock } from "./core/clock.js";
import { type Observer, silentObserver } from "./core/observer.js";
import { createObserverRelay } from "./core/observer-relay.js";
import { checkChanges, checkWatchedJob } from "./core/watch/check-watch.js";
import { DEFAULT_LEASE_MS, type EngineSettings, setUpEngine } from "./engine-setup.js";
import { createCalls } from "./library/calls.js";
import { createDeadLetters } from "./library/dead-letters.js";
import { toJob } from "./library/local-job.js";
import { createQueues } from "./library/queues.js";
import { createSchedules } from "./library/schedules.js";
import { createLocalServer } from "./library/server.js";
import { jobNotFound, serverDraining } from "./model/common/errors.js";
import type { Handlers, HandlersOf } from "./model/handler/handler.js";
import { isFinal } from "./model/job/job.js";
import type { JobQuery } from "./model/job/job-filter.js";
import type { AnyJobs, JobTypes } from "./model/job/job-types.js";
import type { Logger } from "./model/log/logger.js";
import { createTextLogger } from "./model/log/text-logger.js";
import { toJobRequest, toJobRequests, toUpdateRequest } from "./model/request/job-request.js";
import { Violations } from "./model/request/violations.js";
import { rememberParts } from "./queue-parts.js";
import { createTracer } from "./telemetry/tracer.js";

/** Settings of a task queue. All have defaults. Durations in ms. */
export interface TaskQueueOptions<H = Handlers> extends Omit<EngineSettings, "handlers"> {
  /** Handlers by job type. Default: none, so that jobs wait for workers elsewhere. */
  readonly handlers?: H | undefined;
  /**
   * A pino logger, or one like it. Default: warnings and errors, failed attempts among them, are written to stderr.
   * `silentLogger` says nothing.
   */
  readonly logger?: Logger | undefined;
  /** Called with what happens to jobs, for metrics. Default: none. */
  readonly observer?: Observer | undefined;
}

/** A task queue inside this program: the core of GoTaskQ without the network. Its server is the program itself. */
export interface LocalTaskQueue<Jobs extends JobTypes<Jobs> = AnyJobs> extends TaskQueue<Jobs>, AsyncDisposable {
  /** Starts running jobs. Idempotent. */
  start(): Promise<void>;
  /**
   * Takes no more jobs, lets running handlers finish within `timeoutMs` (default 10,000), then aborts them and releases
   * their jobs. Idempotent. `await using` does it at the end of a block.
   */
  stop(options?: { readonly timeoutMs?: number | undefined }): Promise<void>;
}

/** Writes to stderr. A Console, as it ignores that nobody reads the other end any more. */
function writeStderr(text: string): void {
  new Console(process.stderr).error("%s", text);
}

/**
 * Creates a task queue, in memory, in a file or on Redis. Nothing runs until it is started. With `Jobs` given, jobs and handlers that do
 * not fit what is declared do not compile; see `JobTypes`.
 */
export function createTaskQueue(options?: TaskQueueOptions): LocalTaskQueue;
export function createTaskQueue<Jobs extends JobTypes<Jobs>>(
  options?: TaskQueueOptions<Partial<HandlersOf<Jobs>>>,
): LocalTaskQueue<Jobs>;
export function createTaskQueue(options: TaskQueueOptions<object> = {}): LocalTaskQueue {
  // What is in a job is a matter of types only.
  return createLocalTaskQueue(options as TaskQueueOptions, createSystemClock());
}

/** Creates a task queue that goes by this clock. */
export function createLocalTaskQueue(options: TaskQueueOptions, clock: Clock): LocalTaskQueue {
  const { logger = createTextLogger(writeStderr), observer = silentObserver } = options;
  const tracer = createTracer();
  const relay = createObserverRelay(observer);
  const listeners: ((isAvailable: boolean) => void)[] = [];
  const { engine, nodeId } = setUpEngine(
    options,
    { clock, logger, observer: relay.observer, tracer },
    {
      availableChanged(isAvailable) {
        for (const listener of listeners) listener(isAvailable);
      },
    },
  );
  const { jobs, watches } = engine;
  const calls = createCalls(clock);
  const { leaseMs = DEFAULT_LEASE_MS, runner, handlers = {} } = options;
  let isRunning = false;
  let isStopping = false;

  async function stop({ timeoutMs = 10_000 } = {}): Promise<void> {
    isStopping = true;
    isRunning = false;
    await engine.stop(timeoutMs);
  }

  async function* watchJob(id: string, call?: CallOptions): AsyncGenerator<Job> {
    const open = (signal: AbortSignal) => watches.watchJob(checkWatchedJob(new Violations(), id), signal);
    for await (const event of calls.stream(open, call)) {
      if (event.kind === "event") yield toJob(event.job);
    }
  }

  async function wait(id: string, call?: CallOptions): Promise<Job> {
    for await (const job of watchJob(id, call)) if (isFinal(job.status)) return job;
    throw isStopping ? serverDraining() : jobNotFound(id, `job ${id} was deleted before it ended`);
  }

  const queue: LocalTaskQueue = {
    async start() {
      await engine.start();
      isRunning = !isStopping;
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
    create: (job, call) =>
      calls.one(() => {
        const created = jobs.create(toJobRequest(job, tracer.active()));
        return created.then(({ job, deduplicated, replaced }) => ({ job: toJob(job), deduplicated, replaced }));
      }, call),
    createBatch: (list, call) => calls.one(async () => jobs.createBatch(toJobRequests(list, tracer.active())), call),
    async createAndWait(job, call) {
      return calls.together(async (own) => wait((await queue.create(job, own)).job.id, own), call) as never;
    },
    wait: (id, call) => wait(id, call) as never,
    get: (id, call) => calls.one(async () => toJob(await jobs.get(id)), call),
    list: (query: JobQuery = {}, call?: CallOptions) =>
      createListing(query.pageToken, (pageToken) =>
        calls.one(async () => {
          const page = await jobs.list({ ...query, pageToken });
          return { items: page.jobs.map(toJob), nextPageToken: page.nextPageToken };
        }, call),
      ),
    count: (filter, call) => calls.one(() => jobs.count(filter, call?.pageToken), call),
    cancel: (id, call) => calls.one(async () => toJob(await jobs.cancel(id)), call),
    run: (id, call) => calls.one(async () => toJob(await jobs.run(id)), call),
    update: (id, changes, call) => calls.one(async () => toJob(await jobs.update(id, toUpdateRequest(changes))), call),
    cancelMatching: (filter, call) => calls.one(() => jobs.cancelMatching(filter, call), call),
    delete: (id, call) => calls.one(() => jobs.remove(id), call),
    deleteMatching: (filter, call) => calls.one(() => jobs.removeMatching(filter, call), call),
    watchJob: (id, call) => watchJob(id, call) as never,
    watchJobs({ queues = [], types = [], statuses = [] } = {}, { cursor, ...call } = {}) {
      const names = [...queues];
      const asked = { queues: names, types: [...types], statuses: [...statuses] };
      // Refuses unknown queues: a watch of a queue that does not exist would be silent for ever.
      const admit = async () => {
        for (const name of names) await engine.queues.get(name);
      };
      return calls.stream(
        (signal) => watches.watchJobs(checkChanges(new Violations(), asked), cursor || undefined, signal, admit),
        call,
      );
    },
    queues: createQueues(engine, calls),
    dlq: createDeadLetters(engine.dlq, calls),
    schedules: createSchedules(engine.schedules, calls),
    server: createLocalServer(
      {
        ...{ engine, clock, nodeId, leaseMs },
        ...{ isRunning: () => isRunning, isStopping: () => isStopping },
      },
      calls,
    ),
  };
  const types = runner?.types ?? Object.keys(handlers);
  const onAvailable = (listener: (isAvailable: boolean) => void) => void listeners.push(listener);
  rememberParts(queue, { engine, nodeId, leaseMs, types, tracer, relay, onAvailable });
  return queue;
}
