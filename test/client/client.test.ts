import { execFileSync } from "node:child_process";
import { createTaskQueue } from "gotaskq";
import { createClient, type JobsEvent } from "gotaskq/client";
import { beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { signal } from "../support/signal.js";
import { revoked } from "../support/strange-values.js";
import { within } from "../support/wait.js";
import { startProxy } from "./proxy.js";
import { clientOf, failure, newQueue, RUNTIMES, startServerAlone } from "./support.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

describe.each(RUNTIMES)("a client %s", (_name, connect) => {
  test("creates, reads, lists, cancels and deletes jobs", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const runAfter = Date.now() + 3_600_000;
    const { job, deduplicated } = await client.create({
      ...{ queue, type: "echo", payload: { a: [1, "é 😀"] }, priority: 3, runAfter, maxRetries: 7, timeoutMs: 1500 },
      ...{ backoff: { baseDelayMs: 20, maxDelayMs: 200 }, metadata: { team: "search" } },
    });
    expect(deduplicated).toBe(false);
    expect(job).toMatchObject({
      ...{ queue, type: "echo", payload: { a: [1, "é 😀"] }, priority: 3, runAfter, maxRetries: 7, timeoutMs: 1500 },
      ...{
        backoff: { baseDelayMs: 20, maxDelayMs: 200 },
        metadata: { team: "search" },
        status: "PENDING",
        revision: 1,
      },
    });
    expect(await client.get(job.id)).toEqual({ ...job, pendingState: "SCHEDULED" });
    for (const backoff of [{ baseDelayMs: 20, maxDelayMs: 200, multiplier: 1.5 }, { delaysMs: [10, 1500] }]) {
      const { job: other } = await client.create({ queue, type: "echo", delayMs: 60_000, backoff });
      expect(other.backoff).toEqual(backoff);
      await client.cancel(other.id);
    }
    const runLater = new Date(runAfter + 60_000);
    const changed = await client.update(job.id, { priority: 5, runAfter: runLater, payload: null });
    expect(changed).toEqual({
      ...{ ...job, pendingState: "SCHEDULED" },
      ...{ priority: 5, runAfter: runLater.getTime(), payload: null, revision: 2, updatedAt: changed.updatedAt },
    });
    expect(await client.update(job.id, { delayMs: 60_000, payload: Uint8Array.of(7) })).toMatchObject({
      ...{ revision: 3, priority: 5, payload: Uint8Array.of(7) },
    });
    expect(await failure(client.update(job.id, {}))).toMatchObject({ reason: "FIELD_INVALID" });
    expect(await failure(client.update(job.id, { delayMs: Number.NaN }))).toMatchObject({
      violations: [{ field: "delayMs" }],
    });
    const expiresAt = Date.now() + 3_600_000;
    for (const given of [
      { ttlMs: 3_600_000, expiresAt: undefined },
      { expiresAt },
      { expiresAt: new Date(expiresAt), key: "acme" },
    ]) {
      const { job: other } = await client.create({ queue, type: "echo", delayMs: 60_000, ...given });
      expect(other.key).toBe(given.key);
      expect(other.expiresAt).toBe(given.expiresAt === undefined ? other.createdAt + 3_600_000 : expiresAt);
      expect((await client.run(other.id)).runAfter).toBeLessThan(other.runAfter);
      expect(await client.wait(other.id)).toMatchObject({ status: "DONE", expiresAt: other.expiresAt });
    }
    const made = await client.createBatch([
      { queue, type: "echo", delayMs: 60_000, payload: Uint8Array.of(0, 255) },
      { queue, type: "other", delayMs: 60_000, requestId: "mine" },
    ]);
    const again = await client.create({ queue, type: "other", delayMs: 60_000, requestId: "mine" });
    expect(again).toMatchObject({ deduplicated: true, job: { id: made[1]?.id } });
    expect((await client.get(made[0]?.id ?? "")).payload).toEqual(Uint8Array.of(0, 255));
    const page = await client.list({ queue, pageSize: 2, statuses: ["PENDING"] }).page();
    const rest = await client.list({ queue, pageSize: 2, statuses: ["PENDING"], pageToken: page.nextPageToken }).page();
    expect([...page.items, ...rest.items].map(({ id }) => id)).toEqual([made[1]?.id, made[0]?.id, job.id]);
    expect(await client.cancel(job.id)).toMatchObject({ status: "CANCELED" });
    await client.delete(job.id);
    expect(await failure(client.get(job.id))).toMatchObject({ reason: "JOB_NOT_FOUND", metadata: { job_id: job.id } });
  });

  test("waits for the end of a job, and watches one to its end", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    expect(await client.createAndWait({ queue, type: "echo", payload: [1] })).toMatchObject({
      ...{ status: "DONE", result: [1] },
    });
    const { job } = await client.create({ queue, type: "sleep", payload: { ms: 20 }, delayMs: 20 });
    const seen: string[] = [];
    for await (const { status } of client.watchJob(job.id)) seen.push(status);
    expect(seen.at(-1)).toBe("DONE");
    expect(new Set(seen).size).toBe(seen.length);
  });

  test("says what is wrong, with every bad field, in errors that a program can read", async () => {
    const client = connect(server.url);
    const error = await failure(client.createBatch([{ type: "echo" }, { type: "", priority: 11, maxRetries: -1 }]));
    expect(error).toMatchObject({ name: "TaskQueueError", code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
    expect(error.violations.map(({ field }) => field).sort()).toEqual([
      ...["requests[1].maxRetries", "requests[1].priority", "requests[1].type"],
    ]);
    const queue = await newQueue(server.url);
    await client.queues.update(queue, { maxDepth: 1 });
    await client.create({ queue, type: "none" });
    const full = await failure(client.create({ queue, type: "none" }));
    expect(full).toMatchObject({ reason: "QUEUE_FULL", metadata: { queue }, retryAfterMs: 1000 });
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const unwritable = { type: "echo", payload: circular as never };
    expect(await failure(client.create(unwritable))).toMatchObject({ violations: [{ field: "payload" }] });
    expect(await failure(client.create({ type: "echo", delayMs: Number.NaN }))).toMatchObject({
      ...{ violations: [{ field: "delayMs" }] },
    });
    expect(await failure(client.wait("1"))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  test("creates unique jobs, and tells what became of those that were there", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const hold = { until: "FINISHED", holdMs: 60_000 } as const;
    const { job } = await client.create({ queue, type: "nobody-takes", unique: { key: "k", ...hold } });
    expect(job.unique).toEqual({ key: "k", ...hold });
    const again = { queue, type: "nobody-takes", payload: 2, unique: { key: "k" } };
    expect(await client.create(again)).toEqual({ job, deduplicated: true, replaced: false });
    const replacing = { ...again, unique: { key: "k", onConflict: "REPLACE" } } as const;
    expect(await client.create(replacing)).toMatchObject({
      ...{ job: { id: job.id, payload: 2, unique: { key: "k", ...hold } }, deduplicated: true, replaced: true },
    });
    expect(await client.createBatch([{ queue, type: "echo" }, replacing])).toMatchObject([
      { deduplicated: false, replaced: false },
      { id: job.id, deduplicated: true, replaced: true },
    ]);
    const refusing = { ...again, unique: { key: "k", onConflict: "REFUSE" } } as const;
    expect(await failure(client.create(refusing))).toMatchObject({
      ...{ reason: "JOB_EXISTS", code: "ALREADY_EXISTS", metadata: { job_id: job.id } },
    });
    const bad = { key: "k", until: "LATER" as "STARTED", holdMs: Number.NaN };
    expect(await failure(client.create({ ...again, unique: bad }))).toMatchObject({
      violations: [{ field: "unique.holdMs" }, { field: "unique.until" }],
    });
    expect(await failure(client.createBatch([{ ...again, unique: { ...bad, until: "STARTED" } }]))).toMatchObject({
      violations: [{ field: "requests[0].unique.holdMs" }],
    });
  });

  test("names payload or metadata that cannot be read, as the library does", async () => {
    const broken = { payload: revoked(), metadata: revoked() };
    for (const [field, value] of Object.entries(broken)) {
      for (const { create } of [clientOf(server.url), createTaskQueue()]) {
        const refusal = create({ type: "x", [field]: value });
        await expect(refusal).rejects.toMatchObject({ reason: "FIELD_INVALID", violations: [{ field }] });
      }
    }
  });

  test("makes, changes, pauses, empties and deletes queues, and watches them", async () => {
    const client = connect(server.url);
    const name = "watched-queue";
    const made = await client.queues.create(name, { ordering: "RUN_AFTER", weight: 2 });
    expect(made).toMatchObject({ name, paused: false, settings: { ordering: "RUN_AFTER", weight: 2, maxDepth: 0 } });
    expect((await client.queues.update(name, { maxConcurrency: 3 })).settings).toMatchObject({
      ...{ ordering: "RUN_AFTER", weight: 2, maxConcurrency: 3 },
    });
    expect((await client.queues.update(name, { ordering: "FAIR", maxConcurrencyPerKey: 4 })).settings).toMatchObject({
      ...{ ordering: "FAIR", maxConcurrencyPerKey: 4 },
    });
    expect((await client.queues.update(name, {})).settings).toMatchObject({ weight: 2, maxConcurrency: 3 });
    expect((await client.queues.update(name, { maxConcurrency: 0 })).settings).toMatchObject({
      ...{ weight: 2, maxConcurrency: 0 },
    });
    const rateLimit = { count: 1, periodMs: 3_600_000 };
    const rated = { ...rateLimit, burst: 1 };
    expect((await client.queues.update(name, { rateLimit })).settings.rateLimit).toEqual(rated);
    expect(await client.queues.get(name)).toMatchObject({ settings: { rateLimit: rated }, nextSlotAt: undefined });
    expect((await client.queues.update(name, { rateLimit: null })).settings.rateLimit).toBeNull();
    const misspelt = { ordering: "FIAR" } as unknown as { ordering: "FAIR" };
    const refused = { reason: "FIELD_INVALID", violations: [{ field: "settings.ordering" }] };
    expect(await failure(client.queues.update(name, misspelt))).toMatchObject(refused);
    expect(await failure(client.queues.create("misspelt", misspelt))).toMatchObject(refused);
    expect(await failure(client.queues.update(name, { rateLimit: { count: 1, periodMs: Number.NaN } }))).toMatchObject({
      violations: [{ field: "settings.rateLimit.periodMs" }],
    });
    expect(await client.queues.pause(name)).toMatchObject({ paused: true });
    await client.create({ queue: name, type: "echo" });
    expect(await failure(client.queues.delete(name))).toMatchObject({ reason: "QUEUE_NOT_EMPTY" });
    for await (const [queue] of client.queues.watch({ names: [name] })) {
      expect(queue).toMatchObject({ name, stats: { ready: 1 } });
      break;
    }
    expect(await client.queues.purge(name)).toBe(1);
    expect(await client.queues.resume(name)).toMatchObject({ paused: false });
    expect((await client.queues.list()).map((queue) => queue.name)).toContain(name);
    await client.queues.delete(name, { force: true });
    expect(await failure(client.queues.get(name))).toMatchObject({
      reason: "QUEUE_NOT_FOUND",
      metadata: { queue: name },
    });
  });

  test("looks into the dead-letter queue, replays and deletes", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const die = () => client.createAndWait({ queue, type: "fail", payload: { message: "no luck" }, maxRetries: 0 });
    const [first, second] = [await die(), await die()];
    expect(first).toMatchObject({
      status: "DEAD",
      error: "no luck",
      attemptErrors: [{ error: "no luck", delivery: 1 }],
    });
    expect((await client.dlq.list({ queue }).page()).items.map(({ id }) => id)).toEqual([second.id, first.id]);
    expect(await client.dlq.replayMatching({ queue, errorContains: "luck" }, { dryRun: true })).toMatchObject({
      count: 2,
    });
    expect(await client.dlq.replayMatching({ queue, diedBefore: 1 })).toEqual({
      count: 0,
      hasMore: false,
      nextPageToken: "",
    });
    await client.queues.pause(queue);
    expect(await client.dlq.replay(first.id)).toMatchObject({ status: "PENDING", retryCount: 0 });
    expect(await client.dlq.get(second.id)).toMatchObject({ id: second.id });
    await client.dlq.delete(second.id);
    expect(await failure(client.dlq.get(second.id))).toMatchObject({ reason: "JOB_NOT_FOUND" });
    expect(await client.dlq.deleteMatching({ queue })).toMatchObject({ count: 0 });
    for (const call of [client.dlq.replayMatching, client.dlq.deleteMatching]) {
      expect(await failure(call({}))).toMatchObject({ violations: [{ field: "filter" }] });
      expect(await failure(call({ queue }, { all: true }))).toMatchObject({ violations: [{ field: "all" }] });
      expect((await call({}, { all: true, dryRun: true })).count).toBeGreaterThanOrEqual(0);
    }
  });

  test("ends whatever waits when its signal is aborted, with the signal's reason", async () => {
    const client = connect(server.url);
    const queue = await newQueue(server.url);
    const { job } = await client.create({ queue, type: "none" });
    const reason = new Error("enough");
    for (const begin of [
      async (abort: AbortSignal) => void (await client.wait(job.id, { signal: abort })),
      async (abort: AbortSignal) => {
        for await (const _event of client.watchJobs({ queues: [queue] }, { signal: abort }));
      },
      async (abort: AbortSignal) => void (await createClient("http://127.0.0.1:1").get("1", { signal: abort })),
    ]) {
      const controller = new AbortController();
      const waiting = begin(controller.signal);
      setImmediate(() => controller.abort(reason));
      await expect(within(waiting, "the end of a call")).rejects.toBe(reason);
    }
  });
});

describe("a watch", () => {
  test("of one job goes on after its connection broke, and ends with the job", async () => {
    const proxy = await startProxy(server.port);
    const client = clientOf(proxy.url);
    const queue = await newQueue(server.url);
    const retried = signal();
    const watcher = clientOf(proxy.url, { onRetry: () => retried.fire() });
    const { job } = await client.create({ queue, type: "echo", delayMs: 60_000, payload: 1 });
    const first = signal();
    const revisions: number[] = [];
    const statuses: string[] = [];
    const watched = (async () => {
      for await (const { revision, status } of watcher.watchJob(job.id)) {
        revisions.push(revision);
        statuses.push(status);
        first.fire();
      }
    })();
    await within(first.fired, "the first state");
    proxy.cut();
    await within(retried.fired, "the break");
    await clientOf(server.url).cancel(job.id);
    await within(watched, "the end of the watch");
    expect(statuses).toEqual(["PENDING", "CANCELED"]);
    expect(revisions).toEqual([1, 2]);
  });

  test("of jobs misses nothing and tells nothing twice, over many breaks", async () => {
    const proxy = await startProxy(server.port);
    const queue = await newQueue(server.url);
    const client = clientOf(server.url);
    const watcher = clientOf(proxy.url);
    const seen: string[] = [];
    const begun = signal();
    const all = signal();
    const leave = new AbortController();
    const watched = (async () => {
      for await (const event of watcher.watchJobs(
        { queues: [queue], statuses: ["PENDING"] },
        { signal: leave.signal },
      )) {
        begun.fire();
        if (event.kind !== "event") continue;
        seen.push(event.change.jobId);
        if (seen.length === 60) all.fire();
      }
    })();
    await within(begun.fired, "the beginning");
    const made: string[] = [];
    for (let at = 0; at < 60; at++) {
      made.push((await client.create({ queue, type: "none" })).job.id);
      if (at % 15 === 7) proxy.cut();
    }
    await within(all.fired, "all jobs", 30_000);
    expect(seen).toEqual(made);
    leave.abort();
    await expect(watched).rejects.toBe(leave.signal.reason);
  });

  test("says WATCH_COMPACTED when its cursor is older than what the server keeps", async () => {
    const small = await startTestServer({ CHANGE_LOG_SIZE: "1000" });
    const client = clientOf(small.url);
    let cursor = "";
    for await (const event of client.watchJobs()) {
      cursor = event.cursor;
      break;
    }
    for (let batch = 0; batch < 3; batch++) {
      await client.createBatch(Array.from({ length: 1000 }, () => ({ type: "none" })));
    }
    const watched = (async (): Promise<JobsEvent | undefined> => {
      for await (const event of client.watchJobs({}, { cursor })) if (event.kind === "event") return event;
      return undefined;
    })();
    expect(await failure(watched)).toMatchObject({ reason: "WATCH_COMPACTED", code: "OUT_OF_RANGE" });
  });

  test("waits for a job that is deleted with JOB_NOT_FOUND", async () => {
    const client = clientOf(server.url);
    const queue = await newQueue(server.url);
    const { job } = await client.create({ queue, type: "none" });
    const seen = signal();
    const watched = (async () => {
      for await (const _state of client.watchJob(job.id)) seen.fire();
    })();
    const waited = failure(client.wait(job.id));
    await within(seen.fired, "the first state");
    await client.queues.purge(queue);
    await within(watched, "the end of the watch");
    expect(await waited).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });
});

describe("a create", () => {
  test("that finds no server is made when it is there, and once only", async () => {
    const port = await freePort();
    const proxy = await startProxy(port);
    const retried = signal();
    const client = clientOf(proxy.url, { onRetry: () => retried.fire() });
    const created = client.create({ type: "none" });
    await within(retried.fired, "a retry");
    proxy.lead(server.port);
    const { job, deduplicated } = await within(created, "the answer");
    expect(deduplicated).toBe(false);
    expect((await clientOf(server.url).get(job.id)).status).toBe("PENDING");
  });

  test("whose answers are lost creates one job", async () => {
    const queue = await newQueue(server.url);
    const proxy = await startProxy(server.port);
    const client = clientOf(proxy.url);
    // The connection breaks whenever a job was created, while its answer may be on the way.
    const direct = clientOf(server.url);
    const leave = new AbortController();
    const begun = signal();
    let cuts = 0;
    const cutting = (async () => {
      for await (const event of direct.watchJobs({ queues: [queue] }, { signal: leave.signal })) {
        begun.fire();
        if (event.kind === "event" && cuts++ < 20) proxy.cut();
      }
    })();
    await within(begun.fired, "the watch");
    const made = await Promise.all(Array.from({ length: 20 }, () => client.create({ queue, type: "none" })));
    leave.abort();
    await expect(cutting).rejects.toBe(leave.signal.reason);
    expect((await direct.queues.get(queue)).stats.ready).toBe(20);
    expect(new Set(made.map(({ job }) => job.id)).size).toBe(20);
  });

  test("fails with UNAVAILABLE when the time for retries is over, or there is none", async () => {
    const client = clientOf("http://127.0.0.1:1", { retryMs: 0 });
    expect(await failure(client.create({ type: "none" }))).toMatchObject({
      code: "UNAVAILABLE",
      reason: "UNAVAILABLE",
    });
    const brief = clientOf("http://127.0.0.1:1", { retryMs: 300 });
    expect(await failure(brief.create({ type: "none" }))).toMatchObject({ code: "UNAVAILABLE" });
  });
});

test("a program with an idle client ends by itself", async () => {
  const alone = await startServerAlone();
  const program = `import { createClient } from "gotaskq/client";
    const { job } = await createClient(${JSON.stringify(alone.url)}).create({ type: "none" });
    console.log(job.status);`;
  const output = execFileSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    encoding: "utf8",
    timeout: 10_000,
  });
  expect(output.trim()).toBe("PENDING");
  await alone.end();
});
