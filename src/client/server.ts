import { createClient, type Transport } from "@connectrpc/connect";
import {
  type Caller as CallerPb,
  Scope as ScopePb,
  type ServerLimits as ServerLimitsPb,
  ServerService,
  WorkerKind as WorkerKindPb,
  type Worker as WorkerPb,
} from "../../gen/gotaskq/v1/server_service_pb.js";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../gen/health/v1/health_pb.js";
import { createListing } from "../api/listing.js";
import type { CallerInfo, Server, ServerLimits, WorkerInfo } from "../api/server.js";
import type { Caller } from "./calls.js";
import { converters } from "./convert/converters.js";
import { lengthOf, timeOf } from "./convert/times.js";

const { int } = converters();

/** Creates the client of ServerService and of the health service. */
export function createServer(transport: Transport, caller: Caller): Server {
  const rpc = createClient(ServerService, transport);
  const health = createClient(HealthService, transport);
  return {
    async info(call) {
      const info = await caller.repeatable((options) => rpc.getServerInfo({}, options), call);
      return {
        version: info.version,
        store: info.backend,
        durable: info.durable,
        nodeId: info.nodeId,
        uptimeMs: lengthOf(info.uptime) ?? 0,
        draining: info.draining,
        limits: fromLimits(info.limits),
        caller: info.caller && fromCaller(info.caller),
      };
    },
    async health(call) {
      // Tried again only while no server can be asked: the answer is to be of now.
      const { status } = await caller.once((options) => health.check({ service: "" }, options), call);
      return status === ServingStatus.SERVING ? "SERVING" : "NOT_SERVING";
    },
    workers({ pageSize = 0, pageToken: first } = {}, call) {
      return createListing(first, async (pageToken) => {
        const request = { pageSize: int("pageSize", pageSize), pageToken };
        const page = await caller.repeatable((options) => rpc.listWorkers(request, options), call);
        return { items: page.workers.map(fromWorker), nextPageToken: page.nextPageToken };
      });
    },
  };
}

function fromLimits(given: ServerLimitsPb | undefined): ServerLimits {
  const { delay, wait, minLease, maxLease, defaultLease } = given ?? {};
  return {
    messageBytes: given?.messageBytes ?? 0,
    payloadBytes: given?.payloadBytes ?? 0,
    payloadDepth: given?.payloadDepth ?? 0,
    batch: given?.batch ?? 0,
    typeLength: given?.typeLength ?? 0,
    metadataEntries: given?.metadataEntries ?? 0,
    filterEntries: given?.filterEntries ?? 0,
    priority: given?.priority ?? 0,
    maxRetries: given?.maxRetries ?? 0,
    delayMs: lengthOf(delay) ?? 0,
    maxInFlight: given?.maxInFlight ?? 0,
    waitMs: lengthOf(wait) ?? 0,
    minLeaseMs: lengthOf(minLease) ?? 0,
    maxLeaseMs: lengthOf(maxLease) ?? 0,
    defaultLeaseMs: lengthOf(defaultLease) ?? 0,
    maxStreams: given?.maxStreams ?? 0,
  };
}

function fromCaller({ name, scopes, queues, endsAt }: CallerPb): CallerInfo {
  return {
    name,
    scopes: scopes.map((scope) => (ScopePb[scope] ?? "").toLowerCase() as CallerInfo["scopes"][number]),
    queues,
    endsAt: timeOf(endsAt),
  };
}

function fromWorker(worker: WorkerPb): WorkerInfo {
  const { id, name, kind, queues, types, capacity, running, jobIds, lease, connectedAt } = worker;
  return {
    ...{ id, name, queues, types, capacity, running, jobIds },
    kind: (WorkerKindPb[kind] ?? "STREAM") as WorkerInfo["kind"],
    leaseMs: lengthOf(lease) ?? 0,
    since: timeOf(connectedAt) ?? 0,
  };
}
