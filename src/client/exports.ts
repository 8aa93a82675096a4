/** What both entry points, for Node and for browsers, export. */
export type { BackoffRequest } from "../model/backoff.js";
export { type ErrorCode, type ErrorReason, type FieldViolation, TaskQueueError } from "../model/errors.js";
export type { JsonValue } from "../model/handler.js";
export type { AttemptError, Backoff, GrowingBackoff, JobStatus, ListedBackoff, Progress } from "../model/job.js";
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
} from "../model/job-filter.js";
export type { HeldBy, PendingState } from "../model/pending-state.js";
export type { Queue, QueueOrdering, QueueSettings, QueueSettingsRequest, QueueStats } from "../model/queue.js";
export type { RateLimit, RateLimitRequest } from "../model/rate-limit.js";
export type { MisfirePolicy, OverlapPolicy, ScheduleSkip, ScheduleState } from "../model/schedule.js";
export type { TraceContext } from "../model/trace-context.js";
export type { Unique, UniqueConflict, UniqueRequest, UniqueUntil } from "../model/unique.js";
export type { ActiveTrace, CallerOptions, CallSettings } from "./calls.js";
export type { BulkCall, DlqClient } from "./dlq.js";
export type { Job, JobChange, JobPage, JobState } from "./job.js";
export type { JobUpdate } from "./job-update.js";
export type { NewJob } from "./new-job.js";
export type { QueueClient } from "./queues.js";
export type {
  NewSchedule,
  Schedule,
  ScheduleChanges,
  ScheduledJob,
  ScheduleName,
  ScheduleTimes,
} from "./schedule.js";
export type { ScheduleClient, SchedulePage } from "./schedules.js";
export {
  type ChangeFilter,
  type CreateOutcome,
  createTransportClient,
  type JobsEvent,
  type TaskQueueClient,
} from "./task-queue-client.js";
export type { TokenSource } from "./token.js";
