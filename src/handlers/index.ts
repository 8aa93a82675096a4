/**
 * What a module of handlers needs, and nothing else: `import { defineHandlers, permanent } from "gotaskq/handlers"`. It costs next to
 * nothing to load: in threads and child processes, which run handlers, there is no need for more.
 */
export { type DefineOptions, defineHandlers } from "../model/define-handlers.js";
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
} from "../model/handler.js";
export {
  PermanentError,
  permanent,
  RetryAfterError,
  retryAfter,
  SnoozeError,
  snooze,
} from "../model/handler-errors.js";
export type { AnyJobs, JobTypes, Json, PayloadOf, ResultOf, Travels, TypeOf } from "../model/job-types.js";
export type { Logger, LogLevel } from "../model/logger.js";
export type { Middleware } from "../model/middleware.js";
export type { NewJob } from "../model/new-job.js";
export type { TraceContext } from "../model/trace-context.js";
