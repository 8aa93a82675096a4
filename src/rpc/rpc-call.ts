import { createContextKey } from "@connectrpc/connect";
import { type Admitted, ANYBODY } from "../access/caller.js";
import type { TaskQueueError } from "../model/common/errors.js";
import { type TraceContext, traceFields } from "../model/log/trace-context.js";
import type { RpcSpan } from "../model/log/tracer.js";
import type { Spelling } from "./errors.js";

/** The protocols that a call may come in, as the log names them; `http`: by the original's API. */
export type ProtocolName = "connect" | "grpc" | "grpc-web" | "http";

/** Where a call comes from. */
export interface CallOrigin {
  /** What names the request, in its answer, in errors and in the log. */
  readonly requestId: string;
  /** The address at the other end of the connection. Undefined when that is closed. */
  readonly remoteAddress: string | undefined;
  /** Who calls. */
  readonly caller: Admitted;
}

/** What is known of a call, whichever path serves it. */
export interface RpcCall extends CallOrigin {
  /** The full name, as in `gotaskq.v1.JobService/GetJob`. */
  readonly method: string;
  /** How its client spells the names of fields. */
  readonly spelling: Spelling;
  readonly protocolName: ProtocolName;
  /** Where the call is in a trace: its own span, or its caller while nobody traces. Undefined: in none. */
  readonly traceContext: TraceContext | undefined;
  /** Undefined when nobody traces. */
  readonly span?: RpcSpan | undefined;
  /** The errors of single items that its answer tells: the call as a whole is fine. Undefined: it tells none. */
  readonly itemErrors?: readonly TaskQueueError[] | undefined;
}

/** Where connect keeps the errors of single items of a call that it serves. */
export const CALL_ITEM_ERRORS = createContextKey<TaskQueueError[]>([]);

/** Where connect keeps the trace context of a call that it serves. */
export const CALL_TRACE = createContextKey<TraceContext | undefined>(undefined);

/** Where connect keeps the origin of a call that it serves. */
export const CALL_ORIGIN = createContextKey<CallOrigin>({
  requestId: "",
  remoteAddress: undefined,
  caller: ANYBODY,
});

/** What each line of the log says of a call. */
export function callFields({
  method,
  requestId,
  protocolName,
  remoteAddress,
  caller,
  traceContext,
}: RpcCall): Readonly<Record<string, unknown>> {
  const who = caller.name === "" ? undefined : { caller: caller.name };
  const trace = traceFields(traceContext);
  return { method, request_id: requestId, protocol: protocolName, remote: remoteAddress, ...who, ...trace };
}
