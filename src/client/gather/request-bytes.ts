import type { CreateJobRequest } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { TraceContext } from "../../model/log/trace-context.js";

/** Bytes of all that has a bound of its own: numbers, times, backoff, and what says which field comes next. */
const FIXED_BYTES = 300;

/** Most bytes of a character, and of what stands around a text. */
const CHARACTER_BYTES = 3;
const TEXT_BYTES = 12;

/** Bytes that a create takes in a message at the most, but for its trace. */
export function requestBytes(request: CreateJobRequest): number {
  const { queue, type, payloadKind, metadata, requestId, key, unique } = request;
  let characters = queue.length + type.length + requestId.length + key.length + (unique?.key.length ?? 0);
  let bytes = FIXED_BYTES;
  for (const name in metadata) {
    characters += name.length + (metadata[name]?.length ?? 0);
    bytes += TEXT_BYTES;
  }
  if (payloadKind.case === "payloadJson") characters += payloadKind.value.length;
  else if (payloadKind.case === "payloadBytes") bytes += payloadKind.value.length;
  return bytes + characters * CHARACTER_BYTES + traceBytes(request.traceContext);
}

/** The same of the trace that it may get on its way. */
export function traceBytes(trace: TraceContext | undefined): number {
  if (trace === undefined) return 0;
  return trace.traceparent.length + trace.tracestate.length + trace.baggage.length + 3 * TEXT_BYTES;
}
