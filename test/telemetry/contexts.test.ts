import { context, propagation, ROOT_CONTEXT, TraceFlags, trace } from "@opentelemetry/api";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { afterAll, describe, expect, test } from "vitest";
import type { TraceContext } from "../../src/model/log/trace-context.js";
import { activeTraceContext, fromSpan, toContext, toSpanContext } from "../../src/telemetry/contexts.js";
import { TRACE } from "../support/job.js";

const NONE: TraceContext = { traceparent: "", tracestate: "", baggage: "" };

// Only for its manager of contexts.
new NodeTracerProvider().register();
afterAll(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

describe("a trace context", () => {
  test.each<TraceContext>([
    TRACE,
    { ...TRACE, tracestate: "" },
    { ...TRACE, baggage: "" },
    { ...NONE, baggage: "a=b" },
  ])("becomes a context of OpenTelemetry, and is read from it again: %j", (given) => {
    expect(context.with(toContext(given), activeTraceContext)).toEqual(given);
  });

  test("gives its baggage to who runs in it, decoded, and takes no harm from what is no escape", () => {
    const baggage = propagation.getBaggage(toContext({ ...NONE, baggage: "node=DF%2028;prop=1 , broken=%zz" }));
    expect(baggage?.getEntry("node")?.value).toBe("DF 28");
    expect(baggage?.getEntry("node")?.metadata?.toString()).toBe("prop=1");
    expect(baggage?.getEntry("broken")?.value).toBe("%zz");
  });

  test("is none outside of any trace", () => {
    expect(context.with(ROOT_CONTEXT, activeTraceContext)).toBeUndefined();
    expect(context.with(toContext(undefined), activeTraceContext)).toBeUndefined();
    expect(toSpanContext(NONE)).toBeUndefined();
  });

  test("of a span is that of its parent while the span has none, and keeps the baggage", () => {
    const invalid = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: TraceFlags.NONE };
    expect(fromSpan(invalid, TRACE)).toBe(TRACE);
    const unsampled = { traceId: "a".repeat(32), spanId: "b".repeat(16), traceFlags: TraceFlags.NONE };
    expect(fromSpan(unsampled, TRACE)).toEqual({
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-00`,
      tracestate: "",
      baggage: TRACE.baggage,
    });
  });

  test("leaves out, as a whole, what would make baggage longer than it may be", () => {
    const entries = propagation.createBaggage({ long: { value: "x".repeat(9000) }, short: { value: "é,\ud83d" } });
    const told = context.with(propagation.setBaggage(ROOT_CONTEXT, entries), activeTraceContext);
    expect(told).toEqual({ ...NONE, baggage: `short=${encodeURIComponent("é,\ufffd")}` });
  });
});
