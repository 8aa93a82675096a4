import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  CompleteJobsResponseSchema,
  ExtendLeasesResponseSchema,
  FailJobsResponseSchema,
  LeaseJobsResponseSchema,
  ReleaseJobsResponseSchema,
  type StreamJobsRequest,
  type StreamJobsResponse,
  StreamJobsResponseSchema,
  type WorkerService,
} from "../../gen/gotaskq/v1/worker_service_pb.js";
import type { Engine } from "../core/engine.js";
import { RECONNECT_GRACE_MS } from "../core/remote/reconnect-grace-period.js";
import { STREAM_HEARTBEAT_MS, type WorkerStreamEvent } from "../core/remote/worker-stream.js";
import { LIMITS } from "../model/limits.js";
import { Violations } from "../model/violations.js";
import { fromHeartbeat, toMs, toPayload } from "./convert.js";
import { fromExtensions, fromLease, fromSettlements, toProgress, toRef, toRetry } from "./convert-worker.js";

/** WorkerService over the core. */
export function createWorkerService({ remote }: Engine): ServiceImpl<typeof WorkerService> {
  return {
    async *streamJobs(request: StreamJobsRequest, { signal }: HandlerContext) {
      const found = new Violations();
      const leaseMs = toMs(found, "lease", request.lease);
      for await (const event of remote.stream({ ...request, leaseMs }, signal, found)) {
        yield fromStreamEvent(event);
      }
    },

    async leaseJobs(request, { signal }) {
      const found = new Violations();
      const leaseMs = toMs(found, "lease", request.lease);
      const waitMs = toMs(found, "wait", request.wait);
      const leases = await remote.poll({ ...request, leaseMs, waitMs }, signal, found);
      return { $typeName: LeaseJobsResponseSchema.typeName, leases: leases.map(fromLease) };
    },

    async completeJobs({ completions }) {
      const found = new Violations();
      found.count("completions", completions, 1, LIMITS.batch);
      found.throwIfAny();
      const items = completions.map(({ jobId, leaseToken, resultKind }, index) => {
        found.enter("completions", index);
        return { jobId, token: leaseToken, result: toPayload(found, "result", resultKind) };
      });
      found.leave();
      const settlements = await remote.complete(items, found);
      return { $typeName: CompleteJobsResponseSchema.typeName, outcomes: fromSettlements(items, settlements) };
    },

    async failJobs({ failures }) {
      const found = new Violations();
      found.count("failures", failures, 1, LIMITS.batch);
      found.throwIfAny();
      const items = failures.map(({ jobId, leaseToken, error, retryKind }, index) => {
        found.enter("failures", index);
        return { jobId, token: leaseToken, error, retry: toRetry(found, retryKind) };
      });
      found.leave();
      const settlements = await remote.fail(items, found);
      return { $typeName: FailJobsResponseSchema.typeName, outcomes: fromSettlements(items, settlements) };
    },

    async extendLeases({ extensions }) {
      const found = new Violations();
      found.count("extensions", extensions, 1, LIMITS.batch);
      found.throwIfAny();
      const items = extensions.map(({ jobId, leaseToken, extension, progress }, index) => {
        found.enter("extensions", index);
        return {
          jobId,
          token: leaseToken,
          leaseMs: toMs(found, "extension", extension),
          progress: toProgress(progress),
        };
      });
      found.leave();
      const results = await remote.extend(items, found);
      return { $typeName: ExtendLeasesResponseSchema.typeName, outcomes: fromExtensions(items, results) };
    },

    async releaseJobs({ releases }) {
      const refs = releases.map(toRef);
      const settlements = await remote.release(refs);
      return { $typeName: ReleaseJobsResponseSchema.typeName, outcomes: fromSettlements(refs, settlements) };
    },
  };
}

function fromStreamEvent(event: WorkerStreamEvent): StreamJobsResponse {
  // A literal, as one goes out for each job.
  if (event.kind === "lease") {
    return { $typeName: "gotaskq.v1.StreamJobsResponse", event: { case: "lease", value: fromLease(event.lease) } };
  }
  return create(StreamJobsResponseSchema, { event: fromNotice(event) });
}

function fromNotice(event: Exclude<WorkerStreamEvent, { readonly kind: "lease" }>) {
  switch (event.kind) {
    case "session":
      return {
        case: "session" as const,
        value: {
          id: event.id,
          lease: durationFromMs(event.leaseMs),
          maxInFlight: event.maxInFlight,
          heartbeatInterval: durationFromMs(STREAM_HEARTBEAT_MS),
          grace: durationFromMs(RECONNECT_GRACE_MS),
        },
      };
    case "cancel":
      return { case: "cancel" as const, value: { jobId: event.jobId } };
    case "drain":
      return { case: "drain" as const, value: { closesIn: durationFromMs(event.closesInMs) } };
    case "heartbeat":
      return { case: "heartbeat" as const, value: fromHeartbeat(event.at) };
  }
}
