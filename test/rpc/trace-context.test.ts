import { beforeAll, describe, expect, test } from "vitest";
import type { TraceContext } from "../../src/model/log/trace-context.js";
import { TRACE } from "../support/job.js";
import { finished, jsonOf, present, refusal } from "../support/rpc.js";
import { type Clients, startTestServer, type TestServer } from "../support/server.js";
import { GRPC, TRANSPORTS } from "../support/transports.js";
import { streamJobs } from "../support/worker.js";

const OTHER: TraceContext = { ...TRACE, traceparent: TRACE.traceparent.replace("4bf9", "5555"), tracestate: "" };
const NONE: TraceContext = { traceparent: "", tracestate: "", baggage: "" };

let server: TestServer;
let slow: TestServer;

beforeAll(async () => {
  const handlers = { told: (_: unknown, context: { readonly traceContext?: TraceContext }) => context.traceContext };
  server = await startTestServer({}, { handlers });
  slow = await startTestServer({}, { handlers, isFastPathOn: false });
});

/** The trace context of a job; undefined when it has none. */
async function contextOf({ jobs }: Clients, id: string): Promise<TraceContext | undefined> {
  const { traceContext } = present((await jobs.getJob({ id })).job);
  if (traceContext === undefined) return undefined;
  const { traceparent, tracestate, baggage } = traceContext;
  return { traceparent, tracestate, baggage };
}

const headersOf = (given: Partial<TraceContext>) => ({ headers: { ...given } });

const PATHS = TRANSPORTS.flatMap(({ name, create }) => [
  { name, create, start: () => server },
  { name: `${name} by connect's own handlers`, create, start: () => slow },
]);

describe.each(PATHS)("$name", (kind) => {
  const clients = () => kind.start().connect(kind);

  test("keeps the headers of a create with its job, and its handler is told", async () => {
    const { jobs } = clients();
    const { job } = await jobs.createJob({ type: "told" }, headersOf(TRACE));
    expect(present(job).traceContext).toMatchObject(TRACE);
    expect(jsonOf((await finished({ jobs }, present(job).id)).resultKind)).toEqual(TRACE);
  });

  test("keeps the headers of a batch with each of its jobs, but for those that have their own", async () => {
    const both = clients();
    const requests = [
      { type: "t" },
      { type: "t", traceContext: OTHER },
      { type: "t", traceContext: NONE },
      { type: "t" },
    ];
    const { results } = await both.jobs.batchCreateJobs({ requests }, headersOf(TRACE));
    const found = await Promise.all(results.map(({ jobId }) => contextOf(both, jobId)));
    expect(found).toEqual([TRACE, OTHER, undefined, TRACE]);
  });
});

describe("a create", () => {
  test.each<[string, Partial<TraceContext>, TraceContext | undefined]>([
    ["no header", {}, undefined],
    ["a traceparent that is none", { ...TRACE, traceparent: "00-0-0-00" }, { ...NONE, baggage: TRACE.baggage }],
    ["a tracestate that is none", { ...TRACE, tracestate: "what" }, { ...TRACE, tracestate: "" }],
    ["baggage that is too long", { ...TRACE, baggage: `a=${"x".repeat(8191)}` }, { ...TRACE, baggage: "" }],
    ["a tracestate alone", { tracestate: TRACE.tracestate }, undefined],
  ])("with %s goes on without what is not valid", async (_, given, expected) => {
    for (const clients of [server, slow]) {
      const { job } = await clients.jobs.createJob({ type: "t" }, headersOf(given));
      expect(await contextOf(clients, present(job).id)).toEqual(expected);
    }
  });

  test("with a field that is not valid is refused by its name, whatever the headers say", async () => {
    const bad = { ...TRACE, traceparent: "00-0-0-00" };
    expect(await refusal(server.jobs.createJob({ type: "t", traceContext: bad }, headersOf(TRACE)))).toMatchObject({
      reason: "FIELD_INVALID",
      fields: ["trace_context.traceparent"],
    });
    const requests = [{ type: "t" }, { type: "t", traceContext: { ...TRACE, baggage: "ü" } }];
    expect((await refusal(server.jobs.batchCreateJobs({ requests }))).fields).toEqual([
      "requests[1].trace_context.baggage",
    ]);
  });

  test("that is repeated in another trace answers the first job with its own", async () => {
    const request = { type: "t", requestId: "again" };
    const first = await server.jobs.createJob(request, headersOf(TRACE));
    const again = await server.jobs.createJob(request, headersOf(OTHER));
    expect(again).toMatchObject({ deduplicated: true, job: { id: first.job?.id, traceContext: TRACE } });
  });
});

test("a remote worker gets the trace context with its lease, also after a death and a replay", async () => {
  const clients = server.connect(GRPC);
  const { job } = await clients.jobs.createJob({ type: "remote", maxRetries: 0 }, headersOf(TRACE));
  const stream = await streamJobs(clients, { types: ["remote"], maxInFlight: 1 });
  const lease = await stream.nextLease();
  expect(lease.job?.traceContext).toMatchObject(TRACE);
  const id = present(job).id;
  await clients.workers.failJobs({ failures: [{ jobId: id, leaseToken: lease.leaseToken, error: "no" }] });
  await clients.dlq.replayDeadJob({ id });
  expect((await stream.nextLease()).job?.traceContext).toMatchObject(TRACE);
  stream.leave();
});

test("a page of another origin may send the headers", async () => {
  const open = await startTestServer({ CORS_ORIGINS: "*" });
  const preflight = await fetch(`${open.url}/gotaskq.v1.JobService/CreateJob`, {
    method: "OPTIONS",
    headers: { origin: "https://example.org", "access-control-request-method": "POST" },
  });
  const allowed = preflight.headers.get("access-control-allow-headers")?.split(", ");
  expect(allowed).toEqual(expect.arrayContaining(["traceparent", "tracestate", "baggage"]));
});
