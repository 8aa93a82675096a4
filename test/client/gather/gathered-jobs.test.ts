import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRouterTransport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Job, NewJob, TaskQueueError } from "gotaskq/client";
import { type Authorizer, newToken } from "gotaskq/server";
import { beforeAll, describe, expect, test } from "vitest";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import type { CallerOptions } from "../../../src/client/calls.js";
import {
  type ClientRuntime,
  createTransportClient,
  type TaskQueueClient,
} from "../../../src/client/task-queue-client.js";
import { freePort } from "../../support/free-port.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";
import { eventually, within } from "../../support/wait.js";
import { startProxy } from "../proxy.js";
import { atEnd, clientOf, failure, newQueue, RUNTIMES, startServerAlone } from "../support.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** A client that tells the calls that it makes. */
function countingClient(url: string, options: CallerOptions = {}, runtime: ClientRuntime = {}) {
  const calls: string[] = [];
  const transport = createConnectTransport({
    ...{ baseUrl: url, httpVersion: "2" },
    interceptors: [
      (next) => (request) => {
        calls.push(request.method.name);
        return next(request);
      },
    ],
  });
  return { client: createTransportClient(transport, options, runtime), calls };
}

const HOUR = 3_600_000;
const at = Math.floor(Date.now() / 1000) * 1000 + HOUR;

/** Jobs that use all that a create may say, and some that the server refuses. */
const JOBS: readonly Omit<NewJob, "queue">[] = [
  { type: "plain" },
  { type: "json", payload: { a: [1.5, "é 😀", null, { ["__proto__"]: 1 }], b: { c: true } } },
  { type: "null", payload: null },
  { type: "bytes", payload: Uint8Array.of(0, 255) },
  { type: "labels", metadata: { team: "search", ["__proto__"]: "x" }, priority: 7, key: "acme" },
  { type: "later", delayMs: 1000.5, maxRetries: 0, timeoutMs: 1500, ttlMs: HOUR },
  { type: "then", runAfter: at, expiresAt: at + HOUR, backoff: { delaysMs: [10, 1500] } },
  { type: "once", unique: { key: "a", holdMs: 1.5 }, backoff: { baseDelayMs: 20, maxDelayMs: 200, multiplier: 1.5 } },
  { type: "again", payload: "not mine", unique: { key: "a" } },
  { type: "instead", payload: "mine", unique: { key: "a", onConflict: "REPLACE" } },
  { type: "refused", unique: { key: "a", onConflict: "REFUSE" } },
  { type: "started", unique: { key: "b", onConflict: "REPLACE" } },
  { type: "named", requestId: "r", payload: [1] },
  { type: "named", requestId: "r", payload: [1] },
  { type: "named", requestId: "r", payload: [2] },
  { type: "traced", traceContext: { traceparent: `00-${"1".repeat(32)}-${"2".repeat(16)}-01` } },
  { type: "", priority: 11 },
  { type: "expired", expiresAt: 0 },
  { type: "last", traceContext: { traceparent: "none" } },
];

/** What a create came to, without what differs from one queue or moment to another. */
async function told(call: ReturnType<TaskQueueClient["create"]>, queue: string) {
  const text = (value: unknown) =>
    JSON.stringify(value)
      ?.replaceAll(queue, "QUEUE")
      .replaceAll(/\d{18,}/g, "ID");
  try {
    const { job, ...outcome } = await call;
    const { createdAt } = job;
    const since = (time: number | undefined) => (!time || time === at ? time : time - createdAt);
    const expiresAt = job.expiresAt === at + HOUR ? at : since(job.expiresAt);
    return {
      ...{ ...job, ...outcome, id: text(job.id), queue: text(job.queue), createdAt: 0, updatedAt: 0, expiresAt },
      // One that is replaced is older than what replaced it.
      runAfter: outcome.replaced ? 0 : since(job.runAfter),
      finishedAt: job.finishedAt !== undefined,
    };
  } catch (thrown) {
    const { reason, code, message, metadata, violations, retryAfterMs, requestId } = thrown as TaskQueueError;
    return {
      reason,
      code,
      message: text(message),
      metadata: text(metadata),
      violations,
      retryAfterMs,
      hasId: !!requestId,
    };
  }
}

describe.each(RUNTIMES)("calls made together %s", (_name, connect) => {
  test("are answered as calls made one after the other, creates with their jobs or errors", async () => {
    const client = connect(server.url);
    const [first, second] = [await newQueue(server.url), await newQueue(server.url)];
    const alone = [];
    for (const job of JOBS) alone.push(await told(client.create({ ...job, queue: first }), first));
    const together = await Promise.all(JOBS.map((job) => told(client.create({ ...job, queue: second }), second)));
    expect(together).toEqual(alone);
  });

  test("read and cancel jobs, each with its own error", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const made = await Promise.all(
      [1, 2].map((payload) => client.create({ queue, type: "t", payload, delayMs: HOUR })),
    );
    const [one, two] = made.map(({ job }) => job.id) as [string, string];
    const ids = [one, "1", two, "x", `5@${queue}`, one];
    const alone = async (call: (id: string) => Promise<Job>) => {
      const outcomes = [];
      for (const id of ids) outcomes.push(await outcomeOf(call(id)));
      return outcomes;
    };
    const together = (call: (id: string) => Promise<Job>) => Promise.all(ids.map((id) => outcomeOf(call(id))));
    expect(await together((id) => client.get(id))).toEqual(await alone((id) => client.get(id)));
    expect(await together((id) => client.cancel(id))).toEqual(await alone((id) => client.cancel(id)));
    expect(await client.get(two)).toMatchObject({ status: "CANCELED", payload: 2 });
  });
});

async function outcomeOf(call: Promise<Job>) {
  try {
    return await call;
  } catch (thrown) {
    const { reason, code, message, metadata, violations, requestId } = thrown as TaskQueueError;
    return { reason, code, message, metadata, violations, hasId: requestId !== undefined };
  }
}

test("a lone call goes as it is, and those made together in one", async () => {
  const { client, calls } = countingClient(server.url);
  const queue = await newQueue(server.url);
  const make = () => client.create({ queue, type: "t" });
  const { job } = await make();
  await client.get(job.id);
  await client.cancel(job.id);
  expect(calls.splice(0)).toEqual(["CreateJob", "GetJob", "CancelJob"]);
  const jobs = await Promise.all(Array.from({ length: 5 }, make));
  await Promise.all(jobs.map((each) => client.get(each.job.id)));
  await Promise.all(jobs.map((each) => client.cancel(each.job.id)));
  expect(calls.splice(0)).toEqual(["BatchCreateJobs", "BatchGetJobs", "BatchCancelJobs"]);
  // In the order in which they were made.
  const listed = await client.list({ queue, order: "OLDEST" }).page();
  expect(listed.items.map(({ id }) => id)).toEqual([job.id, ...jobs.map((each) => each.job.id)]);
});

test("what no message can carry is refused by name, and refuses no other call", async () => {
  const { client, calls } = countingClient(server.url);
  const queue = await newQueue(server.url);
  const create = (job: object) => client.create({ queue, type: "t", ...job });
  const bad: readonly [job: object, field: string][] = [
    [{ type: 5 }, "type"],
    [{ queue: {} }, "queue"],
    [{ key: 1 }, "key"],
    [{ requestId: 1 }, "requestId"],
    [{ metadata: { a: "b", c: 1 } }, 'metadata["c"]'],
    [{ timeoutMs: 1e300 }, "timeoutMs"],
    [{ backoff: { delaysMs: [1e300] } }, "backoff.delaysMs[0]"],
    [{ backoff: { delaysMs: [1, 2], multiplier: "x" } }, "backoff.multiplier"],
    [{ unique: { key: 1 } }, "unique.key"],
    [{ unique: { key: "k", holdMs: 1e300 } }, "unique.holdMs"],
    [{ traceContext: { baggage: 1 } }, "traceContext.baggage"],
  ];
  const good = Promise.all([create({}), create({ key: null, metadata: null })]);
  const errors = await Promise.all(bad.map(([job]) => failure(create(job))));
  const fields = errors.map(({ violations }) => violations.map(({ field }) => field));
  for (const [index, [, field]] of bad.entries()) expect(fields[index]).toContain(field);
  const [{ job }] = await good;
  const [found, wrong] = await Promise.allSettled([client.get(job.id), client.get(5 as never)]);
  expect(found).toMatchObject({ value: { id: job.id } });
  expect(wrong).toMatchObject({ reason: { violations: [{ field: "id" }] } });
  expect(calls).toContain("BatchCreateJobs");
});

test("a payload that cannot be read is no error of the jobs that came with it", async () => {
  const transport = serverOf((id) => (id === "1" ? "{" : "1"));
  const client = createTransportClient(transport, { retryMs: 0 });
  const [bad, good] = await Promise.allSettled([client.get("1"), client.get("2")]);
  expect(bad.status).toBe("fulfilled");
  expect(() => bad.status === "fulfilled" && bad.value.payload).toThrow(SyntaxError);
  expect(good).toMatchObject({ value: { id: "2", payload: 1 } });
});

/** A server whose jobs have these texts as payloads. */
function serverOf(payloadOf: (id: string) => string) {
  const resultOf = (id: string) =>
    ({ outcome: { case: "job", value: { id, payloadKind: { case: "payloadJson", value: payloadOf(id) } } } }) as const;
  return createRouterTransport(({ service }) =>
    service(JobService, { batchGetJobs: ({ ids }) => ({ results: ids.map(resultOf) }) }),
  );
}

test("a full queue refuses those creates of several that it has no room for", async () => {
  const { client, calls } = countingClient(server.url);
  const queue = await newQueue(server.url);
  await client.queues.update(queue, { maxDepth: 2 });
  calls.splice(0);
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => client.create({ queue, type: "t" })));
  expect(calls).toEqual(["BatchCreateJobs"]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  expect(outcomes[3]).toMatchObject({ reason: { reason: "QUEUE_FULL", metadata: { queue }, retryAfterMs: 1000 } });
});

test("each create has the trace of its caller, alone or with others", async () => {
  const parents = ["a", "b", "c"].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
  let now: string | undefined;
  const activeTrace = () =>
    now === undefined ? undefined : { traceparent: now, tracestate: "", baggage: `is=${now}` };
  const { client, calls } = countingClient(server.url, { headers: { "x-own": "1" } }, { activeTrace });
  const create = async (traceparent: string | undefined) => {
    now = traceparent;
    return (await client.create({ type: "t" })).job.traceContext;
  };
  expect((await create(parents[0]))?.traceparent).toBe(parents[0]);
  const contexts = await Promise.all([...parents, undefined].map(create));
  expect(contexts.map((context) => context?.traceparent)).toEqual([...parents, undefined]);
  expect(contexts[1]?.baggage).toBe(`is=${parents[1]}`);
  expect(calls).toEqual(["CreateJob", "BatchCreateJobs"]);
});

test("calls of different tokens never go together", async () => {
  const tokens = { a: newToken(), b: newToken() };
  const authorizer: Authorizer = ({ headers }) => {
    const name = headers.authorization === `Bearer ${tokens.a}` ? "a" : "b";
    return { name, scopes: ["produce", "read"], queues: [name] };
  };
  const { url } = await startTestServer({ NUM_WORKERS: "0" }, { authorizer });
  let tenant: "a" | "b" = "a";
  const { client, calls } = countingClient(url, { token: () => tokens[tenant], headers: { Authorization: "none" } });
  const of = (name: "a" | "b") => {
    tenant = name;
    // Its token is asked for at once.
    return client.create({ queue: name, type: "t" });
  };
  const outcomes = await Promise.all((["a", "b", "a", "b"] as const).map((name) => failure(of(name))));
  // Neither queue is there: who could not reach it would not be told so.
  expect(outcomes.map(({ reason }) => reason)).toEqual(Array(4).fill("QUEUE_NOT_FOUND"));
  expect(calls).toEqual(["BatchCreateJobs", "BatchCreateJobs"]);
});

test("large jobs that are read or canceled together come whole", async () => {
  const { client, calls } = countingClient(server.url);
  const queue = await newQueue(server.url);
  const payload = "x".repeat(700_000);
  const jobs: Job[] = [];
  for (let made = 0; made < 3; made++)
    jobs.push((await client.create({ queue, type: "t", payload, delayMs: HOUR })).job);
  jobs.push((await client.create({ queue, type: "t", delayMs: HOUR })).job);
  const lengths = async (call: (id: string) => Promise<Job>) =>
    (await Promise.all(jobs.map(({ id }) => call(id)))).map((job) => (job.payload as string | undefined)?.length);
  calls.splice(0);
  expect(await lengths((id) => client.get(id))).toEqual([700_000, 700_000, 700_000, undefined]);
  expect(calls.splice(0)).toContain("BatchGetJobs");
  expect(await lengths((id) => client.cancel(id))).toEqual([700_000, 700_000, 700_000, undefined]);
  expect(calls[0]).toBe("BatchCancelJobs");
});

test("an abort ends the wait of its create only", async () => {
  const { client, calls } = countingClient(server.url);
  const queue = await newQueue(server.url);
  const leave = new AbortController();
  const left = client.create({ queue, type: "t" }, { signal: leave.signal });
  const others = [1, 2].map(() => client.create({ queue, type: "t" }));
  const gone = left.catch((reason) => reason);
  setImmediate(() => leave.abort("enough"));
  expect(await gone).toBe("enough");
  expect((await Promise.all(others)).map(({ job }) => job.status)).toEqual(["PENDING", "PENDING"]);
  expect(calls).toEqual(["BatchCreateJobs"]);
});

test("an abort while the token is awaited leaves nothing to be created", async () => {
  const { url } = await startTestServer({ NUM_WORKERS: "0" });
  const given = signal();
  const token = async () => {
    await given.fired;
    return newToken();
  };
  const { client, calls } = countingClient(url, { token });
  const leave = new AbortController();
  const left = client.create({ type: "left" }, { signal: leave.signal }).catch((reason) => reason);
  const other = client.create({ type: "stays" });
  leave.abort("enough");
  given.fire();
  expect(await left).toBe("enough");
  expect((await other).job.type).toBe("stays");
  expect(calls).toEqual(["CreateJob"]);
});

/** Creates jobs from many callers at once until told to stop; resolves to the ids that were answered, by label. */
function startCallers(client: TaskQueueClient, queue: string, callers: number) {
  const made = new Map<string, string>();
  let isOver = false;
  const running = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let count = 0; !isOver; count++) {
        const label = `${caller}-${count}`;
        const { job, deduplicated } = await client.create({ queue, type: "t", metadata: { label } });
        expect([job.metadata.label, deduplicated]).toEqual([label, false]);
        made.set(label, job.id);
      }
    }),
  );
  // What fails is told by `stop`.
  running.catch(() => {});
  return {
    made,
    async stop() {
      isOver = true;
      await within(running, "the last answers", 30_000);
      return made;
    },
  };
}

/** All jobs of a queue: the ids of each label. */
async function idsByLabel(client: TaskQueueClient, queue: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (let pageToken = ""; ; ) {
    const page = await client.list({ queue, pageSize: 1000, pageToken }).page();
    for (const { id, metadata } of page.items) {
      const label = metadata.label ?? "";
      found.set(label, [...(found.get(label) ?? []), id]);
    }
    pageToken = page.nextPageToken;
    if (pageToken === "") return found;
  }
}

test("creates made together are neither lost nor doubled when their answers are lost", async () => {
  const queue = await newQueue(server.url);
  const proxy = await startProxy(server.port);
  const callers = startCallers(clientOf(proxy.url, { retryMs: 60_000 }), queue, 50);
  const direct = clientOf(server.url);
  const leave = new AbortController();
  let cuts = 0;
  const cutting = (async () => {
    for await (const event of direct.watchJobs({ queues: [queue] }, { signal: leave.signal })) {
      // The answer to what is told here may be on its way.
      if (event.kind !== "event" || callers.made.size < 50 * cuts) continue;
      proxy.cut();
      if (++cuts === 8) return;
    }
  })();
  atEnd(() => leave.abort());
  await within(cutting, "the cuts", 30_000);
  const made = await callers.stop();
  expect(await idsByLabel(direct, queue)).toEqual(new Map([...made].map(([label, id]) => [label, [id]])));
});

test("creates made together are neither lost nor doubled when their server is killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-gather-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const env = { DATA_DIR: folder, PORT: String(port) };
  const killed = await startServerAlone(env);
  const direct = clientOf(killed.url, { retryMs: 60_000 });
  const proxy = await startProxy(port);
  const callers = startCallers(clientOf(proxy.url, { retryMs: 60_000 }), "default", 50);
  await eventually(async () => callers.made.size >= 100 || undefined, "answers", 30_000);
  proxy.mute();
  const ready = async () => (await direct.queues.get("default")).stats.ready;
  await eventually(async () => (await ready()) > callers.made.size || undefined, "creates without an answer");
  await killed.end("SIGKILL");
  const restarted = await startServerAlone(env);
  atEnd(() => restarted.end("SIGKILL"));
  const made = await callers.stop();
  expect(await idsByLabel(direct, "default")).toEqual(new Map([...made].map(([label, id]) => [label, [id]])));
});
