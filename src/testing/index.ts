/**
 * For tests of programs that use GoTaskQ: `import { createTestQueue, runHandler } from "gotaskq/testing"`. Works with any test runner.
 */
export type { LogLevel } from "../model/log/logger.js";
export type { DrainOptions } from "./drain.js";
export { type HandlerRun, type LoggedLine, type RunHandlerOptions, runHandler } from "./run-handler.js";
export {
  createTestClient,
  createTestQueue,
  type TestQueue,
  type TestQueueOptions,
} from "./test-queue.js";
