import {
  type Baggage,
  type BaggageEntry,
  baggageEntryMetadataFromString,
  type Context,
  context,
  createTraceState,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type SpanContext,
  trace,
} from "@opentelemetry/api";
import { LIMITS } from "../model/common/limits.js";
import { membersOf, parseTraceparent, type TraceContext } from "../model/log/trace-context.js";

// Between what is kept with jobs, the texts of W3C, and the objects of OpenTelemetry. Its propagators are not used: they are
// a matter of the program, which may have none.

/** The span that a trace context names; undefined when it names none. */
export function toSpanContext(given: TraceContext | undefined): SpanContext | undefined {
  const parent = given && parseTraceparent(given.traceparent);
  if (given === undefined || parent === undefined) return undefined;
  const { traceId, spanId, flags } = parent;
  const state = given.tracestate === "" ? {} : { traceState: createTraceState(given.tracestate) };
  return { traceId, spanId, traceFlags: flags, isRemote: true, ...state };
}

/** The context in which what belongs to a trace context is done; the empty one when there is none. */
export function toContext(given: TraceContext | undefined): Context {
  const span = toSpanContext(given);
  const withSpan = span === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, span);
  return given === undefined || given.baggage === ""
    ? withSpan
    : propagation.setBaggage(withSpan, parseBaggage(given.baggage));
}

/** The trace context of a span, with the baggage of its parent; that of its parent when the span has none itself. */
export function fromSpan(span: SpanContext, parent: TraceContext | undefined): TraceContext | undefined {
  if (!isSpanContextValid(span)) return parent;
  const { traceId, spanId, traceFlags, traceState } = span;
  const flags = (traceFlags & 0xff).toString(16).padStart(2, "0");
  return {
    traceparent: `00-${traceId}-${spanId}-${flags}`,
    tracestate: traceState?.serialize() ?? "",
    baggage: parent?.baggage ?? "",
  };
}

/** Where the program is at this moment; undefined when in no trace, and without baggage. */
export function activeTraceContext(): TraceContext | undefined {
  const active = context.active();
  const span = trace.getSpanContext(active);
  const entries = propagation.getBaggage(active);
  const baggage = entries === undefined ? "" : writeBaggage(entries);
  const inTrace = span && fromSpan(span, undefined);
  if (inTrace !== undefined) return { ...inTrace, baggage };
  return baggage === "" ? undefined : { traceparent: "", tracestate: "", baggage };
}

function parseBaggage(text: string): Baggage {
  const entries: Record<string, BaggageEntry> = {};
  for (const member of membersOf(text)) {
    const [pair = "", ...properties] = member.split(";");
    const at = pair.indexOf("=");
    entries[pair.slice(0, at).trim()] = {
      value: decoded(pair.slice(at + 1).trim()),
      ...(properties.length > 0 && { metadata: baggageEntryMetadataFromString(properties.join(";").trim()) }),
    };
  }
  return propagation.createBaggage(entries);
}

/** Entries that no longer fit are left out, as a whole. */
function writeBaggage(baggage: Baggage): string {
  let text = "";
  for (const [name, { value, metadata }] of baggage.getAllEntries()) {
    const properties = metadata?.toString() ?? "";
    const entry = `${name}=${encodeURIComponent(value.toWellFormed())}${properties === "" ? "" : `;${properties}`}`;
    const longer = text === "" ? entry : `${text},${entry}`;
    if (longer.length <= LIMITS.baggageBytes) text = longer;
  }
  return text;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
