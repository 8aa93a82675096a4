import { create } from "@bufbuild/protobuf";
import type { Client, CallOptions as RpcOptions } from "@connectrpc/connect";
import { type Job as JobPb, type JobResult, TraceContextSchema } from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequest, JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { CallOptions } from "../../api/call-options.js";
import { withinOne } from "../../api/deadline.js";
import type { Job } from "../../api/job.js";
import { TaskQueueError } from "../../model/common/errors.js";
import { readTraceHeaders } from "../../model/log/trace-context.js";
import type { Caller, CallParts } from "../calls.js";
import { converters } from "../convert/converters.js";
import { toTaskQueueError } from "../convert/errors.js";
import { fromJob } from "../convert/job.js";
import { payloadFormat } from "../convert/json.js";
import { presentJob } from "../convert/present.js";
import type { CallHeaders } from "../token.js";
import { createdJob } from "./created-job.js";
import type { GatherTiming } from "./gather-timing.js";
import { Gatherer } from "./gatherer.js";
import { requestBytes, traceBytes } from "./request-bytes.js";
import { toResultError } from "./result-error.js";
import { incomplete } from "./shared-errors.js";

/** What the server answered to a create. */
export interface Created {
  readonly job: Job;
  readonly deduplicated: boolean;
  readonly replaced: boolean;
}

/** Calls for single jobs. Those that are under way together go to the server as one: see `Gatherer`. */
export interface GatheredJobs {
  create(request: CreateJobRequest, settings?: CallOptions): Promise<Created>;
  get(id: string, settings?: CallOptions): Promise<Job>;
  cancel(id: string, settings?: CallOptions): Promise<Job>;
}

/** One call, with the headers that it sends when it goes alone. */
interface Single<I> {
  readonly request: I;
  readonly headers: CallHeaders | undefined;
}

const { text } = converters();

/** From so many characters of payloads and results on, the server may have left others out of an answer. */
const LARGE_ANSWER = 2 ** 18;

/** Creates what gathers calls of a client. */
export function createGatheredJobs(rpc: Client<typeof JobService>, caller: Caller, timing: GatherTiming): GatheredJobs {
  const creates = new Gatherer<Single<CreateJobRequest>, Created>(
    {
      async one({ request, headers }, options) {
        const { job, deduplicated, replaced } = await rpc.createJob(request, withHeaders(options, headers));
        return { job: presentJob(job), deduplicated, replaced };
      },
      async many(items, options) {
        const requests = items.map(withTrace);
        const { results } = await rpc.batchCreateJobs({ requests, allowPartial: true }, options);
        // To ask again for those that are left out could create them twice.
        if (results.length !== items.length) throw incomplete();
        return results.map((result, index) =>
          answerOf(result, (job) => {
            const { deduplicated, replaced } = result;
            return { job: createdJob(requests[index] as CreateJobRequest, job, deduplicated), deduplicated, replaced };
          }),
        );
      },
    },
    timing,
  );

  const reads = new Gatherer<Single<string>, Job>(
    {
      one: async ({ request: id, headers }, options) =>
        presentJob((await rpc.getJob({ id, payloadFormat }, withHeaders(options, headers))).job),
      async many(items, options) {
        const ids = items.map(({ request }) => request);
        return (await rpc.batchGetJobs({ ids, payloadFormat }, options)).results.map((result) =>
          answerOf(result, fromJob),
        );
      },
    },
    timing,
  );

  const cancels = new Gatherer<Single<string>, Job>(
    {
      one: async ({ request: id, headers }, options) =>
        presentJob((await rpc.cancelJob({ id, payloadFormat }, withHeaders(options, headers))).job),
      async many(items, options) {
        const ids = items.map(({ request }) => request);
        const { results } = await rpc.batchCancelJobs({ ids, payloadFormat }, options);
        const answers = results.map((result) => answerOf(result, fromJob));
        if (answers.length < items.length) throw incomplete();
        if (results.reduce((sum, result) => sum + contentLength(result), 0) < LARGE_ANSWER) return answers;
        return Promise.all(answers.map((answer) => (isBare(answer) ? whole(answer, options) : answer)));
      },
    },
    timing,
  );

  /** A job with the payload that a large answer had no room for; as it is for callers who may not read it. */
  async function whole(job: Job, options: RpcOptions): Promise<Job | TaskQueueError> {
    try {
      return presentJob((await rpc.getJob({ id: job.id, payloadFormat }, options)).job);
    } catch (thrown) {
      const error = toTaskQueueError(thrown);
      return error.code === "NOT_FOUND" || error.code === "PERMISSION_DENIED" ? job : error;
    }
  }

  /** Makes a call by a gatherer, and repeats it while the server is away. */
  function gathered<I, O>(gatherer: Gatherer<Single<I>, O>, request: I, bytes: number, settings?: CallOptions) {
    const add = ({ headers, signal }: RpcOptions, parts: CallParts) =>
      gatherer.add(
        {
          item: { request, headers: headers as CallHeaders | undefined },
          bytes: bytes + traceBytes(parts.trace),
          timeoutMs: parts.timeoutMs,
          signal,
        },
        parts.headers,
      );
    // A call of several goes by the longest of their times: each is to be over in its own.
    return withinOne(settings, (own) => caller.repeatable(add, own));
  }

  return {
    create: (request, settings) => gathered(creates, request, requestBytes(request), settings),
    // What a message cannot carry must not reach it: others are in that message too.
    get: async (id, settings) => gathered(reads, text("id", id), id.length, settings),
    cancel: async (id, settings) => gathered(cancels, text("id", id), id.length, settings),
  };
}

function withHeaders(options: RpcOptions, headers: CallHeaders | undefined): RpcOptions {
  return headers === undefined ? options : { ...options, headers };
}

/** The request, with the trace that its headers tell when it goes alone. */
function withTrace({ request, headers }: Single<CreateJobRequest>): CreateJobRequest {
  if (headers === undefined || request.traceContext !== undefined) return request;
  const trace = readTraceHeaders((name) => headers[name]);
  if (trace !== undefined) request.traceContext = create(TraceContextSchema, trace);
  return request;
}

/** What one of several is answered. A job that cannot be read is no error of the others. */
function answerOf<O>({ outcome }: Pick<JobResult, "outcome">, convert: (job: JobPb) => O): O | TaskQueueError {
  if (outcome.case === "error") return toResultError(outcome.value);
  if (outcome.case === undefined) return incomplete();
  try {
    return convert(outcome.value);
  } catch (error) {
    return toTaskQueueError(error);
  }
}

function contentLength({ outcome }: JobResult): number {
  if (outcome.case !== "job") return 0;
  const { payloadKind, resultKind } = outcome.value;
  return lengthOf(payloadKind.value) + lengthOf(resultKind.value);
}

function lengthOf(content: unknown): number {
  return typeof content === "string" || content instanceof Uint8Array ? content.length : 0;
}

/** Whether a job has neither a payload nor a result. */
function isBare(answer: Job | TaskQueueError): answer is Job {
  return !(answer instanceof TaskQueueError) && answer.payload === undefined && answer.result === undefined;
}
