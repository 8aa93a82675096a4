import { context, type TracerProvider, trace } from "@opentelemetry/api";
import { createTaskQueue } from "gotaskq";
import { afterEach, expect, test } from "vitest";
import { createTracer } from "../../src/telemetry/tracer.js";
import { clientOf, startWorker } from "../client/support.js";
import { TRACE } from "../support/job.js";
import { startTestServer } from "../support/server.js";

const JOB = { id: "1", queue: "q", type: "t", deliveries: 1, retryCount: 0, traceContext: TRACE };
const CALL = { method: "gotaskq.v1.JobService/GetJob", protocolName: "grpc", traceContext: TRACE } as const;

afterEach(() => trace.disable());

test("while no SDK is installed there are no spans, and jobs keep what their caller told", async () => {
  const tracer = createTracer();
  expect([tracer.isOn, tracer.active()]).toEqual([false, undefined]);
  const call = { ...CALL, requestId: "r", remoteAddress: undefined };
  expect([tracer.rpc(call), tracer.create("q", 1, TRACE), tracer.attempt(JOB)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  const server = await startTestServer({ NUM_WORKERS: "0" });
  await startWorker({ url: server.url, handlers: { told: (_, { traceContext }) => ({ ...traceContext }) } });
  const job = await clientOf(server.url).createAndWait({ type: "told", traceContext: TRACE });
  expect([job.traceContext, job.result]).toEqual([TRACE, TRACE]);
  expect((await createTaskQueue().create({ type: "t" })).job.traceContext).toBeUndefined();
});

test("an SDK that is installed later is noticed, also when it takes the place of another", () => {
  const tracer = createTracer();
  for (const traceId of ["a".repeat(32), "b".repeat(32)]) {
    trace.disable();
    expect(tracer.isOn).toBe(false);
    trace.setGlobalTracerProvider(providerOf(traceId));
    expect(tracer.attempt(JOB)?.context?.traceparent).toContain(traceId);
  }
});

test("an SDK that throws harms nobody: the job runs, and its trace goes on", async () => {
  const throws = () => {
    throw new Error("a broken SDK");
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: throws, startActiveSpan: throws }) });
  const tasks = createTaskQueue({ handlers: { told: (_, { traceContext }) => ({ ...traceContext }) } });
  await tasks.start();
  const { job } = await tasks.create({ type: "told", traceContext: TRACE });
  expect((await tasks.wait(job.id)).result).toEqual(TRACE);
  await tasks.stop();
  trace.disable();
  const broken = providerOf("a".repeat(32), throws);
  trace.setGlobalTracerProvider(broken);
  expect(() => createTracer().attempt(JOB)?.end("failed", "no")).not.toThrow();
});

/** An SDK that makes spans of this trace, and calls `told` whenever one is told something. */
function providerOf(traceId: string, told: () => void = () => {}): TracerProvider {
  const span = trace.wrapSpanContext({ traceId, spanId: "c".repeat(16), traceFlags: 1 });
  const heard = new Proxy(span, {
    get: (target, name) => (name === "spanContext" ? () => target.spanContext() : told),
  });
  return {
    getTracer: () => ({ startSpan: () => heard, startActiveSpan: () => context.active() as never }),
  };
}
