import { trace } from "@opentelemetry/api";
import { createTaskQueue, type LocalTaskQueue } from "gotaskq";
import { type HandlerContext, type HandlerJob, PermanentError, type TaskQueueClient } from "gotaskq/client";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { TraceContext } from "../../src/model/log/trace-context.js";
import { clientOf, newQueue, startWorker } from "../client/support.js";
import { TRACE } from "../support/job.js";
import { startRedis } from "../support/redis.js";
import { present, refusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { CONNECT_JSON, GRPC } from "../support/transports.js";
import { within } from "../support/wait.js";
import { inSpan, namesOf, type SeenSpan, spanOf, spansOf } from "./support.js";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const CREATE_RPC = "gotaskq.v1.JobService/CreateJob";

/** What the handler `inner` was given last. */
let given: TraceContext | undefined;

const handlers = {
  ok: () => "done",
  inner(_: HandlerJob, { traceContext }: HandlerContext) {
    given = traceContext;
    trace.getTracer("test").startSpan("inner").end();
  },
  outer: ({ queue }: HandlerJob, { enqueue }: HandlerContext) => enqueue({ queue, type: "ok" }),
  flaky(job: HandlerJob) {
    if (job.retryCount === 0) throw new RangeError("not yet");
  },
  fatal() {
    throw new PermanentError("never");
  },
  async untilAborted(_: HandlerJob, { signal, progress }: HandlerContext) {
    await new Promise<void>((resolve) => {
      const beat = setInterval(() => progress(1), 20);
      signal.addEventListener("abort", () => {
        clearInterval(beat);
        resolve();
      });
    });
    throw signal.reason;
  },
};

const traceIdOf = ({ traceContext }: { readonly traceContext?: TraceContext | undefined }) =>
  traceContext?.traceparent.split("-")[1] ?? "no trace";

/** The span that a trace context names. */
const spanIdOf = (context: TraceContext | undefined) => context?.traceparent.split("-")[2];

let callers = 0;

/** The headers of a caller in a trace of its own. */
function newCaller() {
  const traceId = (++callers).toString(16).padStart(32, "0");
  const spanId = callers.toString(16).padStart(16, "0");
  return { traceId, spanId, headers: { traceparent: `00-${traceId}-${spanId}-01` } };
}

/** Each store, with handlers in the server, and with those of a remote worker. */
describe.each([
  ["in memory, with built-in workers", false, false],
  ["in memory, with a remote worker", false, true],
  ["on Redis, with built-in workers", true, false],
  ["on Redis, with a remote worker", true, true],
])("%s", (_, onRedis, isRemote) => {
  let server: TestServer;
  let client: TaskQueueClient;
  let queue: string;

  beforeAll(async () => {
    const store: Record<string, string> = onRedis
      ? { USE_REDIS: "true", REDIS_URL: (await startRedis({ port: true })).url }
      : {};
    const workers = { NUM_WORKERS: isRemote ? "0" : "4", LEASE_DURATION: "2s" };
    server = await startTestServer({ ...store, ...workers, BASE_DELAY: "1ms" }, { handlers });
  });

  /** A queue of its own for each test, and a worker where that is remote. */
  async function begin(): Promise<void> {
    queue = await newQueue(server.url);
    client = clientOf(server.url);
    if (isRemote) await startWorker({ url: server.url, queues: [queue], handlers, leaseMs: 1000 });
  }

  test("a job's spans hang below its caller: call, create, wait, attempt, and what the handler does", async () => {
    await begin();
    const { result, caller } = await inSpan(() => client.create({ queue, type: "inner" }));
    const job = await client.wait(result.job.id);
    const { traceId, spanId } = caller;
    const rpc = await spanOf(traceId, CREATE_RPC);
    const create = await spanOf(traceId, `create ${queue}`);
    const wait = await spanOf(traceId, `wait ${queue}`);
    const attempt = await spanOf(traceId, `process ${queue}`);
    const inner = await spanOf(traceId, "inner");
    expect([rpc.parent, create.parent, wait.parent, attempt.parent, inner.parent]).toEqual([
      spanId,
      rpc.id,
      create.id,
      create.id,
      attempt.id,
    ]);
    expect([rpc.kind, create.kind, wait.kind, attempt.kind]).toEqual(["SERVER", "PRODUCER", "INTERNAL", "CONSUMER"]);
    expect(attempt.links).toEqual([create.id]);
    expect(spanIdOf(job.traceContext)).toBe(create.id);
    expect(spanIdOf(given)).toBe(attempt.id);
    expect(wait.start).toBe(job.runAfter);
    expect(wait.end).toBe(job.startedAt);
    expect(create.attributes).toMatchObject({
      "messaging.system": "gotaskq",
      "messaging.destination.name": queue,
      "messaging.operation.name": "create",
      "messaging.operation.type": "send",
      "messaging.message.id": job.id,
    });
    expect(attempt.attributes).toMatchObject({
      "messaging.system": "gotaskq",
      "messaging.destination.name": queue,
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "messaging.message.id": job.id,
      "gotaskq.job.type": "inner",
      "gotaskq.job.attempt": 1,
      "gotaskq.job.retry_count": 0,
      "gotaskq.job.outcome": "completed",
    });
    expect([attempt.failed, attempt.errors]).toEqual([false, []]);
  });

  test("the create of a job by a handler hangs below the attempt", async () => {
    await begin();
    const { result: outer, caller } = await inSpan(() => client.createAndWait({ queue, type: "outer" }));
    await client.wait((outer.result as { id: string }).id);
    const attempts = await spansOf(caller.traceId, `process ${queue}`, 2);
    const attempt = attempts.find(({ attributes }) => attributes["gotaskq.job.type"] === "outer");
    const [, create] = await spansOf(caller.traceId, `create ${queue}`, 2);
    if (!isRemote) expect(create?.parent).toBe(attempt?.id);
    else {
      const [, rpc] = await spansOf(caller.traceId, CREATE_RPC, 2);
      expect([create?.parent, rpc?.parent]).toEqual([rpc?.id, attempt?.id]);
    }
  });

  test("each attempt has a span of its own below the same create, with its error", async () => {
    await begin();
    const job = await client.createAndWait({ queue, type: "flaky", traceContext: TRACE });
    const [first, second] = (await spansOf(TRACE_ID, `process ${queue}`, 2)) as [SeenSpan, SeenSpan];
    const create = await spanOf(TRACE_ID, `create ${queue}`);
    expect([first.parent, second.parent]).toEqual([create.id, create.id]);
    expect([first.failed, first.errors, first.attributes["error.type"]]).toEqual([true, ["not yet"], "RangeError"]);
    expect([first.attributes["gotaskq.job.outcome"], second.attributes["gotaskq.job.outcome"]]).toEqual([
      "failed",
      "completed",
    ]);
    expect([second.attributes["gotaskq.job.attempt"], second.attributes["gotaskq.job.retry_count"]]).toEqual([2, 1]);
    expect((await spansOf(TRACE_ID, `wait ${queue}`, 2))[1]?.start).toBe(job.runAfter);
    expect(job.traceContext).toMatchObject({ tracestate: TRACE.tracestate, baggage: TRACE.baggage });
  });

  test("a replay of a dead job goes on below its create", async () => {
    await begin();
    const { traceId, ...job } = await inSpan(() => client.createAndWait({ queue, type: "fatal" })).then(
      ({ result, caller }) => ({ ...result, ...caller }),
    );
    expect(job.status).toBe("DEAD");
    await client.dlq.replay(job.id);
    await client.wait(job.id);
    const attempts = await spansOf(traceId, `process ${queue}`, 2);
    const create = await spanOf(traceId, `create ${queue}`);
    expect(attempts.map(({ parent }) => parent)).toEqual([create.id, create.id]);
    expect(attempts.map(({ failed, errors }) => [failed, ...errors])).toEqual([
      [true, "never"],
      [true, "never"],
    ]);
  });

  test("an attempt tells that it was canceled, that its time was over, and that its lease was lost", async () => {
    await begin();
    const late = await client.createAndWait({ queue, type: "untilAborted", timeoutMs: 50, maxRetries: 0 });
    const timeout = await spanOf(traceIdOf(late), `process ${queue}`);
    expect([timeout.failed, timeout.errors, timeout.attributes["gotaskq.job.outcome"]]).toEqual([
      true,
      ["timed out after 50 ms"],
      "failed",
    ]);

    const runs = async () => {
      const { job } = await client.create({ queue, type: "untilAborted" });
      for await (const { status } of client.watchJob(job.id)) if (status === "RUNNING") break;
      return job;
    };
    const canceled = await runs();
    await client.cancel(canceled.id);
    const cancel = await spanOf(traceIdOf(canceled), `process ${queue}`);
    expect([cancel.failed, cancel.attributes["gotaskq.job.outcome"]]).toEqual([false, "canceled"]);

    const deleted = await runs();
    await client.queues.delete(queue, { force: true });
    const lost = await spanOf(traceIdOf(deleted), `process ${queue}`);
    expect([lost.failed, lost.attributes["gotaskq.job.outcome"]]).toEqual([true, "lost"]);
  });
});

describe("the create", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({ NUM_WORKERS: "0" });
  });

  test("of a batch has one span for each trace that its jobs belong to, below the callers", async () => {
    const other = TRACE.traceparent.replace("4bf9", "6666");
    const client = clientOf(server.url);
    const queues = [await newQueue(server.url), await newQueue(server.url)];
    const { result, caller } = await inSpan(() =>
      client.createBatch([
        { type: "t", queue: queues[0] },
        { type: "t", queue: queues[1] },
        { type: "t", queue: queues[0], traceContext: { traceparent: other } },
        { type: "t", queue: queues[0] },
      ]),
    );
    const rpc = await spanOf(caller.traceId, "gotaskq.v1.JobService/BatchCreateJobs");
    const common = await spanOf(caller.traceId, "create");
    expect([common.parent, common.attributes["messaging.batch.message_count"]]).toEqual([rpc.id, 3]);
    const own = await spanOf(other.split("-")[1] ?? "", `create ${queues[0]}`);
    expect(own.parent).toBe(other.split("-")[2]);
    expect(own.attributes).toMatchObject({ "messaging.message.id": result[2]?.id });
    const jobs = await Promise.all(result.map(({ id }) => client.get(id)));
    expect(jobs.map(({ traceContext }) => spanIdOf(traceContext))).toEqual([common.id, common.id, own.id, common.id]);
  });

  test("of a batch that decides each job for itself tells of those that were made, and fails where none was", async () => {
    const traceparents = ["7777", "8888"].map((part) => TRACE.traceparent.replace("4bf9", part));
    const [mixed = "", refused = ""] = traceparents.map((traceparent) => traceparent.split("-")[1] ?? "");
    const { results } = await server.jobs.batchCreateJobs({
      requests: [
        { type: "t", traceContext: { traceparent: traceparents[0] ?? "" } },
        { type: "t", queue: "nowhere", traceContext: { traceparent: traceparents[0] ?? "" } },
        { type: "t", queue: "nowhere", traceContext: { traceparent: traceparents[1] ?? "" } },
      ],
      allowPartial: true,
    });
    const made = await spanOf(mixed, "create");
    expect(made).toMatchObject({ failed: false, attributes: { "messaging.batch.message_count": 2 } });
    const { outcome } = present(results[0]);
    expect(spanIdOf(outcome.case === "job" ? outcome.value.traceContext : undefined)).toBe(made.id);
    expect(await spanOf(refused, "create nowhere")).toMatchObject({
      failed: true,
      attributes: { "error.type": "TaskQueueError" },
    });
  });

  test("that is refused has a span with the error; one that is repeated says so", async () => {
    const client = clientOf(server.url);
    const { caller } = await inSpan(() => client.create({ type: "t", queue: "nowhere" }).catch(() => {}));
    expect(await spanOf(caller.traceId, "create nowhere")).toMatchObject({
      failed: true,
      attributes: { "error.type": "TaskQueueError" },
    });
    await client.create({ type: "t", requestId: "twice" });
    const again = await inSpan(() => client.create({ type: "t", requestId: "twice" }));
    expect((await spanOf(again.caller.traceId, "create default")).attributes).toMatchObject({
      "messaging.message.id": again.result.job.id,
      "gotaskq.job.deduplicated": 1,
    });
  });

  test("begins a trace when its caller has none", async () => {
    const { job } = await clientOf(server.url).create({ type: "t" });
    const rpc = await spanOf(traceIdOf(job), CREATE_RPC);
    expect(rpc.parent).toBeUndefined();
    expect((await spanOf(traceIdOf(job), "create default")).parent).toBe(rpc.id);
  });
});

describe.each([GRPC, CONNECT_JSON])("the span of a call by $name", (kind) => {
  test.each([true, false])("tells service, method and code, on the fast path: %s", async (isFastPathOn) => {
    const server = await startTestServer({}, { isFastPathOn });
    const { jobs, healthy } = server.connect(kind);
    const [found, missing, probe] = [newCaller(), newCaller(), newCaller()];
    await jobs.listJobs({}, found);
    await refusal(jobs.getJob({ id: "1" }, missing));
    await healthy.check({}, probe);
    const fine = await spanOf(found.traceId, "gotaskq.v1.JobService/ListJobs");
    const refused = await spanOf(missing.traceId, "gotaskq.v1.JobService/GetJob");
    const isGrpc = kind === GRPC;
    expect(fine).toMatchObject({
      kind: "SERVER",
      parent: found.spanId,
      failed: false,
      attributes: {
        "rpc.system": isGrpc ? "grpc" : "connect_rpc",
        "rpc.service": "gotaskq.v1.JobService",
        "rpc.method": "ListJobs",
      },
    });
    expect(refused.attributes).toMatchObject(
      isGrpc ? { "rpc.grpc.status_code": 5 } : { "rpc.connect_rpc.error_code": "not_found" },
    );
    // That a client asks for what is not there is no fault of the server's.
    expect(refused.failed).toBe(false);
    expect(namesOf(probe.traceId)).toEqual([]);
  });
});

describe("a watch", () => {
  test("has one span, from its begin to its end", async () => {
    const server = await startTestServer({ NUM_WORKERS: "0" });
    const client = clientOf(server.url);
    const { job } = await client.create({ type: "t" });
    const { caller } = await inSpan(async () => {
      for await (const _ of client.watchJob(job.id)) break;
    });
    const span = await spanOf(caller.traceId, "gotaskq.v1.JobService/WatchJob");
    expect([span.parent, span.attributes["rpc.connect_rpc.error_code"]]).toEqual([caller.spanId, "canceled"]);
  });
});

describe("a program with a task queue of its own", () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  test("has jobs in the trace that it is in, and those that handlers create in theirs", async () => {
    const tasks: LocalTaskQueue = createTaskQueue({
      handlers: {
        outer: async () => (await tasks.create({ type: "child" })).job.id,
        child: () => undefined,
      },
    });
    stops.push(() => tasks.stop());
    await tasks.start();
    const { result, caller } = await inSpan(() => tasks.create({ type: "outer" }));
    const outer = await within(tasks.wait(result.job.id), "the end of the job");
    await within(tasks.wait(outer.result), "the end of the job that it created");
    const [first, second] = (await spansOf(caller.traceId, "create default", 2)) as [SeenSpan, SeenSpan];
    const attempts = await spansOf(caller.traceId, "process default", 2);
    const parent = attempts.find(({ attributes }) => attributes["gotaskq.job.type"] === "outer");
    const child = attempts.find(({ attributes }) => attributes["gotaskq.job.type"] === "child");
    expect(first.parent).toBe(caller.spanId);
    expect([parent?.parent, second.parent, child?.parent]).toEqual([first.id, parent?.id, second.id]);
  });

  test("may name the trace, or say that there is none", async () => {
    const tasks = createTaskQueue();
    const { result: named } = await inSpan(() => tasks.create({ type: "t", traceContext: TRACE }));
    expect(traceIdOf(named.job)).toBe(TRACE_ID);
    const { result: none, caller } = await inSpan(() => tasks.create({ type: "t", traceContext: {} }));
    expect(traceIdOf(none.job)).not.toBe(caller.traceId);
    expect((await spanOf(traceIdOf(none.job), "create default")).parent).toBeUndefined();
  });
});
