import { describe, expect, test } from "vitest";
import {
  parseTraceparent,
  readTraceHeaders,
  savedTraceContext,
  type TraceContext,
  toTraceContext,
} from "../../../src/model/log/trace-context.js";
import { checkTraceContext } from "../../../src/model/request/validate.js";
import { Violations } from "../../../src/model/request/violations.js";
import { TRACE } from "../../support/job.js";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";

/** Texts that are no traceparent. */
const BAD_PARENTS = [
  "nonsense",
  `00-${TRACE_ID}-${SPAN_ID}`,
  `00-${TRACE_ID}-${SPAN_ID}-01-more`,
  `00-${TRACE_ID}-${SPAN_ID}-01-`,
  `00-${TRACE_ID}-${SPAN_ID}-1`,
  `00-${TRACE_ID.toUpperCase()}-${SPAN_ID}-01`,
  `00-${"0".repeat(32)}-${SPAN_ID}-01`,
  `00-${TRACE_ID}-${"0".repeat(16)}-01`,
  `ff-${TRACE_ID}-${SPAN_ID}-01`,
  `01-${TRACE_ID}-${SPAN_ID}-01, 01-${TRACE_ID}-${SPAN_ID}-01`,
  `01-${TRACE_ID}-${SPAN_ID}-01more`,
  `01-${TRACE_ID}-${SPAN_ID}-01-${"x".repeat(80)}`,
  `00-${TRACE_ID}-${SPAN_ID}-01\n`,
];

const BAD_STATES = [
  `a=${"x".repeat(511)}`,
  "no value",
  "a=b\n",
  "A=b",
  "a=b=c",
  "ä=b",
  `a=${"x".repeat(257)}`,
  `${"a=b,".repeat(33)}`,
];
const BAD_BAGGAGE = [`a=${"x".repeat(8191)}`, "no value", "a=b\u0000", "a=ü", 'a"=b'];

function read(given: Partial<TraceContext>): TraceContext | undefined {
  return readTraceHeaders((name) => given[name as keyof TraceContext]);
}

describe("a traceparent", () => {
  test("is read by the rules of W3C", () => {
    expect(parseTraceparent(TRACE.traceparent)).toEqual({ traceId: TRACE_ID, spanId: SPAN_ID, flags: 1 });
    expect(parseTraceparent(`00-${TRACE_ID}-${SPAN_ID}-fe`)?.flags).toBe(0xfe);
  });

  test.each(["", "-", "-more-to-come"])("of a later version may go on: %j", (more) => {
    expect(parseTraceparent(`cc-${TRACE_ID}-${SPAN_ID}-01${more}`)).toMatchObject({ traceId: TRACE_ID });
  });

  test.each(BAD_PARENTS)("is not %j", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});

describe("a trace context in headers", () => {
  test("is taken as it is", () => {
    expect(read(TRACE)).toEqual(TRACE);
    expect(read({ ...TRACE, tracestate: " a=1 ,, b@c=2 " })?.tracestate).toBe("a=1 ,, b@c=2");
  });

  test("may be baggage alone; nothing is undefined", () => {
    expect(read({ baggage: "a=b" })).toEqual({ traceparent: "", tracestate: "", baggage: "a=b" });
    expect(read({})).toBeUndefined();
    expect(read({ tracestate: "a=b" })).toBeUndefined();
  });

  test.each(BAD_PARENTS.filter((text) => text.trim() === text))(
    "goes on without %j and its tracestate",
    (traceparent) => {
      expect(read({ ...TRACE, traceparent })).toEqual({ traceparent: "", tracestate: "", baggage: TRACE.baggage });
    },
  );

  test.each(BAD_STATES.filter((text) => text.trim() === text))("goes on without the tracestate %j", (tracestate) => {
    expect(read({ ...TRACE, tracestate })).toEqual({ ...TRACE, tracestate: "" });
  });

  test.each(BAD_BAGGAGE)("goes on without the baggage %j", (baggage) => {
    expect(read({ ...TRACE, baggage })).toEqual({ ...TRACE, baggage: "" });
  });
});

describe("a trace context in a field", () => {
  function fieldsOf(given: Partial<TraceContext>): string[] {
    const violations = new Violations();
    checkTraceContext(violations, "traceContext", { ...TRACE, ...given });
    return violations.list.map(({ field }) => field);
  }

  test("passes when it is valid, up to its limits", () => {
    expect(fieldsOf({})).toEqual([]);
    expect(
      fieldsOf({ tracestate: `a=${"x".repeat(253)},b=${"x".repeat(254)}`, baggage: `a=${"x".repeat(8190)}` }),
    ).toEqual([]);
    expect(fieldsOf({ traceparent: "", tracestate: "" })).toEqual([]);
  });

  test.each(BAD_PARENTS)("is refused by name for the traceparent %j", (traceparent) => {
    expect(fieldsOf({ traceparent })).toEqual(["traceContext.traceparent"]);
  });

  test.each(BAD_STATES)("is refused by name for the tracestate %j", (tracestate) => {
    expect(fieldsOf({ tracestate })).toEqual(["traceContext.tracestate"]);
  });

  test.each(BAD_BAGGAGE)("is refused by name for the baggage %j", (baggage) => {
    expect(fieldsOf({ baggage })).toEqual(["traceContext.baggage"]);
  });

  test("is refused for a tracestate alone, and for what is no text", () => {
    expect(fieldsOf({ traceparent: "" })).toEqual(["traceContext.tracestate"]);
    expect(fieldsOf({ baggage: 5 as never })).toEqual(["traceContext.baggage"]);
  });
});

describe("a trace context that is saved", () => {
  test.each<TraceContext>([
    TRACE,
    { ...TRACE, tracestate: "", baggage: "" },
    { traceparent: "", tracestate: "", baggage: "a=b" },
  ])("is read back: %j", (context) => {
    const saved = savedTraceContext(context);
    expect(toTraceContext(saved)).toEqual(context);
    expect(Object.values(saved)).not.toContain("");
  });

  test("is nothing when all is empty", () => {
    expect(toTraceContext({})).toBeUndefined();
  });
});
