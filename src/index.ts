/** The entry point of GoTaskQ as a library: `import { createTaskQueue } from "gotaskq"`. */

export type { HandlerRunner } from "./core/handler-runner.js";
export type { FailureReason, Observer, SettleKind } from "./core/observer.js";
export type { CreatedJob, CreateOutcome } from "./core/operations/creates.js";
export type { DlqOperations } from "./core/operations/dlq-operations.js";
export type { ScheduleListPage, ScheduleListQuery } from "./core/operations/list-schedules.js";
export type { JobPage } from "./core/operations/paging.js";
export type { QueueOperations } from "./core/operations/queue-operations.js";
export type { QueuePolicy } from "./core/work/queue-turns.js";
export * from "./handlers/index.js";
export { type Isolation, type IsolationOptions, isolateHandlers } from "./handlers/isolate-handlers.js";
export type { BackoffRequest } from "./model/backoff.js";
export { type ErrorReason, type FieldViolation, TaskQueueError } from "./model/errors.js";
export type { AttemptError, Backoff, GrowingBackoff, Job, JobStatus, ListedBackoff, Progress } from "./model/job.js";
export type {
  BulkOptions,
  BulkResult,
  DeadGroup,
  DeadJobFilter,
  DeadJobQuery,
  DeadSummary,
  JobFilter,
  JobQuery,
  SummaryOptions,
} from "./model/job-filter.js";
export { type Logger, silentLogger } from "./model/logger.js";
export type { HeldBy, PendingState } from "./model/pending-state.js";
export type { Queue, QueueOrdering, QueueSettings, QueueSettingsRequest, QueueStats } from "./model/queue.js";
export type { RateLimit, RateLimitRequest } from "./model/rate-limit.js";
export type {
  MisfirePolicy,
  OverlapPolicy,
  ScheduleSkip,
  ScheduleState,
  ScheduleView,
} from "./model/schedule.js";
export type { TraceContext } from "./model/trace-context.js";
export type { Unique, UniqueConflict, UniqueRequest, UniqueUntil } from "./model/unique.js";
export { createTaskQueue, type TaskQueue, type TaskQueueOptions, type TaskUpdate } from "./task-queue.js";
export type { NewTaskSchedule, ScheduledTask, TaskScheduleChanges, TaskSchedules } from "./task-schedules.js";
