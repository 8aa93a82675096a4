import type { CallerOptions } from "./calls.js";
import { createNodeTransport } from "./node-transport.js";
import { createTransportClient, type TaskQueueClient } from "./task-queue-client.js";

export {
  type AbortReason,
  AttemptAborted,
  type Handler,
  type HandlerContext,
  type HandlerJob,
  type Handlers,
  PermanentError,
  RetryAfterError,
} from "../model/handler.js";
export type { Logger } from "../model/logger.js";
/** The client and the worker of GoTaskQ for Node: `import { createClient, createWorker } from "gotaskq/client"`. */
export * from "./exports.js";
export { createWorker, type Worker, type WorkerOptions } from "./worker/worker.js";

/** A client that holds a connection. */
export interface NodeClient extends TaskQueueClient {
  /** Closes the connection; calls under way fail. An idle connection does not keep the process alive. Idempotent. */
  close(): void;
}

/** Makes a client of the server at this address. Connects with the first call, and again when the connection breaks. */
export function createClient(url: string, options: CallerOptions = {}): NodeClient {
  const { transport, close } = createNodeTransport(url);
  return { ...createTransportClient(transport, options), close };
}
