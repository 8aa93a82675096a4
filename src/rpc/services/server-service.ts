import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Caller,
  CallerSchema,
  Scope as ScopePb,
  ServerLimitsSchema,
  type ServerService,
} from "../../../gen/gotaskq/v1/server_service_pb.js";
import { type Admitted, ANYBODY } from "../../access/caller.js";
import type { Scope } from "../../access/scopes.js";
import type { EngineView } from "../../core/engine-view.js";
import { pageOfWorkers } from "../../core/operations/list-workers.js";
import { LIMITS } from "../../model/common/limits.js";
import { callerOf } from "../caller-of.js";
import { fromWorker } from "./convert-worker.js";

import type { HealthSource } from "./health-service.js";
import { fromTime } from "./times.js";

/** What a server reports about itself. */
export interface ServerInfo {
  readonly version: string;
  /** The node id that is part of its job ids, 0 to 1023. */
  readonly nodeId: () => number;
  /** Most server streams open at the same time. */
  readonly maxStreams: number;
  /** Length of a lease when the worker asks for none, ms. */
  readonly leaseMs: number;
  /** How long the server has been running, ms. */
  uptimeMs(): number;
}

/** Implements ServerService on the core. */
export function createServerService(
  engine: EngineView,
  health: HealthSource,
  info: ServerInfo,
): ServiceImpl<typeof ServerService> {
  return {
    async getServerInfo(_request, context) {
      const { kind, durable } = engine.backend;
      return {
        version: info.version,
        backend: kind,
        durable,
        nodeId: info.nodeId(),
        uptime: durationFromMs(Math.floor(info.uptimeMs())),
        draining: health.isDraining,
        limits: limitsOf(info),
        caller: fromCaller(callerOf(context)),
      };
    },

    async listWorkers(request) {
      const { workers, nextPageToken } = pageOfWorkers(await engine.allWorkers(), request);
      return { workers: workers.map(fromWorker), nextPageToken };
    },
  };
}

function fromCaller(caller: Admitted): Caller | undefined {
  if (caller === ANYBODY) return undefined;
  const { name, scopes, queues, endsAt } = caller;
  const given = { name, scopes: scopes.map((scope) => SCOPES[scope]), queues: [...(queues?.list ?? [])] };
  return create(CallerSchema, { ...given, endsAt: fromTime(endsAt) });
}

const SCOPES: Readonly<Record<Scope, ScopePb>> = {
  read: ScopePb.READ,
  produce: ScopePb.PRODUCE,
  work: ScopePb.WORK,
  admin: ScopePb.ADMIN,
};

function limitsOf({ leaseMs, maxStreams }: ServerInfo) {
  return create(ServerLimitsSchema, {
    messageBytes: LIMITS.messageBytes,
    payloadBytes: LIMITS.payloadBytes,
    payloadDepth: LIMITS.payloadDepth,
    batch: LIMITS.batch,
    typeLength: LIMITS.typeLength,
    metadataEntries: LIMITS.metadataEntries,
    filterEntries: LIMITS.filterEntries,
    priority: LIMITS.priority,
    maxRetries: LIMITS.maxRetries,
    delay: durationFromMs(LIMITS.delayMs),
    maxInFlight: LIMITS.maxInFlight,
    wait: durationFromMs(LIMITS.waitMs),
    minLease: durationFromMs(LIMITS.minLeaseMs),
    maxLease: durationFromMs(LIMITS.maxLeaseMs),
    defaultLease: durationFromMs(leaseMs),
    maxStreams,
  });
}
