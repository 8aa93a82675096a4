import type { Attributes } from "@opentelemetry/api";
import type { TracedJob } from "../model/log/tracer.js";

/** The names by OpenTelemetry's conventions for messaging and RPC, and our own. */
export const NAMES = {
  system: "messaging.system",
  queue: "messaging.destination.name",
  operation: "messaging.operation.name",
  operationType: "messaging.operation.type",
  jobId: "messaging.message.id",
  count: "messaging.batch.message_count",
  jobType: "gotaskq.job.type",
  attempt: "gotaskq.job.attempt",
  retryCount: "gotaskq.job.retry_count",
  outcome: "gotaskq.job.outcome",
  deduplicated: "gotaskq.job.deduplicated",
  requestId: "gotaskq.request_id",
  errorType: "error.type",
  rpcSystem: "rpc.system",
  rpcService: "rpc.service",
  rpcMethod: "rpc.method",
  grpcCode: "rpc.grpc.status_code",
  connectCode: "rpc.connect_rpc.error_code",
  peer: "network.peer.address",
} as const;

/** What each span about a job says. */
export function jobAttributes({ id, queue, type, deliveries, retryCount }: TracedJob, operation: string): Attributes {
  return {
    [NAMES.system]: "gotaskq",
    [NAMES.queue]: queue,
    [NAMES.operation]: operation,
    [NAMES.jobId]: id,
    [NAMES.jobType]: type,
    [NAMES.attempt]: deliveries,
    [NAMES.retryCount]: retryCount,
  };
}
