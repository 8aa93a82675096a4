import type { HandlerContext } from "@connectrpc/connect";
import { readTraceHeaders, type TraceContext } from "../model/trace-context.js";
import { CallContext } from "./fast/call-context.js";

/** The trace that a call belongs to, by its headers; undefined when they tell none. */
export function traceContextOf(context: HandlerContext | CallContext): TraceContext | undefined {
  return context instanceof CallContext
    ? context.traceContext
    : readTraceHeaders((name) => context.requestHeader.get(name));
}
