import {
  context,
  type Span as SdkSpan,
  type Tracer as SdkTracer,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { guarded } from "../model/common/guarded.js";
import type { TraceContext } from "../model/log/trace-context.js";
import type {
  AttemptSpan,
  CreateSpan,
  RpcSpan,
  TracedCall,
  TracedJob,
  Tracer,
  WaitedJob,
} from "../model/log/tracer.js";
import { jobAttributes, NAMES } from "./attributes.js";
import { activeTraceContext, fromSpan, toContext, toSpanContext } from "./contexts.js";
import { recordError } from "./record-error.js";
import { isServerFault, RPC_CODES } from "./rpc-codes.js";
import { sdkTracer } from "./sdk.js";

/** Creates the tracer of a program: its spans go to the SDK of OpenTelemetry that the program installs, if it does. */
export function createTracer(): Tracer {
  return {
    get isOn() {
      return sdkTracer() !== undefined;
    },
    active: () => whenOn(activeTraceContext),
    rpc: (call) => whenOn((tracer) => beginRpc(tracer, call)),
    create: (queue, count, parent) => whenOn((tracer) => beginCreate(tracer, queue, count, parent)),
    waited: (job) => whenOn((tracer) => recordWait(tracer, job)),
    attempt: (job) => whenOn((tracer) => beginAttempt(tracer, job)),
  };
}

/** What `tell` returns; undefined when there is no SDK, or one that throws. */
function whenOn<T>(tell: (tracer: SdkTracer) => T): T | undefined {
  const tracer = sdkTracer();
  return tracer === undefined ? undefined : guarded(() => tell(tracer), undefined);
}

/** The services whose calls have spans; probes of health and reflection have none. */
const SERVICES = "gotaskq.";

function beginRpc(tracer: SdkTracer, call: TracedCall): RpcSpan | undefined {
  const { method, protocolName, remoteAddress, requestId, traceContext: caller } = call;
  if (!method.startsWith(SERVICES)) return undefined;
  // Calls of plain HTTP have the codes of Connect.
  const isConnect = protocolName === "connect" || protocolName === "http";
  const slash = method.indexOf("/");
  const attributes = {
    [NAMES.rpcSystem]: isConnect ? "connect_rpc" : "grpc",
    [NAMES.rpcService]: method.slice(0, slash),
    [NAMES.rpcMethod]: method.slice(slash + 1),
    [NAMES.requestId]: requestId,
    ...(remoteAddress !== undefined && { [NAMES.peer]: remoteAddress }),
  };
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parentOfCall(caller));
  return {
    context: fromSpan(span.spanContext(), caller),
    end: (code) =>
      end(span, () => {
        if (!isConnect) span.setAttribute(NAMES.grpcCode, RPC_CODES.indexOf(code));
        else if (code !== "ok") span.setAttribute(NAMES.connectCode, code);
        if (code !== "ok") span.setAttribute(NAMES.errorType, code);
        if (isServerFault(code)) span.setStatus({ code: SpanStatusCode.ERROR });
      }),
  };
}

/** A span that an instrumentation of HTTP has begun for the same call is between it and the caller. */
function parentOfCall(caller: TraceContext | undefined) {
  const told = toSpanContext(caller);
  const active = trace.getSpanContext(context.active());
  const isOfCall = active !== undefined && (told === undefined || active.traceId === told.traceId);
  return isOfCall ? context.active() : toContext(caller);
}

function beginCreate(
  tracer: SdkTracer,
  queue: string | undefined,
  count: number,
  parent: TraceContext | undefined,
): CreateSpan {
  const attributes = {
    [NAMES.system]: "gotaskq",
    [NAMES.operation]: "create",
    [NAMES.operationType]: "send",
    ...(queue !== undefined && { [NAMES.queue]: queue }),
    ...(count > 1 && { [NAMES.count]: count }),
  };
  const name = queue === undefined ? "create" : `create ${queue}`;
  const span = tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes }, toContext(parent));
  return {
    context: fromSpan(span.spanContext(), parent),
    end: (jobs) =>
      end(span, () => {
        const [job] = jobs;
        if (jobs.length === 1 && job !== undefined) span.setAttribute(NAMES.jobId, job.id);
        const deduplicated = jobs.filter((one) => one.deduplicated).length;
        if (deduplicated > 0) span.setAttribute(NAMES.deduplicated, deduplicated);
      }),
    fail: (error) => end(span, () => recordError(span, error)),
  };
}

function recordWait(tracer: SdkTracer, job: WaitedJob): void {
  const { traceContext, startedAt, queue, runAfter, attemptErrors } = job;
  if (startedAt === undefined || toSpanContext(traceContext) === undefined) return;
  // A job whose lease was lost waits since then. When one was released is not known.
  const since = Math.min(startedAt, Math.max(runAfter, attemptErrors.at(-1)?.at ?? runAfter));
  const attributes = jobAttributes(job, "wait");
  const startTime = new Date(since);
  const span = tracer.startSpan(`wait ${queue}`, { attributes, startTime }, toContext(traceContext));
  span.end(new Date(startedAt));
}

function beginAttempt(tracer: SdkTracer, job: TracedJob): AttemptSpan {
  const { queue, traceContext: producer } = job;
  const attributes = { ...jobAttributes(job, "process"), [NAMES.operationType]: "process" };
  const created = toSpanContext(producer);
  const links = created === undefined ? [] : [{ context: created }];
  const parent = toContext(producer);
  const span = tracer.startSpan(`process ${queue}`, { kind: SpanKind.CONSUMER, attributes, links }, parent);
  const within = trace.setSpan(parent, span);
  return {
    context: fromSpan(span.spanContext(), producer),
    run: (handler) => context.with(within, handler),
    end: (outcome, error) =>
      end(span, () => {
        span.setAttribute(NAMES.outcome, outcome);
        if (outcome === "failed" || outcome === "lost") recordError(span, error);
      }),
  };
}

/** Ends a span, whatever happens while its last words are said. */
function end(span: SdkSpan, tell: () => void): void {
  guarded(tell, undefined);
  guarded(() => span.end(), undefined);
}
