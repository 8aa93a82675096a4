/**
 * What a module of handlers needs, and nothing else: `import { defineHandlers, permanent } from "gotaskq/handlers"`. It costs next to
 * nothing to load: in threads and child processes, which run handlers, there is no need for more.
 */
export { type DefineOptions, defineHandlers } from "../model/handler/define-handlers.js";
export {
  type AbortReason,
  AttemptAborted,
  type EnqueuedJob,
  type Handler,
  type HandlerContext,
  type HandlerJob,
  type HandlerOf,
  type Handlers,
  type HandlersOf,
  type JsonValue,
} from "../model/handler/handler.js";
export {
  PermanentError,
  permanent,
  RetryAfterError,
  retryAfter,
  SnoozeError,
  snooze,
} from "../model/handler/handler-errors.js";
export type { Middleware } from "../model/handler/middleware.js";
export type { AnyJobs, JobTypes, Json, PayloadOf, ResultOf, Travels, TypeOf } from "../model/job/job-types.js";
export type { NewJob } from "../model/job/new-job.js";
export { RawJson } from "../model/job/raw-json.js";
export type { Logger, LogLevel } from "../model/log/logger.js";
export type { TraceContext } from "../model/log/trace-context.js";
