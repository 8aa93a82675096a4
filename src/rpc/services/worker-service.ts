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
} from "../../../gen/gotaskq/v1/worker_service_pb.js";
import type { EngineView } from "../../core/engine-view.js";
import { RECONNECT_GRACE_MS } from "../../core/remote/reconnect-grace-period.js";
import { STREAM_HEARTBEAT_MS, type WorkerStreamEvent } from "../../core/remote/worker-stream.js";
import { LIMITS } from "../../model/common/limits.js";
import { Violations } from "../../model/request/violations.js";
import { whenWritten } from "../when-written.js";
import { fromHeartbeat, toMs } from "./convert.js";
import { asText, toPayload } from "./convert-payload.js";
import { fromExtensions, fromLease, fromSettlements, toProgress, toRetry } from "./convert-worker.js";

/** Implements WorkerService on the core. */
export function createWorkerService({ remote }: EngineView): ServiceImpl<typeof WorkerService> {
  return {
    async *streamJobs(request: StreamJobsRequest, { signal }: HandlerContext) {
      const violations = new Violations();
      const leaseMs = toMs(violations, "lease", request.lease);
      const isText = asText(request.payloadFormat, violations);
      for await (const event of remote.stream({ ...request, leaseMs }, signal, violations)) {
        yield fromStreamEvent(event, isText);
      }
    },

    async leaseJobs(request, context) {
      const violations = new Violations();
      const leaseMs = toMs(violations, "lease", request.lease);
      const waitMs = beforeDeadline(toMs(violations, "wait", request.wait), context.timeoutMs());
      const isText = asText(request.payloadFormat, violations);
      const poll = { ...request, leaseMs, waitMs };
      const leases = await remote.poll(poll, context.signal, violations);
      if (context.signal.aborted) {
        // The client may be there still: its deadline has passed, or its rights have ended.
        if (leases.length > 0) remote.answering(leases, poll).failed();
        throw context.signal.reason;
      }
      const given = leases.map((lease) => fromLease(lease, isText));
      const answer = { $typeName: LeaseJobsResponseSchema.typeName, leases: given };
      return leases.length === 0 ? answer : whenWritten(answer, remote.answering(leases, poll));
    },

    async completeJobs({ completions }) {
      const violations = new Violations();
      violations.count("completions", completions, 1, LIMITS.batch);
      violations.throwIfAny();
      const items = completions.map(({ jobId, leaseToken, resultKind }, index) => {
        violations.enter("completions", index);
        return { jobId, token: leaseToken, result: toPayload(violations, "result", resultKind) };
      });
      violations.leave();
      const settlements = await remote.complete(items, violations);
      return { $typeName: CompleteJobsResponseSchema.typeName, outcomes: fromSettlements(items, settlements) };
    },

    async failJobs({ failures }) {
      const violations = new Violations();
      violations.count("failures", failures, 1, LIMITS.batch);
      violations.throwIfAny();
      const items = failures.map(({ jobId, leaseToken, error, retryKind }, index) => {
        violations.enter("failures", index);
        return { jobId, token: leaseToken, error, retry: toRetry(violations, retryKind) };
      });
      violations.leave();
      const settlements = await remote.fail(items, violations);
      return { $typeName: FailJobsResponseSchema.typeName, outcomes: fromSettlements(items, settlements) };
    },

    async extendLeases({ extensions }) {
      const violations = new Violations();
      violations.count("extensions", extensions, 1, LIMITS.batch);
      violations.throwIfAny();
      const items = extensions.map(({ jobId, leaseToken, extension, progress }, index) => {
        violations.enter("extensions", index);
        return {
          jobId,
          token: leaseToken,
          leaseMs: toMs(violations, "extension", extension),
          progress: toProgress(progress),
        };
      });
      violations.leave();
      const results = await remote.extend(items, violations);
      return { $typeName: ExtendLeasesResponseSchema.typeName, outcomes: fromExtensions(items, results) };
    },

    async releaseJobs({ releases }) {
      const violations = new Violations();
      violations.count("releases", releases, 1, LIMITS.batch);
      violations.throwIfAny();
      const items = releases.map(({ jobId, leaseToken, delay }, index) => {
        violations.enter("releases", index);
        return { jobId, token: leaseToken, delayMs: toMs(violations, "delay", delay) };
      });
      violations.leave();
      const settlements = await remote.release(items, violations);
      return { $typeName: ReleaseJobsResponseSchema.typeName, outcomes: fromSettlements(items, settlements) };
    },
  };
}

/** Time for an answer to reach its client before the deadline of the call, ms. */
const ANSWER_MS = 100;

/** A poll that finds nothing is answered so before its deadline passes: that would be an error. */
function beforeDeadline(waitMs: number | undefined, timeoutMs: number | undefined): number | undefined {
  // One that is out of bounds stays, to be refused.
  const isValid = waitMs !== undefined && waitMs >= 0 && waitMs <= LIMITS.waitMs;
  if (timeoutMs === undefined || !isValid) return waitMs;
  return Math.max(0, Math.min(waitMs, timeoutMs - ANSWER_MS));
}

function fromStreamEvent(event: WorkerStreamEvent, isText: boolean): StreamJobsResponse {
  // A literal, as `create` is slow and one is sent for each job.
  if (event.kind === "lease") {
    return {
      $typeName: "gotaskq.v1.StreamJobsResponse",
      event: { case: "lease", value: fromLease(event.lease, isText) },
    };
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
