import { createTracer } from "../telemetry/tracer.js";
import type { CallerOptions } from "./calls.js";
import { createTransportClient, type TaskQueueClient } from "./task-queue-client.js";
import { constantToken } from "./token.js";
import { type ClientTls, createNodeTransport } from "./transport/node-transport.js";

export * from "../handlers/index.js";
export { type Logger, silentLogger } from "../model/logger.js";
/** The client and the worker of GoTaskQ for Node: `import { createClient, createWorker } from "gotaskq/client"`. */
export * from "./exports.js";
export type { ClientTls } from "./transport/node-transport.js";
export { createWorker, type Worker } from "./worker/worker.js";
export type { WorkerEvents } from "./worker/worker-events.js";
export type { WorkerOptions } from "./worker/worker-options.js";

/** Settings of a client for Node. */
export interface NodeClientOptions extends CallerOptions {
  /** For a server at `https://`: whom to trust, and what to show. */
  readonly tls?: ClientTls | undefined;
}

/** A client with a connection of its own. */
export interface NodeClient extends TaskQueueClient {
  /** Closes the connection; calls in flight fail. An idle connection does not keep the process alive. Idempotent. */
  close(): void;
}

/** Creates a client of the server at this URL. Connects at the first call, and again when the connection broke. */
export function createClient(url: string, options: NodeClientOptions = {}): NodeClient {
  const { transport, close } = createNodeTransport(url, { ...options, token: constantToken(options.token) });
  const runtime = { activeTrace: createTracer().active, afterTurn };
  return { ...createTransportClient(transport, options, runtime), close };
}

/** Ticks that a microtask asks for come after all microtasks of the turn, however many these make. */
function afterTurn(run: () => void): void {
  queueMicrotask(() => process.nextTick(run));
}
