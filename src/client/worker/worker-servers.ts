import type { Client } from "@connectrpc/connect";
import { WorkerService } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { createRpc } from "../rpc.js";
import { createNodeTransport, type NodeTransportOptions } from "../transport/node-transport.js";

/** Client of WorkerService on one server. */
export type WorkerRpc = Client<typeof WorkerService>;

/** The servers of one store. A worker uses one at a time, and goes on to the next when that is away or drains. */
export interface WorkerServers {
  /** The server in use. */
  readonly current: WorkerRpc;
  /** Goes on to the next server, unless another caller already left `rpc`. */
  leave(rpc: WorkerRpc): void;
  /** Closes all connections. */
  close(): void;
}

/** Creates clients of the servers at these URLs. Throws a TypeError when there is none. */
export function createWorkerServers(urls: readonly string[], options: NodeTransportOptions = {}): WorkerServers {
  const transports = urls.map((url) => createNodeTransport(url, options));
  const rpcs = transports.map(({ transport }) => createRpc(WorkerService, transport));
  const [first] = rpcs;
  if (first === undefined) throw new TypeError("url: there must be at least one");
  let current = first;
  return {
    get current() {
      return current;
    },
    leave(rpc) {
      if (rpc === current) current = rpcs[(rpcs.indexOf(rpc) + 1) % rpcs.length] ?? first;
    },
    close() {
      for (const { close } of transports) close();
    },
  };
}
