/** What both entry points share. */
export type { CallerOptions, CallSettings } from "./calls.js";
export type { BulkOptions, DeadJobFilter, DlqClient } from "./dlq.js";
export { type ErrorReason, type FieldViolation, TaskQueueError } from "./errors.js";
export type { AttemptError, Backoff, Job, JobChange, JobState, JobStatus, Progress } from "./job.js";
export type { JsonValue } from "./json.js";
export type { JobFilter, JobPage } from "./listing.js";
export type { NewJob } from "./new-job.js";
export type { Queue, QueueClient, QueueOrdering, QueueSettings, QueueStats } from "./queues.js";
export { type ChangeFilter, createTransportClient, type JobsEvent, type TaskQueueClient } from "./task-queue-client.js";
