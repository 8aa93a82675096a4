/** What every entry point exports: the words of a task queue, wherever that is. */

export { type ErrorCode, type ErrorReason, type FieldViolation, TaskQueueError } from "../model/common/errors.js";
export type { JsonValue } from "../model/handler/handler.js";
export type { BackoffRequest } from "../model/job/backoff.js";
export type { AttemptError, Backoff, GrowingBackoff, JobStatus, ListedBackoff, Progress } from "../model/job/job.js";
export type {
  BulkOptions,
  BulkResult,
  DeadGroup,
  DeadJobFilter,
  DeadJobQuery,
  DeadSummary,
  JobFilter,
  JobQuery,
  JobView,
  ListOrder,
  OfTypes,
  SummaryOptions,
} from "../model/job/job-filter.js";
export type { AnyJobs, JobTypes, Json, PayloadOf, ResultOf, Travels, TypeOf } from "../model/job/job-types.js";
export type { JobUpdate, NewJob, NewJobOptions } from "../model/job/new-job.js";
export type { HeldBy, PendingState } from "../model/job/pending-state.js";
export { RawJson } from "../model/job/raw-json.js";
export type { Unique, UniqueConflict, UniqueRequest, UniqueUntil } from "../model/job/unique.js";
export type { TraceContext } from "../model/log/trace-context.js";
export type { Queue, QueueOrdering, QueueSettings, QueueSettingsRequest, QueueStats } from "../model/queue/queue.js";
export type { RateLimit, RateLimitRequest } from "../model/queue/rate-limit.js";
export type { MisfirePolicy, OverlapPolicy, ScheduleSkip, ScheduleState } from "../model/request/schedule.js";
export type { BulkCall, CallOptions } from "./call-options.js";
export type { CreatedId, CreatedJob, CreateOutcome } from "./created-job.js";
export type { DeadLetters } from "./dead-letters.js";
export type { ChangeFilter, Job, JobChange, JobOfType, JobState, JobsEvent } from "./job.js";
export type { Listing, Page } from "./listing.js";
export type { Queues, QueuesWatch } from "./queues.js";
export type {
  NewSchedule,
  Schedule,
  ScheduleChanges,
  ScheduledJob,
  ScheduleName,
  ScheduleQuery,
  Schedules,
  ScheduleTimes,
} from "./schedules.js";
export type { CallerInfo, Health, Server, ServerInfo, ServerLimits, WorkerInfo, WorkerQuery } from "./server.js";
export type { TaskQueue } from "./task-queue.js";
