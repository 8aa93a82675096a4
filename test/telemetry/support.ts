import { type Attributes, context, type SpanContext, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { afterAll } from "vitest";
import { eventually } from "../support/wait.js";

// Installs an SDK in the process of the test, as a program does, and reads the spans that reach its exporter.

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();

afterAll(async () => {
  trace.disable();
  context.disable();
  await provider.shutdown();
});

/** What tests look at in a span. */
export interface SeenSpan {
  readonly name: string;
  readonly kind: string;
  readonly id: string;
  readonly traceId: string;
  /** Id of the parent; undefined: it is a root. */
  readonly parent: string | undefined;
  /** Ids of the spans it is linked to. */
  readonly links: readonly string[];
  readonly attributes: Attributes;
  readonly failed: boolean;
  /** Messages of recorded errors. */
  readonly errors: readonly string[];
  /** Ms since 1970. */
  readonly start: number;
  readonly end: number;
}

function seen(span: ReadableSpan): SeenSpan {
  const ms = ([seconds, nanos]: readonly [number, number]) => seconds * 1000 + nanos / 1e6;
  return {
    name: span.name,
    kind: SpanKind[span.kind],
    id: span.spanContext().spanId,
    traceId: span.spanContext().traceId,
    parent: span.parentSpanContext?.spanId,
    links: span.links.map((link) => link.context.spanId),
    attributes: span.attributes,
    failed: span.status.code === SpanStatusCode.ERROR,
    errors: span.events.map(({ attributes }) => String(attributes?.["exception.message"])),
    start: ms(span.startTime),
    end: ms(span.endTime),
  };
}

/** Resolves to the spans of a trace with this name, in the order of their ends, once there are so many. */
export function spansOf(traceId: string, name: string, count = 1): Promise<readonly SeenSpan[]> {
  return eventually(async () => {
    const found = exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId);
    const named = found.filter((span) => span.name === name);
    return named.length >= count ? named.map(seen) : undefined;
  }, `${count} spans called ${name}`);
}

/** Resolves to the only span of a trace with this name. */
export async function spanOf(traceId: string, name: string): Promise<SeenSpan> {
  const spans = await spansOf(traceId, name);
  if (spans.length !== 1) throw new Error(`expected one span called ${name}, got ${spans.length}`);
  return spans[0] as SeenSpan;
}

/** The names of the spans of a trace that have ended. */
export function namesOf(traceId: string): readonly string[] {
  const found = exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === traceId);
  return found.map(({ name }) => name);
}

/** Runs something in a span of the test's own. Resolves to its result and the span. */
export async function inSpan<T>(run: () => Promise<T>): Promise<{ readonly result: T; readonly caller: SpanContext }> {
  return trace.getTracer("test").startActiveSpan("caller", async (span) => {
    const result = await run();
    span.end();
    return { result, caller: span.spanContext() };
  });
}
