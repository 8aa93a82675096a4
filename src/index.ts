/** The entry point of GoTaskQ as a library: `import { createTaskQueue } from "gotaskq"`. */

export * from "./api/exports.js";
export type { Clock, Timer } from "./core/clock.js";
export type { HandlerRunner, RecentRuns, RunContext, RunJob, RunOutcome } from "./core/handler-runner.js";
export type { FailureReason, Observer, SettleKind } from "./core/observer.js";
export type { QueuePolicy } from "./core/work/queue-turns.js";
export * from "./handlers/index.js";
export { type Isolation, type IsolationOptions, isolateHandlers } from "./handlers/isolate-handlers.js";
export { type Logger, silentLogger } from "./model/log/logger.js";
export { createTaskQueue, type LocalTaskQueue, type TaskQueueOptions } from "./task-queue.js";
