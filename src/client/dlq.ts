import { timestampMs } from "@bufbuild/protobuf/wkt";
import { createClient, type Transport } from "@connectrpc/connect";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import type {
  BulkOptions,
  BulkResult,
  DeadJobFilter,
  DeadJobQuery,
  DeadSummary,
  SummaryOptions,
} from "../model/job-filter.js";
import type { Caller, CallSettings } from "./calls.js";
import { fromBulk, toBulk, toDeadJobFilter, toPage } from "./filters.js";
import { fromJob, type Job, type JobPage } from "./job.js";
import { payloadFormat } from "./json.js";
import { presentJob } from "./present.js";

/** Settings of an operation on all jobs that match a filter, and of its call. */
export interface BulkCall extends BulkOptions, CallSettings {}

/** Lists, counts, replays and deletes jobs of the dead-letter queue. Errors are `TaskQueueError`s. */
export interface DlqClient {
  /** Resolves to one page of dead jobs, the latest to die in any queue first. FIELD_INVALID, PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND. */
  list(query?: DeadJobQuery, call?: CallSettings): Promise<JobPage>;
  /**
   * Counts dead jobs by queue, type and error with numbers and ids taken out: those that it examines, about 100,000. FIELD_INVALID,
   * PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  summarize(filter?: DeadJobFilter, options?: SummaryOptions & CallSettings): Promise<DeadSummary>;
  /** Resolves to a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  get(id: string, call?: CallSettings): Promise<Job>;
  /** Makes a dead job PENDING again, and resolves to it. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  replay(id: string, call?: CallSettings): Promise<Job>;
  /**
   * Replays up to 10,000 dead jobs that match, the first to die first. FIELD_INVALID, also for an empty filter without `all`, and for
   * `all` with another; PAGE_TOKEN_INVALID, QUEUE_NOT_FOUND.
   */
  replayMatching(filter: DeadJobFilter, options?: BulkCall): Promise<BulkResult>;
  /** Deletes a dead job. JOB_NOT_FOUND; JOB_STATE_CONFLICT when it is not DEAD. */
  delete(id: string, call?: CallSettings): Promise<void>;
  /** Deletes up to 10,000 dead jobs that match, the first to die first. Errors as of `replayMatching`. */
  purgeMatching(filter: DeadJobFilter, options?: BulkCall): Promise<BulkResult>;
}

/** Creates the client of DlqService. */
export function createDlqClient(transport: Transport, caller: Caller): DlqClient {
  const rpc = createClient(DlqService, transport);
  return {
    async list({ queue = "", type = "", ...query } = {}, call) {
      const request = { queue, type, filter: toDeadJobFilter(query), ...toPage(query), payloadFormat };
      const { jobs, nextPageToken } = await caller.repeatable((options) => rpc.listDeadJobs(request, options), call);
      return { jobs: jobs.map(fromJob), nextPageToken };
    },
    async summarize(filter = {}, { maxGroups = 0, pageToken = "", ...call } = {}) {
      const request = { filter: toDeadJobFilter(filter), maxGroups, pageToken };
      const summary = await caller.repeatable((options) => rpc.summarizeDeadJobs(request, options), call);
      const groups = summary.groups.map(({ queue, type, error, count, sampleId, lastDiedAt }) => ({
        ...{ queue, type, error, count, sampleId },
        lastDiedAt: lastDiedAt ? timestampMs(lastDiedAt) : 0,
      }));
      return { ...fromBulk(summary), groups, otherCount: summary.otherCount };
    },
    async get(id, call) {
      return presentJob(
        (await caller.repeatable((options) => rpc.getDeadJob({ id, payloadFormat }, options), call)).job,
      );
    },
    async replay(id, call) {
      return presentJob((await caller.once((options) => rpc.replayDeadJob({ id, payloadFormat }, options), call)).job);
    },
    async replayMatching(filter, options = {}) {
      const request = { filter: toDeadJobFilter(filter), ...toBulk(options) };
      return fromBulk(await caller.once((call) => rpc.replayDeadJobs(request, call), options));
    },
    async delete(id, call) {
      await caller.once((options) => rpc.deleteDeadJob({ id }, options), call);
    },
    async purgeMatching(filter, options = {}) {
      const request = { filter: toDeadJobFilter(filter), ...toBulk(options) };
      return fromBulk(await caller.once((call) => rpc.purgeDeadJobs(request, call), options));
    },
  };
}
