import { LIMITS } from "../common/limits.js";

/**
 * Where work belongs in a distributed trace, as W3C Trace Context and W3C Baggage write it in headers: "" for a header that
 * there is none of.
 */
export interface TraceContext {
  /** Version, trace id, span id and flags. "": only baggage is told. */
  readonly traceparent: string;
  /** What tracing systems add to `traceparent`. */
  readonly tracestate: string;
  /** Names and values that go along with the work. */
  readonly baggage: string;
}

/** The names of the headers. */
export const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"] as const;

/** What a valid `traceparent` says. */
export interface TraceParent {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** 0 to 255; 1: sampled. */
  readonly flags: number;
}

/** Of a version after 00 only the parts that 00 has are known, and more may follow them. Version ff is none. */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/;

/** A member of a tracestate: `key=value`, where a key may be `tenant@system`. */
const STATE_MEMBER =
  /^[a-z0-9][a-z0-9_*/-]{0,255}(@[a-z0-9][a-z0-9_*/-]{0,255})?=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

/** Most members of a tracestate. */
const MAX_STATE_MEMBERS = 32;

/** A member of baggage: `key=value`, and properties behind semicolons. */
const BAGGAGE_MEMBER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[\x20-\x2b\x2d-\x7e\t]*$/;

/** Not those of `trim`: a line break is no part of a header. */
const BLANKS_AROUND = /^[ \t]+|[ \t]+$/g;

/** Reads a `traceparent`; undefined for what is none by the rules of W3C. */
export function parseTraceparent(text: string): TraceParent | undefined {
  if (text.length > LIMITS.traceparentLength) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(text) ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}

/**
 * The trace context that headers tell; undefined when they tell none. As W3C asks, what is not valid or too long is passed over
 * as a whole: a `traceparent` takes its `tracestate` with it.
 */
export function readTraceHeaders(header: (name: string) => string | null | undefined): TraceContext | undefined {
  let traceparent = header("traceparent")?.trim() ?? "";
  let tracestate = "";
  if (traceparent !== "") {
    if (parseTraceparent(traceparent) === undefined) traceparent = "";
    else tracestate = validOr(header("tracestate"), isTracestate);
  }
  const baggage = validOr(header("baggage"), isBaggage);
  return traceparent === "" && baggage === "" ? undefined : { traceparent, tracestate, baggage };
}

function validOr(text: string | null | undefined, isValid: (text: string) => boolean): string {
  const trimmed = text?.trim() ?? "";
  return trimmed !== "" && isValid(trimmed) ? trimmed : "";
}

/** Whether a text is a `tracestate`. Members that are empty count for nothing: W3C allows them. */
export function isTracestate(text: string): boolean {
  if (text.length > LIMITS.tracestateBytes) return false;
  const members = membersOf(text);
  return members.length <= MAX_STATE_MEMBERS && members.every((member) => STATE_MEMBER.test(member));
}

/** Whether a text is `baggage`. */
export function isBaggage(text: string): boolean {
  return text.length <= LIMITS.baggageBytes && membersOf(text).every((member) => BAGGAGE_MEMBER.test(member));
}

/** The members of a list in a header, without the blanks around them and without empty ones. */
export function membersOf(text: string): string[] {
  return text
    .split(",")
    .map((member) => member.replace(BLANKS_AROUND, ""))
    .filter((member) => member !== "");
}

/** A copy with all of its parts; undefined when all are empty. */
export function toTraceContext(context: Partial<TraceContext>): TraceContext | undefined {
  const { traceparent = "", tracestate = "", baggage = "" } = context;
  return traceparent === "" && tracestate === "" && baggage === "" ? undefined : { traceparent, tracestate, baggage };
}

/** Its parts that are not empty, to be written as JSON; `toTraceContext` reads it back. */
export function savedTraceContext({ traceparent, tracestate, baggage }: TraceContext): Partial<TraceContext> {
  return {
    ...(traceparent !== "" && { traceparent }),
    ...(tracestate !== "" && { tracestate }),
    ...(baggage !== "" && { baggage }),
  };
}

/** What a line of the log says of a trace. */
export function traceFields(context: TraceContext | undefined): {
  readonly trace_id?: string;
  readonly span_id?: string;
} {
  const parent = context && parseTraceparent(context.traceparent);
  return parent === undefined ? {} : { trace_id: parent.traceId, span_id: parent.spanId };
}

/** What a trace context counts as in `jobBytes`. */
export function traceContextBytes({ traceparent, tracestate, baggage }: TraceContext): number {
  return traceparent.length + tracestate.length + baggage.length;
}
