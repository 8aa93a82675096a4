import type { AnyJobs, JobTypes } from "../model/job/job-types.js";
import { createTracer } from "../telemetry/tracer.js";
import type { CallerOptions } from "./calls.js";
import { createTransportClient, type TaskQueueClient } from "./task-queue-client.js";
import { constantToken } from "./token.js";
import { createFailover, urlsOf } from "./transport/failover.js";
import { type ClientTls, createNodeTransport, type HttpVersion } from "./transport/node-transport.js";

export * from "../handlers/index.js";
export { type Logger, silentLogger } from "../model/log/logger.js";
/** The client and the worker of GoTaskQ for Node: `import { createClient, createWorker } from "gotaskq/client"`. */
export * from "./exports.js";
export type { ClientTls, HttpVersion } from "./transport/node-transport.js";
export { createWorker, type Worker } from "./worker/worker.js";
export type { WorkerEvents } from "./worker/worker-events.js";
export type { WorkerOptions } from "./worker/worker-options.js";

/** Settings of a client for Node. */
export interface NodeClientOptions extends CallerOptions {
  /** For servers at `https://`: whom to trust, and what to show. */
  readonly tls?: ClientTls | undefined;
  /** Default `auto`; `1.1` for servers that know no HTTP/2, such as one of Express. See `HttpVersion`. */
  readonly httpVersion?: HttpVersion | undefined;
}

/**
 * Creates a client of the server at this URL, or of several servers of one store: it uses the first, and goes on to the next whenever the
 * one in use is away or drains. Connects at the first call, and again when the connection broke.
 *
 * `Jobs` is the payload and result of each job type; see `JobTypes`. Default: any.
 */
export function createClient<Jobs extends JobTypes<Jobs> = AnyJobs>(
  url: string | readonly string[],
  options: NodeClientOptions = {},
): TaskQueueClient<Jobs> {
  const settings = { ...options, token: constantToken(options.token) };
  const servers = urlsOf(url).map((each) => createNodeTransport(each, settings));
  const transport = createFailover(servers.map((server) => server.transport));
  const close = () => {
    for (const server of servers) server.close();
  };
  const runtime = { activeTrace: createTracer().active, afterTurn, servers: servers.length, close };
  return createTransportClient<Jobs>(transport, options, runtime);
}

/** Ticks that a microtask asks for come after all microtasks of the turn, however many these make. */
function afterTurn(run: () => void): void {
  queueMicrotask(() => process.nextTick(run));
}
