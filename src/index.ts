/** GoTaskQ as a library: `import { createTaskQueue } from "gotaskq"`. */
export type { BulkOptions, DeadJobFilter, DlqOperations } from "./core/dlq-operations.js";
export { type ErrorReason, type FieldViolation, TaskQueueError } from "./core/errors.js";
export {
  type AbortReason,
  AttemptAborted,
  type Handler,
  type HandlerContext,
  type HandlerJob,
  type Handlers,
  type JsonValue,
  PermanentError,
  RetryAfterError,
} from "./core/handler.js";
export type { AttemptError, Backoff, Job, JobStatus, Progress } from "./core/job.js";
export type { CreatedJob, JobFilter } from "./core/job-operations.js";
export type { Logger } from "./core/logger.js";
export type { Observer, SettleKind } from "./core/observer.js";
export type { JobPage } from "./core/paging.js";
export type { Queue, QueueOrdering, QueueSettings, QueueStats } from "./core/queue.js";
export type { QueueOperations } from "./core/queue-operations.js";
export type { QueuePolicy } from "./core/selector.js";
export { createTaskQueue, type NewTask, type TaskQueue, type TaskQueueOptions } from "./task-queue.js";
