import { refusalOfJob, refusalOfJobs } from "../api/refusal.js";
import { errorText } from "../model/common/describe-error.js";
import type { TaskQueueError } from "../model/common/errors.js";
import {
  callHandler,
  type EnqueuedJob,
  type Handler,
  type HandlerContext,
  type HandlerJob,
  toProgress,
} from "../model/handler/handler.js";
import { toResult } from "../model/handler/handler-outcome.js";
import { type Middleware, withMiddleware } from "../model/handler/middleware.js";
import { type Progress, textOf } from "../model/job/job.js";
import type { Json } from "../model/job/job-types.js";
import type { NewJob } from "../model/job/new-job.js";
import type { RawJson } from "../model/job/raw-json.js";
import type { Logger, LogLevel } from "../model/log/logger.js";
import type { TraceContext } from "../model/log/trace-context.js";
import { toPayload } from "../model/request/payload.js";

/** What a run of a handler may be told. All has defaults. */
export interface RunHandlerOptions {
  /** Fields of its job, such as `id`, `key`, `metadata` or `retryCount`. */
  readonly job?: Partial<Omit<HandlerJob, "payload" | "payloadText">> | undefined;
  /** Its `signal`. Default: one that is never aborted. */
  readonly signal?: AbortSignal | undefined;
  /** When its attempt ends. Default: never. */
  readonly deadline?: Date | undefined;
  /** The trace that it belongs to. Default: none. */
  readonly traceContext?: TraceContext | undefined;
  /** Runs around it, the first outermost. */
  readonly middleware?: readonly Middleware[] | undefined;
}

/** A line that a handler wrote. */
export interface LoggedLine {
  readonly level: LogLevel;
  readonly fields: object;
  readonly message: string;
}

/** What a handler did. */
export interface HandlerRun<Result = unknown> {
  /** What readers of the job see as its result: what it returned, through JSON. */
  readonly result: Result;
  /** The same to the letter. Undefined: bytes, or nothing. */
  readonly resultText: string | undefined;
  /** Its reports of progress, in order. */
  readonly progress: readonly Progress[];
  /** What it created by `enqueue` and `enqueueBatch`, in order; nothing is really created. */
  readonly enqueued: readonly NewJob[];
  /** What it wrote with its `logger`. */
  readonly logs: readonly LoggedLine[];
}

/** What is read of what a handler returned. */
type ResultRead<Result> = Json<Exclude<Awaited<Result>, RawJson>>;

/**
 * Runs a handler once, on its own, as a worker would: the payload goes through JSON, and so does the result. Rejects with what the handler
 * throws, with a `TaskQueueError` (FIELD_INVALID) for a payload that cannot travel, and with an error for a result that cannot.
 */
export function runHandler<Result>(
  handler: (job: HandlerJob, context: HandlerContext) => Result,
  payload: RawJson,
  options?: RunHandlerOptions,
): Promise<HandlerRun<ResultRead<Result>>>;
export function runHandler<Payload, Result>(
  handler: (job: HandlerJob<Json<Payload>>, context: HandlerContext) => Result,
  payload?: Payload,
  options?: RunHandlerOptions,
): Promise<HandlerRun<ResultRead<Result>>>;
export async function runHandler(
  handler: Handler,
  payload?: unknown,
  options: RunHandlerOptions = {},
): Promise<HandlerRun> {
  const { signal = new AbortController().signal, deadline, traceContext, middleware } = options;
  const sent = toPayload(payload, "payload");
  const job: HandlerJob = {
    ...{
      id: "1",
      queue: "default",
      type: "test",
      priority: 0,
      metadata: {},
      deliveries: 1,
      retryCount: 0,
      maxRetries: 5,
    },
    ...{ createdAt: new Date(0), key: undefined, schedule: undefined, scheduledFor: undefined },
    ...options.job,
    payload: typeof sent === "string" ? JSON.parse(sent) : sent,
    payloadText: textOf(sent),
  };
  const progress: Progress[] = [];
  const enqueued: NewJob[] = [];
  const logs: LoggedLine[] = [];
  const created = (task: NewJob): EnqueuedJob => {
    const id = String(100 + enqueued.push(task));
    return { id, deduplicated: false, replaced: false };
  };
  const context: HandlerContext = {
    ...{ signal, deadline, traceContext, attempt: job.retryCount + 1, logger: recorder(logs, {}) },
    progress: (percent, message) => void progress.push(toProgress(percent, message)),
    async enqueue(task) {
      refuse(refusalOfJob(task));
      return created(task);
    },
    async enqueueBatch(tasks) {
      refuse(refusalOfJobs(tasks));
      return tasks.map(created);
    },
  };
  const handlers = withMiddleware({ [job.type]: handler }, middleware);
  const content = toResult(await callHandler(handlers, job, context));
  const result = typeof content === "string" ? JSON.parse(content) : content;
  return { result, resultText: textOf(content), progress, enqueued, logs };
}

function refuse(refusal: TaskQueueError | undefined): void {
  if (refusal !== undefined) throw refusal;
}

/** A logger that keeps its lines. */
function recorder(logs: LoggedLine[], own: object): Logger {
  const at = (level: LogLevel) => (fields: object, message: string) => {
    if (typeof message !== "string") throw new TypeError(`a line of the log needs a text: ${errorText(message)}`);
    logs.push({ level, fields: { ...own, ...fields }, message });
  };
  return {
    ...{ debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
    child: (fields) => recorder(logs, { ...own, ...fields }),
  };
}
