import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { DeadJobFilterSchema, DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { fieldInvalid } from "../model/errors.js";
import type { BulkOptions, DeadJobFilter, DeadJobQuery } from "../model/job-filter.js";
import { LIMITS } from "../model/limits.js";
import type { Caller, CallSettings } from "./calls.js";
import { fromJob, type Job, type JobPage } from "./job.js";
import { presentJob } from "./present.js";

/** Settings of a bulk operation on dead jobs, and of its call. */
export interface BulkCall extends BulkOptions, CallSettings {}

/** Lists, replays and deletes jobs of the dead-letter queue. Errors are `TaskQueueError`s. */
export interface DlqClient {
  /** Resolves to one page of dead jobs, the latest to die in any queue first. */
  list(filter?: DeadJobQuery, call?: CallSettings): Promise<JobPage>;
  /** Resolves to a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  get(id: string, call?: CallSettings): Promise<Job>;
  /** Makes a dead job PENDING again, and resolves to it. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  replay(id: string, call?: CallSettings): Promise<Job>;
  /**
   * Replays the dead jobs that match, the first to die first. Resolves to how many. FIELD_INVALID for an empty filter
   * without `all`, and for `all` with another.
   */
  replayMatching(filter: DeadJobFilter, options?: BulkCall): Promise<number>;
  /** Deletes a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  delete(id: string, call?: CallSettings): Promise<void>;
  /** Deletes the dead jobs that match, the first to die first. Resolves to how many. Errors as of `replayMatching`. */
  purgeMatching(filter: DeadJobFilter, options?: BulkCall): Promise<number>;
}

/** Creates the client of DlqService. */
export function createDlqClient(transport: Transport, caller: Caller): DlqClient {
  const rpc = createClient(DlqService, transport);
  const time = (field: string, ms: number) => {
    if (ms >= LIMITS.minTime && ms <= LIMITS.maxTime) return timestampFromMs(ms);
    throw fieldInvalid([{ field, description: `must be a time in the years 1 to 9999, got ${ms}` }]);
  };
  const bulk = (filter: DeadJobFilter, { max = 0, dryRun = false, all = false }: BulkOptions) => {
    const { queue, type, errorContains, diedAfter, diedBefore } = filter;
    return {
      filter: create(DeadJobFilterSchema, {
        queue,
        type,
        errorContains,
        diedAfter: diedAfter === undefined ? undefined : time("diedAfter", diedAfter),
        diedBefore: diedBefore === undefined ? undefined : time("diedBefore", diedBefore),
      }),
      max,
      dryRun,
      all,
    };
  };
  return {
    async list({ queue, type, pageSize, pageToken } = {}, call) {
      const filter = { queue, type, pageSize, pageToken };
      const { jobs, nextPageToken } = await caller.repeatable((options) => rpc.listDeadJobs(filter, options), call);
      return { jobs: jobs.map(fromJob), nextPageToken };
    },
    async get(id, call) {
      return presentJob((await caller.repeatable((options) => rpc.getDeadJob({ id }, options), call)).job);
    },
    async replay(id, call) {
      return presentJob((await caller.once((options) => rpc.replayDeadJob({ id }, options), call)).job);
    },
    async replayMatching(filter, options = {}) {
      return (await caller.once((call) => rpc.replayDeadJobs(bulk(filter, options), call), options)).count;
    },
    async delete(id, call) {
      await caller.once((options) => rpc.deleteDeadJob({ id }, options), call);
    },
    async purgeMatching(filter, options = {}) {
      return (await caller.once((call) => rpc.purgeDeadJobs(bulk(filter, options), call), options)).count;
    },
  };
}
