/// <reference lib="esnext.disposable" preserve="true" />
import type { Transport } from "@connectrpc/connect";
import { JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import type { CallOptions } from "../api/call-options.js";
import type { CreatedJob, CreateOutcome } from "../api/created-job.js";
import { withinOne } from "../api/deadline.js";
import type { Job } from "../api/job.js";
import { createListing } from "../api/listing.js";
import { refusalOfJob, refusalOfJobs, refusalOfUpdate } from "../api/refusal.js";
import type { TaskQueue } from "../api/task-queue.js";
import { jobNotFound, TaskQueueError } from "../model/common/errors.js";
import { isFinal } from "../model/job/job.js";
import type { JobQuery } from "../model/job/job-filter.js";
import type { AnyJobs, JobTypes } from "../model/job/job-types.js";
import type { NewJob } from "../model/job/new-job.js";
import { AUTOMATIC_PREFIX } from "../model/job/request-id.js";
import { type ActiveTrace, type CallerOptions, createCaller } from "./calls.js";
import { fromBulk, toBulk, toJobFilter, toPage } from "./convert/filters.js";
import { fromChange, fromJob, toStatuses } from "./convert/job.js";
import { toUpdateRequest } from "./convert/job-update.js";
import { payloadFormat } from "./convert/json.js";
import { toCreateRequest } from "./convert/new-job.js";
import { presentJob } from "./convert/present.js";
import { createDeadLetters } from "./dead-letters.js";
import { createGatherTiming } from "./gather/gather-timing.js";
import { createGatheredJobs } from "./gather/gathered-jobs.js";
import { createQueues } from "./queues.js";
import { createRpc } from "./rpc.js";
import { createSchedules } from "./schedules.js";
import { createServer } from "./server.js";

/** A task queue on a server, or on several servers of one store. */
export interface TaskQueueClient<Jobs extends JobTypes<Jobs> = AnyJobs>
  extends TaskQueue<Jobs>,
    AsyncDisposable,
    Disposable {
  /**
   * Closes the connections; calls in flight fail. An idle connection does not keep the process alive. Idempotent. `using` and
   * `await using` do it at the end of a block.
   */
  close(): void;
}

/** What a client takes from its runtime. */
export interface ClientRuntime {
  /** What its calls carry on. Default: nothing. */
  readonly activeTrace?: ActiveTrace | undefined;
  /** Runs something after all that makes calls in this turn of the event loop. Default: a microtask. */
  readonly afterTurn?: ((run: () => void) => void) | undefined;
  /** How many servers the transport goes to. Default 1. */
  readonly servers?: number | undefined;
  /** Closes the transport. Default: there is nothing to close. */
  readonly close?: (() => void) | undefined;
}

/** Creates a client on any Connect transport. */
export function createTransportClient<Jobs extends JobTypes<Jobs> = AnyJobs>(
  transport: Transport,
  options: CallerOptions = {},
  runtime: ClientRuntime = {},
): TaskQueueClient<Jobs> {
  // What is in a job is a matter of types only.
  return createLooseClient(transport, options, runtime) as unknown as TaskQueueClient<Jobs>;
}

function createLooseClient(
  transport: Transport,
  options: CallerOptions,
  { activeTrace, afterTurn, servers, close = () => {} }: ClientRuntime,
): TaskQueueClient {
  const rpc = createRpc(JobService, transport);
  const caller = createCaller(options, { activeTrace, servers });
  const gathered = createGatheredJobs(rpc, caller, createGatherTiming(afterTurn));
  const nextRequestId = caller.retries ? createRequestIds() : () => "";

  async function create(job: NewJob, call?: CallOptions): Promise<CreatedJob> {
    const request = orRefusal(
      () => toCreateRequest(job, nextRequestId()),
      () => refusalOfJob(job),
    );
    const created = await gathered.create(request, call);
    return { job: created.job, ...outcomeOf(job, created) };
  }

  async function* watchJob(id: string, call?: CallOptions): AsyncGenerator<Job> {
    let revision = 0;
    try {
      for await (const { event } of caller.resumed((options) => rpc.watchJob({ id, payloadFormat }, options), call)) {
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

  async function wait(id: string, call?: CallOptions): Promise<Job> {
    for await (const job of watchJob(id, call)) if (isFinal(job.status)) return job;
    throw jobNotFound(id, `job ${id} was deleted before it ended`);
  }

  return {
    create: (job, call) => create(job, call) as never,
    async createBatch(jobs, call) {
      const requests = orRefusal(
        () => jobs.map((job, index) => toCreateRequest(job, nextRequestId(), `requests[${index}].`)),
        () => refusalOfJobs(jobs),
      );
      const { results } = await caller.repeatable((options) => rpc.batchCreateJobs({ requests }, options), call);
      return results.map((result, index) => ({ id: result.jobId, ...outcomeOf(jobs[index] as NewJob, result) }));
    },
    async createAndWait(job, call) {
      return withinOne(call, async (own) => wait((await create(job, own)).job.id, own)) as never;
    },
    wait: (id, call) => wait(id, call) as never,
    get: (id, call) => gathered.get(id, call) as never,
    list({ queue = "", type = "", ...query }: JobQuery = {}, call?: CallOptions) {
      return createListing(query.pageToken, async (pageToken) => {
        const request = { queue, type, filter: toJobFilter(query), ...toPage({ ...query, pageToken }), payloadFormat };
        const page = await caller.repeatable((options) => rpc.listJobs(request, options), call);
        return { items: page.jobs.map(fromJob), nextPageToken: page.nextPageToken };
      });
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
      const update = orRefusal(
        () => toUpdateRequest(id, changes),
        () => refusalOfUpdate(id, changes),
      );
      const request = { ...update, payloadFormat };
      // Not repeatable: a delay would begin anew, and by then the job may be RUNNING.
      return presentJob((await caller.once((options) => rpc.updateJob(request, options), call)).job) as never;
    },
    cancel: (id, call) => gathered.cancel(id, call),
    async delete(id, call) {
      await caller.once((options) => rpc.deleteJob({ id }, options), call);
    },
    watchJob: (id, call) => watchJob(id, call) as never,
    async *watchJobs({ queues = [], types = [], statuses } = {}, { cursor = "", ...call } = {}) {
      const filter = { queues: [...queues], types: [...types], statuses: toStatuses(statuses) };
      let position = cursor;
      const open = (options: Parameters<typeof rpc.watchJobs>[1]) =>
        rpc.watchJobs({ ...filter, cursor: position }, options);
      for await (const message of caller.resumed(open, call)) {
        const { event } = message;
        position = message.cursor;
        if (event.case === "change") yield { kind: "event", change: fromChange(event.value), cursor: position };
        else if (event.case === "heartbeat") yield { kind: "heartbeat", cursor: position };
      }
    },
    queues: createQueues(transport, caller),
    dlq: createDeadLetters(transport, caller),
    schedules: createSchedules(transport, caller),
    server: createServer(transport, caller),
    close,
    [Symbol.dispose]: close,
    [Symbol.asyncDispose]: async () => close(),
  };
}

/**
 * What a create came to. A request id of our own is only known when an earlier try of this same call got through: of a job without a
 * unique key that says that it is new. Of one with a key the server tells it.
 */
function outcomeOf({ requestId, unique }: NewJob, { deduplicated, replaced }: CreateOutcome): CreateOutcome {
  return { deduplicated: deduplicated && (Boolean(requestId) || unique !== undefined), replaced };
}

/** Converts something for a message. What no message can carry is refused as the core would, with all that is wrong with it. */
function orRefusal<T>(convert: () => T, refusal: () => TaskQueueError | undefined): T {
  try {
    return convert();
  } catch (error) {
    throw refusal() ?? error;
  }
}

/** Returns a source of request ids that no other client makes: random bytes, and a count. */
function createRequestIds(): () => string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(9));
  const start = btoa(String.fromCharCode(...bytes));
  let count = 0;
  return () => `${AUTOMATIC_PREFIX}${start}.${(count++).toString(36)}`;
}
