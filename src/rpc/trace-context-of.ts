import type { HandlerContext } from "@connectrpc/connect";
import type { TraceContext } from "../model/log/trace-context.js";
import { CallContext } from "./fast/call-context.js";
import { CALL_TRACE } from "./rpc-call.js";

/** Where a call is in a trace, for the jobs that it creates; undefined: in none. */
export function traceContextOf(context: HandlerContext | CallContext): TraceContext | undefined {
  return context instanceof CallContext ? context.traceContext : context.values.get(CALL_TRACE);
}
