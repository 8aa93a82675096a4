import { Console } from "node:console";
import { createSystemClock } from "./core/clock.js";
import { type Observer, silentObserver } from "./core/observer.js";
import type { CreatedJob, CreateOutcome } from "./core/operations/creates.js";
import type { DlqOperations } from "./core/operations/dlq-operations.js";
import type { JobPage } from "./core/operations/paging.js";
import type { QueueOperations } from "./core/operations/queue-operations.js";
import type { ChangeFilter } from "./core/port/changes.js";
import type { JobsEvent } from "./core/watch/watch-events.js";
import { type EngineSettings, setUpEngine } from "./engine-setup.js";
import type { JsonValue } from "./model/handler.js";
import type { Job } from "./model/job.js";
import type { BulkOptions, BulkResult, JobFilter, JobQuery } from "./model/job-filter.js";
import type { Logger } from "./model/logger.js";
import type { NewTask } from "./model/new-task.js";
import { toPayload } from "./model/task-payload.js";
import { toJobRequest, toTime } from "./model/task-request.js";
import { createTextLogger } from "./model/text-logger.js";
import { createTaskSchedules, type TaskSchedules } from "./task-schedules.js";
import { createTracer } from "./telemetry/tracer.js";

/** What is to change of a job; at least one thing. What is not given stays as it is. */
export interface TaskUpdate {
  /** 0 to 10, higher first. */
  readonly priority?: number | undefined;
  /** It is ready so long from now, ms; 0: at once. Not together with `runAfter`. */
  readonly delayMs?: number | undefined;
  /** When it is ready: a Date, or ms since 1970. */
  readonly runAfter?: Date | number | undefined;
  /** Any JSON value, or bytes. */
  readonly payload?: JsonValue | Uint8Array | undefined;
}

/** Settings of a task queue. All have defaults. Durations in ms. */
export interface TaskQueueOptions extends EngineSettings {
  /**
   * A pino logger, or one like it. Default: warnings and errors, failed attempts among them, are written to stderr.
   * `silentLogger` says nothing.
   */
  readonly logger?: Logger | undefined;
  /** Called with what happens to jobs, for metrics. Default: none. */
  readonly observer?: Observer | undefined;
}

/** A job queue inside a program: the core of GoTaskQ without the network. Errors are `TaskQueueError`s. */
export interface TaskQueue {
  /** Starts running jobs. Idempotent. */
  start(): Promise<void>;
  /**
   * Takes no more jobs, lets running handlers finish within `timeoutMs` (default 10,000), then aborts them and releases
   * their jobs. Idempotent.
   */
  stop(timeoutMs?: number): Promise<void>;
  /** Creates a job. FIELD_INVALID, JOB_EXISTS, QUEUE_NOT_FOUND, QUEUE_FULL. */
  create(task: NewTask): Promise<CreatedJob>;
  /** Creates 1 to 1000 jobs, all or none. Resolves to one result for each, in order. Errors as of `create`. */
  createBatch(tasks: readonly NewTask[]): Promise<readonly ({ readonly id: string } & CreateOutcome)[]>;
  /** Resolves to a job as it is now. JOB_NOT_FOUND. */
  get(id: string): Promise<Job>;
  /** Resolves to one page, the newest job of all queues first. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  list(query?: JobQuery): Promise<JobPage>;
  /** Counts the jobs that match, of about 100,000. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  count(filter?: JobFilter, pageToken?: string): Promise<BulkResult>;
  /**
   * Cancels a job: a waiting one is CANCELED at once, a running one stays RUNNING with `cancelRequested` until its
   * worker acknowledges or its lease ends. JOB_NOT_FOUND, JOB_STATE_CONFLICT.
   */
  cancel(id: string): Promise<Job>;
  /**
   * Makes a PENDING job ready now that is scheduled or waits for its retry; one that is ready stays as it is. JOB_NOT_FOUND,
   * JOB_STATE_CONFLICT.
   */
  run(id: string): Promise<Job>;
  /**
   * Changes priority, time or payload of a PENDING job, in one step. FIELD_INVALID, also for a time at which it has expired;
   * JOB_NOT_FOUND, JOB_STATE_CONFLICT, QUEUE_FULL.
   */
  update(id: string, changes: TaskUpdate): Promise<Job>;
  /**
   * Cancels up to 10,000 jobs that match, the oldest first. FIELD_INVALID, also for an empty filter without `all`;
   * PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  cancelMatching(filter: JobFilter, options?: BulkOptions): Promise<BulkResult>;
  /** Deletes a job that is DONE, CANCELED or DEAD. JOB_NOT_FOUND, JOB_STATE_CONFLICT. */
  remove(id: string): Promise<void>;
  /** Deletes up to 10,000 such jobs that match, the oldest first. Errors as of `cancelMatching`. */
  removeMatching(filter: JobFilter, options?: BulkOptions): Promise<BulkResult>;
  /** Yields the job now, then after each change; ends after DONE, DEAD, CANCELED or deletion. JOB_NOT_FOUND. */
  watchJob(id: string, signal?: AbortSignal): AsyncIterable<Job>;
  /**
   * Yields the changes of all jobs that match, after `cursor` or from now on, with heartbeats between. Endless.
   * WATCH_COMPACTED when the change log no longer reaches back to the cursor.
   */
  watchJobs(filter?: ChangeFilter, cursor?: string, signal?: AbortSignal): AsyncIterable<JobsEvent>;
  /**
   * Resolves to a job once it is DONE, DEAD or CANCELED. When it is deleted before that, or `signal` is aborted,
   * resolves to the last state seen. JOB_NOT_FOUND.
   */
  wait(id: string, signal?: AbortSignal): Promise<Job>;
  readonly queues: QueueOperations;
  readonly dlq: DlqOperations;
  readonly schedules: TaskSchedules;
}

/** Writes to stderr. A Console, as it ignores that nobody reads the other end any more. */
function writeStderr(text: string): void {
  new Console(process.stderr).error("%s", text);
}

/** Creates a task queue, in memory or on Redis. Nothing runs until it is started. */
export function createTaskQueue(options: TaskQueueOptions = {}): TaskQueue {
  const { logger = createTextLogger(writeStderr), observer = silentObserver } = options;
  const tracer = createTracer();
  const { engine } = setUpEngine(options, { clock: createSystemClock(), logger, observer, tracer });
  const { jobs, queues, dlq, watches } = engine;
  const schedules = createTaskSchedules(engine.schedules);

  async function* watchJob(id: string, signal = new AbortController().signal): AsyncGenerator<Job> {
    for await (const event of watches.watchJob(id, signal)) if (event.kind === "event") yield event.job;
  }

  return {
    start: () => engine.start(),
    stop: (timeoutMs = 10_000) => engine.stop(timeoutMs),
    create: async (task) => jobs.create(toJobRequest(task, tracer.active())),
    createBatch: async (tasks) =>
      jobs.createBatch(tasks.map((task, index) => toJobRequest(task, tracer.active(), `requests[${index}].`))),
    get: (id) => jobs.get(id),
    list: (query = {}) => jobs.list(query),
    count: (filter, pageToken) => jobs.count(filter, pageToken),
    cancel: (id) => jobs.cancel(id),
    run: (id) => jobs.run(id),
    update: async (id, { priority, delayMs, runAfter, payload }) =>
      jobs.update(id, { priority, delayMs, runAfter: toTime(runAfter), payload: toPayload(payload, "payload") }),
    cancelMatching: (filter, options) => jobs.cancelMatching(filter, options),
    remove: (id) => jobs.remove(id),
    removeMatching: (filter, options) => jobs.removeMatching(filter, options),
    watchJob,
    watchJobs: (filter = {}, cursor, signal = new AbortController().signal) =>
      watches.watchJobs(filter, cursor, signal),
    async wait(id, signal) {
      let last: Job | undefined;
      for await (const job of watchJob(id, signal)) last = job;
      return last ?? jobs.get(id);
    },
    queues,
    dlq,
    schedules,
  };
}
