import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { type JobResult, JobResultSchema } from "../../../gen/gotaskq/v1/job_pb.js";
import {
  BatchCancelJobsResponseSchema,
  BatchCreateJobsResponseSchema,
  type BatchCreateJobsResult,
  BatchCreateJobsResultSchema,
  BatchGetJobsResponseSchema,
  CreateJobResponseSchema,
  GetJobResponseSchema,
  type JobService,
  ListJobsResponseSchema,
  type WatchJobResponse,
  WatchJobResponseSchema,
  type WatchJobsResponse,
  WatchJobsResponseSchema,
} from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { EngineView } from "../../core/engine-view.js";
import type { CreateOutcome, OneCreated } from "../../core/operations/creates.js";
import type { JobOutcome } from "../../core/operations/jobs-by-id.js";
import { checkChanges, checkWatchedJob } from "../../core/watch/check-watch.js";
import type { JobEvent, JobsEvent } from "../../core/watch/watch-events.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { LIMITS } from "../../model/common/limits.js";
import { isId, jobIdOf, numberOf, queueOf } from "../../model/queue/ids.js";
import { Violations } from "../../model/request/violations.js";
import { MessageFeed } from "../message-feed.js";
import { toStatus } from "../status.js";
import { traceContextOf } from "../trace-context-of.js";
import {
  fromChange,
  fromHeartbeat,
  fromJob,
  fromNewJob,
  toJobRequest,
  toStatuses,
  toUpdateRequest,
} from "./convert.js";
import { toBulkOptions, toJobFilter, toJobQuery } from "./convert-filter.js";
import { asText } from "./convert-payload.js";

/** Implements JobService on the core. */
export function createJobService({ jobs, queues, watches }: EngineView): ServiceImpl<typeof JobService> {
  return {
    async createJob(request, context) {
      const violations = new Violations();
      const isText = asText(request.payloadFormat, violations);
      const created = await jobs.create(toJobRequest(violations, request, traceContextOf(context)), violations);
      const { job, deduplicated, replaced } = created;
      return { $typeName: CreateJobResponseSchema.typeName, job: fromJob(job, isText), deduplicated, replaced };
    },

    async batchCreateJobs({ requests, allowPartial }, context) {
      const violations = new Violations();
      violations.count("requests", requests, 1, LIMITS.batch);
      violations.throwIfAny();
      const traceContext = traceContextOf(context);
      if (allowPartial) {
        const formats: boolean[] = [];
        const each = requests.map((request) => {
          const own = new Violations();
          formats.push(asText(request.payloadFormat, own));
          return { request: toJobRequest(own, request, traceContext), violations: own };
        });
        const outcomes = await jobs.createEach(each);
        return {
          $typeName: BatchCreateJobsResponseSchema.typeName,
          results: outcomes.map((outcome, at) => toOneResult(outcome, formats[at] === true, context)),
        };
      }
      const given = requests.map((request, index) => {
        violations.enter("requests", index);
        asText(request.payloadFormat, violations);
        return toJobRequest(violations, request, traceContext);
      });
      violations.leave();
      const results = await jobs.createBatch(given, violations);
      return {
        $typeName: BatchCreateJobsResponseSchema.typeName,
        results: results.map(toResult),
      };
    },

    async getJob({ id, queue, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { $typeName: GetJobResponseSchema.typeName, job: fromJob(await jobs.get(toJobId(id, queue)), isText) };
    },

    async batchGetJobs({ ids, payloadFormat }, context) {
      const isText = asText(payloadFormat);
      const outcomes = await jobs.getEach(ids);
      const results = outcomes.map((outcome) => toJobResult(outcome, isText, context));
      return { $typeName: BatchGetJobsResponseSchema.typeName, results };
    },

    async batchCancelJobs({ ids, payloadFormat }, context) {
      const isText = asText(payloadFormat);
      const outcomes = await jobs.cancelEach(ids);
      const results = outcomes.map((outcome) => toJobResult(outcome, isText, context));
      return { $typeName: BatchCancelJobsResponseSchema.typeName, results };
    },

    async listJobs(request) {
      const violations = new Violations();
      const isText = asText(request.payloadFormat, violations);
      const page = await jobs.list(toJobQuery(violations, request), violations, "filter.");
      const list = page.jobs.map((job) => fromJob(job, isText));
      return create(ListJobsResponseSchema, { jobs: list, nextPageToken: page.nextPageToken });
    },

    async countJobs({ filter, pageToken }) {
      const violations = new Violations();
      return jobs.count(toJobFilter(violations, filter), pageToken, violations);
    },

    async cancelJobs(request) {
      const violations = new Violations();
      return jobs.cancelMatching(toJobFilter(violations, request.filter), toBulkOptions(request), violations);
    },

    async deleteJobs(request) {
      const violations = new Violations();
      return jobs.removeMatching(toJobFilter(violations, request.filter), toBulkOptions(request), violations);
    },

    async cancelJob({ id, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { job: fromJob(await jobs.cancel(id), isText) };
    },

    async runJob({ id, payloadFormat }) {
      const isText = asText(payloadFormat);
      return { job: fromJob(await jobs.run(id), isText) };
    },

    async updateJob(request) {
      const violations = new Violations();
      const isText = asText(request.payloadFormat, violations);
      const changes = toUpdateRequest(violations, request);
      return { job: fromJob(await jobs.update(request.id, changes, violations), isText) };
    },

    async deleteJob({ id }) {
      await jobs.remove(id);
      return {};
    },

    watchJob({ id, payloadFormat }) {
      const violations = new Violations();
      const isText = asText(payloadFormat, violations);
      checkWatchedJob(violations, id);
      return new MessageFeed(watches.watchJob(id), isText ? toTextWatchJobResponse : toWatchJobResponse);
    },

    watchJobs(request) {
      const violations = new Violations();
      const { queues: names, types } = request;
      const statuses = toStatuses(violations, "statuses", request.statuses);
      const filter = checkChanges(violations, { queues: names, types, statuses });
      // Refuses unknown queues: a watch of a queue that does not exist would be silent for ever.
      const admit = async () => {
        for (const name of names) await queues.get(name);
      };
      const feed = watches.watchJobs(filter, request.cursor || undefined, undefined, admit);
      return new MessageFeed(feed, toWatchJobsResponse);
    },
  };
}

/** Shared by all: it is never changed. */
const NO_OUTCOME = { case: undefined } as const;

function toResult({ id, deduplicated, replaced }: { readonly id: string } & CreateOutcome): BatchCreateJobsResult {
  const { typeName: $typeName } = BatchCreateJobsResultSchema;
  return { $typeName, jobId: id, deduplicated, replaced, outcome: NO_OUTCOME };
}

/** What came of one request of a batch that decides each for itself. */
function toOneResult(
  outcome: OneCreated | TaskQueueError,
  isText: boolean,
  context: HandlerContext,
): BatchCreateJobsResult {
  const { typeName: $typeName } = BatchCreateJobsResultSchema;
  if (outcome instanceof TaskQueueError) {
    const error = { case: "error", value: toStatus(outcome, context) } as const;
    return { $typeName, jobId: "", deduplicated: false, replaced: false, outcome: error };
  }
  const { job, isNew, deduplicated, replaced } = outcome;
  const value = isNew ? fromNewJob(job) : fromJob(job, isText);
  return { $typeName, jobId: job.id, deduplicated, replaced, outcome: { case: "job", value } };
}

function toJobResult(outcome: JobOutcome, isText: boolean, context: HandlerContext): JobResult {
  return {
    $typeName: JobResultSchema.typeName,
    outcome:
      outcome instanceof TaskQueueError
        ? { case: "error", value: toStatus(outcome, context) }
        : { case: "job", value: fromJob(outcome, isText) },
  };
}

/** Watchers who get the same share one function: each event is made and written once for all of them. */
function toWatchJobResponse(event: JobEvent): WatchJobResponse {
  return watchJobResponse(event, false);
}

function toTextWatchJobResponse(event: JobEvent): WatchJobResponse {
  return watchJobResponse(event, true);
}

function watchJobResponse(event: JobEvent, isText: boolean): WatchJobResponse {
  return {
    $typeName: WatchJobResponseSchema.typeName,
    event:
      event.kind === "event"
        ? { case: "job", value: fromJob(event.job, isText) }
        : { case: "heartbeat", value: fromHeartbeat(event.at) },
  };
}

function toWatchJobsResponse(event: JobsEvent): WatchJobsResponse {
  return {
    $typeName: WatchJobsResponseSchema.typeName,
    cursor: event.cursor,
    event:
      event.kind === "event"
        ? { case: "change", value: fromChange(event.change) }
        : { case: "heartbeat", value: fromHeartbeat(event.at) },
  };
}

/**
 * The id that a request means by an id, or a bare number, and the queue given beside it. Throws FIELD_INVALID if the id names
 * another queue.
 */
function toJobId(id: string, queue: string): string {
  if (queue === "" || !isId(id) || queueOf(id) === queue) return id;
  const violations = new Violations();
  violations.queueName("queue", queue);
  if (numberOf(id) !== id) violations.add("queue", `is not the queue that the id names: ${queueOf(id)}`);
  violations.throwIfAny();
  return jobIdOf(queue, id);
}
