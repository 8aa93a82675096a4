import type { Transport } from "@connectrpc/connect";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { jobNotFound, TaskQueueError } from "../model/errors.js";
import { isFinal, type JobStatus } from "../model/job.js";
import type { BulkResult, JobFilter, JobQuery } from "../model/job-filter.js";
import { AUTOMATIC_PREFIX } from "../model/request-id.js";
import { type ActiveTrace, type CallerOptions, type CallSettings, createCaller } from "./calls.js";
import { type BulkCall, createDlqClient, type DlqClient } from "./dlq.js";
import { fromBulk, toBulk, toJobFilter, toPage } from "./filters.js";
import { createGatherTiming } from "./gather/gather-timing.js";
import { createGatheredJobs } from "./gather/gathered-jobs.js";
import { fromChange, fromJob, type Job, type JobChange, type JobPage, toStatuses } from "./job.js";
import { type JobUpdate, toUpdateRequest } from "./job-update.js";
import { payloadFormat } from "./json.js";
import { type NewJob, toCreateRequest } from "./new-job.js";
import { presentJob } from "./present.js";
import { createQueueClient, type QueueClient } from "./queues.js";
import { createRpc } from "./rpc.js";
import { createScheduleClient, type ScheduleClient } from "./schedules.js";

/** Which changes to watch. What is empty or not set matches all. */
export interface ChangeFilter {
  readonly queues?: Iterable<string> | undefined;
  readonly types?: Iterable<string> | undefined;
  readonly statuses?: Iterable<JobStatus> | undefined;
}

/** What a create came to. */
export interface CreateOutcome {
  /** Whether no job was created, as there was one: with this request id, or with the unique key. */
  readonly deduplicated: boolean;
  /** Whether the job that held the unique key became what this create asks for. */
  readonly replaced: boolean;
}

/** An event of `watchJobs`. `cursor` is the position after it: a watch that begins there misses no change. */
export type JobsEvent =
  | { readonly kind: "event"; readonly change: JobChange; readonly cursor: string }
  | { readonly kind: "heartbeat"; readonly cursor: string };

/** Client of a GoTaskQ server. Durations in ms, times in ms since 1970. Errors are `TaskQueueError`s. */
export interface TaskQueueClient {
  /**
   * Creates a job. `deduplicated`: a job with the given `requestId` existed, or one that holds the unique key; it is `job`, and none
   * was created. `replaced`: that one became what this one asks for.
   * FIELD_INVALID, JOB_EXISTS, QUEUE_NOT_FOUND, QUEUE_FULL.
   */
  create(job: NewJob, call?: CallSettings): Promise<{ readonly job: Job } & CreateOutcome>;
  /** Creates 1 to 1000 jobs, all or none. Resolves to one result for each, in order. Errors as of `create`. */
  createBatch(
    jobs: readonly NewJob[],
    call?: CallSettings,
  ): Promise<readonly ({ readonly id: string } & CreateOutcome)[]>;
  /** Creates a job, and resolves to it once it is DONE, DEAD or CANCELED. An abort of the signal leaves the job. */
  createAndWait(job: NewJob, call?: CallSettings): Promise<Job>;
  /** Resolves to a job once it is DONE, DEAD or CANCELED. JOB_NOT_FOUND, also when it is deleted before that. */
  wait(id: string, call?: CallSettings): Promise<Job>;
  /** Resolves to a job as it is now. JOB_NOT_FOUND. */
  get(id: string, call?: CallSettings): Promise<Job>;
  /** Resolves to one page, the newest job of all queues first. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  list(query?: JobQuery, call?: CallSettings): Promise<JobPage>;
  /** Counts the jobs that match: of those that it examines, about 100,000. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  count(filter?: JobFilter, call?: CallSettings & { readonly pageToken?: string }): Promise<BulkResult>;
  /**
   * Cancels a job: a waiting one is CANCELED at once, a running one stays RUNNING with `cancelRequested` until its
   * worker acknowledges or its lease ends. JOB_NOT_FOUND, JOB_STATE_CONFLICT.
   */
  cancel(id: string, call?: CallSettings): Promise<Job>;
  /**
   * Makes a PENDING job ready now that is scheduled or waits for its retry; one that is ready stays as it is. JOB_NOT_FOUND,
   * JOB_STATE_CONFLICT.
   */
  run(id: string, call?: CallSettings): Promise<Job>;
  /**
   * Changes priority, time or payload of a PENDING job, in one step; what is not given stays as it is. FIELD_INVALID, also for a time
   * at which it has expired; JOB_NOT_FOUND, JOB_STATE_CONFLICT, QUEUE_FULL.
   */
  update(id: string, changes: JobUpdate, call?: CallSettings): Promise<Job>;
  /**
   * Cancels up to 10,000 PENDING and RUNNING jobs that match, the oldest first. FIELD_INVALID, also for an empty filter without
   * `all`, and for `all` with another; PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  cancelMatching(filter: JobFilter, options?: BulkCall): Promise<BulkResult>;
  /** Deletes a job that is DONE, CANCELED or DEAD. JOB_NOT_FOUND, JOB_STATE_CONFLICT. */
  delete(id: string, call?: CallSettings): Promise<void>;
  /** Deletes up to 10,000 such jobs that match, the oldest first. Errors as of `cancelMatching`. */
  deleteMatching(filter: JobFilter, options?: BulkCall): Promise<BulkResult>;
  /**
   * Yields the job now, then after each change; ends after DONE, DEAD, CANCELED or deletion. A slow reader gets the
   * latest state instead of each. Reconnects by itself after a break, without a limit. JOB_NOT_FOUND.
   */
  watchJob(id: string, call?: CallSettings): AsyncIterable<Job>;
  /**
   * Yields the changes of all jobs that match, each once, after `cursor` or from now on, with heartbeats between.
   * Endless: reconnects by itself after a break, and misses no change. Throws WATCH_COMPACTED when the server no longer
   * keeps the changes after the cursor: list the jobs, then watch anew.
   */
  watchJobs(filter?: ChangeFilter, call?: CallSettings & { readonly cursor?: string }): AsyncIterable<JobsEvent>;
  readonly queues: QueueClient;
  readonly dlq: DlqClient;
  readonly schedules: ScheduleClient;
}

/** What a client takes from its runtime. */
export interface ClientRuntime {
  /** What its calls carry on. Default: nothing. */
  readonly activeTrace?: ActiveTrace | undefined;
  /** Runs something after all that makes calls in this turn of the event loop. Default: a microtask. */
  readonly afterTurn?: ((run: () => void) => void) | undefined;
}

/** Creates a client on any Connect transport. */
export function createTransportClient(
  transport: Transport,
  options: CallerOptions = {},
  { activeTrace, afterTurn }: ClientRuntime = {},
): TaskQueueClient {
  const rpc = createRpc(JobService, transport);
  const caller = createCaller(options, activeTrace);
  const gathered = createGatheredJobs(rpc, caller, createGatherTiming(afterTurn));
  const nextRequestId = caller.retries ? createRequestIds() : () => "";

  async function create(job: NewJob, call?: CallSettings) {
    const request = toCreateRequest(job, nextRequestId());
    const created = await gathered.create(request, call);
    return { job: created.job, ...outcomeOf(job, created) };
  }

  async function* watchJob(id: string, { signal }: CallSettings = {}): AsyncGenerator<Job> {
    let revision = 0;
    try {
      for await (const { event } of caller.resumed((options) => rpc.watchJob({ id, payloadFormat }, options), signal)) {
        if (event.case !== "job" || event.value.revision <= revision) continue;
        revision = event.value.revision;
        const job = fromJob(event.value);
        yield job;
        if (isFinal(job.status)) return;
      }
    } catch (error) {
      // The job was there before, so it was deleted while the watch was broken: the watch is over.
      const isGone = error instanceof TaskQueueError && error.reason === "JOB_NOT_FOUND";
      if (!isGone || revision === 0) throw error;
    }
  }

  async function waitFor(id: string, call?: CallSettings): Promise<Job> {
    let last: Job | undefined;
    for await (const job of watchJob(id, call)) last = job;
    if (last !== undefined && isFinal(last.status)) return last;
    throw jobNotFound(id, `job ${id} was deleted before it ended`);
  }

  return {
    create,
    async createBatch(jobs, call) {
      const requests = jobs.map((job, index) => toCreateRequest(job, nextRequestId(), `requests[${index}].`));
      const { results } = await caller.repeatable((options) => rpc.batchCreateJobs({ requests }, options), call);
      return results.map((result, index) => ({ id: result.jobId, ...outcomeOf(jobs[index] as NewJob, result) }));
    },
    async createAndWait(job, call) {
      return waitFor((await create(job, call)).job.id, call);
    },
    wait: waitFor,
    get: (id, call) => gathered.get(id, call),
    async list({ queue = "", type = "", ...query } = {}, call) {
      const request = { queue, type, filter: toJobFilter(query), ...toPage(query), payloadFormat };
      const { jobs, nextPageToken } = await caller.repeatable((options) => rpc.listJobs(request, options), call);
      return { jobs: jobs.map(fromJob), nextPageToken };
    },
    async count(filter = {}, { pageToken = "", ...call } = {}) {
      const request = { filter: toJobFilter(filter), pageToken };
      return fromBulk(await caller.repeatable((options) => rpc.countJobs(request, options), call));
    },
    async cancelMatching(filter, options = {}) {
      const request = { filter: toJobFilter(filter), ...toBulk(options) };
      return fromBulk(await caller.once((call) => rpc.cancelJobs(request, call), options));
    },
    async deleteMatching(filter, options = {}) {
      const request = { filter: toJobFilter(filter), ...toBulk(options) };
      return fromBulk(await caller.once((call) => rpc.deleteJobs(request, call), options));
    },
    async run(id, call) {
      // Not repeatable: by then the job may be RUNNING.
      return presentJob((await caller.once((options) => rpc.runJob({ id, payloadFormat }, options), call)).job);
    },
    async update(id, changes, call) {
      const request = { ...toUpdateRequest(id, changes), payloadFormat };
      // Not repeatable: a delay would begin anew, and by then the job may be RUNNING.
      return presentJob((await caller.once((options) => rpc.updateJob(request, options), call)).job);
    },
    cancel: (id, call) => gathered.cancel(id, call),
    async delete(id, call) {
      await caller.once((options) => rpc.deleteJob({ id }, options), call);
    },
    watchJob,
    async *watchJobs({ queues = [], types = [], statuses } = {}, { cursor = "", signal } = {}) {
      const filter = { queues: [...queues], types: [...types], statuses: toStatuses(statuses) };
      let position = cursor;
      const open = (options: Parameters<typeof rpc.watchJobs>[1]) =>
        rpc.watchJobs({ ...filter, cursor: position }, options);
      for await (const message of caller.resumed(open, signal)) {
        const { event } = message;
        position = message.cursor;
        if (event.case === "change") yield { kind: "event", change: fromChange(event.value), cursor: position };
        else if (event.case === "heartbeat") yield { kind: "heartbeat", cursor: position };
      }
    },
    queues: createQueueClient(transport, caller),
    dlq: createDlqClient(transport, caller),
    schedules: createScheduleClient(transport, caller),
  };
}

/**
 * What a create came to. A request id of our own is only known when an earlier try of this same call got through: of a job without a
 * unique key that says that it is new. Of one with a key the server tells it.
 */
function outcomeOf({ requestId, unique }: NewJob, { deduplicated, replaced }: CreateOutcome): CreateOutcome {
  return { deduplicated: deduplicated && (requestId !== undefined || unique !== undefined), replaced };
}

/** Returns a source of request ids that no other client makes: random bytes, and a count. */
function createRequestIds(): () => string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(9));
  const start = btoa(String.fromCharCode(...bytes));
  let count = 0;
  return () => `${AUTOMATIC_PREFIX}${start}.${(count++).toString(36)}`;
}
