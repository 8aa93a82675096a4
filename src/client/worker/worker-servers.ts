import type { Client } from "@connectrpc/connect";
import { WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { createTracer } from "../../telemetry/tracer.js";
import { createRpc } from "../rpc.js";
import { createTransportClient, type TaskQueueClient } from "../task-queue-client.js";
import type { CallHeaders, HeaderSource } from "../token.js";
import { urlsOf } from "../transport/failover.js";
import { createNodeTransport, type NodeTransportOptions } from "../transport/node-transport.js";

/** Client of WorkerService on one server. */
export type WorkerRpc = Client<typeof WorkerService>;

/** Returns the headers of a call, when they are known or once they are. */
export type WorkerHeaders = () => CallHeaders | undefined | Promise<CallHeaders>;

/** The servers of one store. A worker uses one at a time, and goes on to the next when that is away or drains. */
export interface WorkerServers {
  /** The server in use. */
  readonly current: WorkerRpc;
  /** Where that server is. */
  urlOf(rpc: WorkerRpc): string;
  /** A client of the same server: one try a call. */
  clientOf(rpc: WorkerRpc): TaskQueueClient;
  /** Goes on to the next server, unless another caller already left `rpc`. */
  leave(rpc: WorkerRpc): void;
  /** Closes all connections. */
  close(): void;
}

/** Settings of the connections of a worker. */
export interface WorkerServersOptions extends NodeTransportOptions {
  /** Sent with every call of `clientOf`. */
  readonly headers?: HeaderSource | undefined;
}

/** Creates clients of the servers at these URLs. Throws a TypeError when there is none, and for what is no URL. */
export function createWorkerServers(
  url: string | readonly string[],
  options: WorkerServersOptions = {},
): WorkerServers {
  const urls = urlsOf(url);
  const { headers } = options;
  const activeTrace = createTracer().active;
  const transports = urls.map((url) => createNodeTransport(url, options));
  const rpcs = transports.map(({ transport }) => createRpc(WorkerService, transport));
  const first = rpcs[0] as WorkerRpc;
  let current = first;
  const clients = new Map<WorkerRpc, TaskQueueClient>();
  return {
    get current() {
      return current;
    },
    urlOf: (rpc) => urls[rpcs.indexOf(rpc)] ?? "",
    clientOf(rpc) {
      const known = clients.get(rpc);
      if (known !== undefined) return known;
      const { transport } = transports[rpcs.indexOf(rpc)] ?? (transports[0] as (typeof transports)[0]);
      const client = createTransportClient(transport, { headers, retryMs: 0 }, { activeTrace });
      clients.set(rpc, client);
      return client;
    },
    leave(rpc) {
      if (rpc === current) current = rpcs[(rpcs.indexOf(rpc) + 1) % rpcs.length] ?? first;
    },
    close() {
      for (const { close } of transports) close();
    },
  };
}
