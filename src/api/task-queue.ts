import type { BulkResult, JobFilter, JobQuery, OfTypes } from "../model/job/job-filter.js";
import type { AnyJobs, JobTypes, PayloadOf, TypeOf } from "../model/job/job-types.js";
import type { JobUpdate, NewJob } from "../model/job/new-job.js";
import type { BulkCall, CallOptions } from "./call-options.js";
import type { CreatedId, CreatedJob } from "./created-job.js";
import type { DeadLetters } from "./dead-letters.js";
import type { ChangeFilter, Job, JobsEvent } from "./job.js";
import type { Listing } from "./listing.js";
import type { Queues } from "./queues.js";
import type { Schedules } from "./schedules.js";
import type { Server } from "./server.js";

/**
 * A task queue: in this program (`createTaskQueue` of `gotaskq`), or on a server (`createClient` of `gotaskq/client`). Both do the same,
 * and fail with the same `TaskQueueError`s. Durations in ms, times in ms since 1970.
 *
 * `Jobs` is the payload and result of each job type; see `JobTypes`. Default: any.
 */
export interface TaskQueue<Jobs extends JobTypes<Jobs> = AnyJobs> {
  /** Creates a job. FIELD_INVALID, REQUEST_ID_REUSED, JOB_EXISTS, QUEUE_NOT_FOUND, QUEUE_FULL. */
  create<Type extends TypeOf<Jobs>>(job: NewJob<Jobs, Type>, options?: CallOptions): Promise<CreatedJob<Jobs, Type>>;
  /** Creates 1 to 1000 jobs, all or none. Resolves to one result for each, in order. Errors as of `create`. */
  createBatch(jobs: readonly NewJob<Jobs>[], options?: CallOptions): Promise<readonly CreatedId[]>;
  /** Creates a job, and resolves to it once it is DONE, DEAD or CANCELED. An abort of the signal leaves the job. */
  createAndWait<Type extends TypeOf<Jobs>>(job: NewJob<Jobs, Type>, options?: CallOptions): Promise<Job<Jobs, Type>>;
  /** Resolves to a job once it is DONE, DEAD or CANCELED. JOB_NOT_FOUND, also when it is deleted before that. */
  wait<Type extends TypeOf<Jobs> = TypeOf<Jobs>>(id: string, options?: CallOptions): Promise<Job<Jobs, Type>>;
  /** Resolves to a job as it is now. JOB_NOT_FOUND. */
  get<Type extends TypeOf<Jobs> = TypeOf<Jobs>>(id: string, options?: CallOptions): Promise<Job<Jobs, Type>>;
  /**
   * Lists jobs, the newest of all queues first. A query that names types answers jobs with the payloads and results of these.
   * FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  list<Type extends TypeOf<Jobs>>(
    query: JobQuery<TypeOf<Jobs>> & OfTypes<Type>,
    options?: CallOptions,
  ): Listing<Job<Jobs, Type>>;
  list(query?: JobQuery<TypeOf<Jobs>>, options?: CallOptions): Listing<Job<Jobs>>;
  /** Counts the jobs that match: of those that it examines, about 100,000. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  count(
    filter?: JobFilter<TypeOf<Jobs>>,
    options?: CallOptions & { readonly pageToken?: string | undefined },
  ): Promise<BulkResult>;
  /**
   * Cancels a job: a waiting one is CANCELED at once, a running one stays RUNNING with `cancelRequested` until its
   * worker acknowledges or its lease ends. JOB_NOT_FOUND, JOB_STATE_CONFLICT.
   */
  cancel(id: string, options?: CallOptions): Promise<Job<Jobs>>;
  /**
   * Makes a PENDING job ready now that is scheduled or waits for its retry; one that is ready stays as it is. JOB_NOT_FOUND,
   * JOB_STATE_CONFLICT.
   */
  run(id: string, options?: CallOptions): Promise<Job<Jobs>>;
  /**
   * Changes priority, time or payload of a PENDING job, in one step; what is not given stays as it is. FIELD_INVALID, also for a time
   * at which it has expired; JOB_NOT_FOUND, JOB_STATE_CONFLICT, QUEUE_FULL.
   */
  update<Type extends TypeOf<Jobs> = TypeOf<Jobs>>(
    id: string,
    changes: JobUpdate<PayloadOf<Jobs, Type>>,
    options?: CallOptions,
  ): Promise<Job<Jobs, Type>>;
  /**
   * Cancels up to 10,000 PENDING and RUNNING jobs that match, the oldest first. FIELD_INVALID, also for an empty filter without
   * `all`, and for `all` with another; PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  cancelMatching(filter: JobFilter<TypeOf<Jobs>>, options?: BulkCall): Promise<BulkResult>;
  /** Deletes a job that is DONE, CANCELED or DEAD. JOB_NOT_FOUND, JOB_STATE_CONFLICT. */
  delete(id: string, options?: CallOptions): Promise<void>;
  /** Deletes up to 10,000 such jobs that match, the oldest first. Errors as of `cancelMatching`. */
  deleteMatching(filter: JobFilter<TypeOf<Jobs>>, options?: BulkCall): Promise<BulkResult>;
  /**
   * Yields the job now, then after each change; ends after DONE, DEAD, CANCELED or deletion. A slow reader gets the latest state instead
   * of each. JOB_NOT_FOUND.
   */
  watchJob<Type extends TypeOf<Jobs> = TypeOf<Jobs>>(id: string, options?: CallOptions): AsyncIterable<Job<Jobs, Type>>;
  /**
   * Yields the changes of all jobs that match, each once, after `cursor` or from now on, with heartbeats between. Endless.
   * WATCH_COMPACTED when the changes after the cursor are no longer kept: list the jobs, then watch anew.
   */
  watchJobs(
    filter?: ChangeFilter<TypeOf<Jobs>>,
    options?: CallOptions & { readonly cursor?: string | undefined },
  ): AsyncIterable<JobsEvent<TypeOf<Jobs>>>;
  readonly queues: Queues;
  /** Jobs that are DEAD. */
  readonly dlq: DeadLetters<Jobs>;
  readonly schedules: Schedules<Jobs>;
  /** What runs the queue. */
  readonly server: Server;
}
