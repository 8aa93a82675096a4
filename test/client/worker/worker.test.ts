import { setTimeout } from "node:timers/promises";
import {
  AttemptAborted,
  createWorker,
  type HandlerContext,
  type HandlerJob,
  PermanentError,
  RetryAfterError,
  SnoozeError,
} from "gotaskq/client";
import { pino } from "pino";
import { beforeAll, describe, expect, test } from "vitest";
import { TRACE } from "../../support/job.js";
import { recordingLogger } from "../../support/logger.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { signal } from "../../support/signal.js";
import { STRANGE_ERRORS, STRANGE_VALUES } from "../../support/strange-values.js";
import { eventually, within } from "../../support/wait.js";
import { clientOf, startWorker } from "../support.js";

let server: TestServer;
let names = 0;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** Creates a queue for this test, and a client. */
async function fresh() {
  const client = clientOf(server.url);
  const queue = `worker-${names++}`;
  await client.queues.create(queue);
  return { client, queue, url: server.url };
}

/** A handler that runs until it is aborted, and signals for both. */
function untilAborted() {
  const began = signal();
  const ended = signal();
  const reasons: unknown[] = [];
  async function handler(_job: HandlerJob, { signal: abort }: HandlerContext): Promise<never> {
    began.fire();
    await new Promise<void>((resolve) => abort.addEventListener("abort", () => resolve(), { once: true }));
    reasons.push(abort.reason);
    ended.fire();
    throw abort.reason;
  }
  return { handler, began: began.fired, ended: ended.fired, reasons };
}

describe("a worker", () => {
  test("runs jobs of its types, with JSON and bytes both ways", async () => {
    const { client, queue, url } = await fresh();
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    await startWorker({
      url,
      queues: [queue],
      handlers: {
        echo: (job) => job.payload,
        traced: (_, { traceContext }) => ({ ...traceContext }),
        describe: ({ id, queue, type, priority, metadata, deliveries, retryCount, maxRetries, createdAt }) => ({
          ...{ id, queue, type, priority, metadata, deliveries, retryCount, maxRetries },
          created: createdAt instanceof Date,
        }),
        keyed: ({ key }) => key ?? null,
        scheduled: ({ schedule, scheduledFor }) => [schedule ?? null, scheduledFor?.getTime() ?? null],
        nothing() {},
      },
    });
    const payload = { text: "é 😀", list: [1, null, { deep: true }] };
    expect(await client.createAndWait({ queue, type: "echo", payload })).toMatchObject({
      status: "DONE",
      payload,
      result: payload,
    });
    const binary = await client.createAndWait({ queue, type: "echo", payload: bytes });
    expect(binary.result).toEqual(bytes);
    expect((await client.createAndWait({ queue, type: "nothing" })).result).toBeUndefined();
    const traced = await client.createAndWait({ queue, type: "traced", traceContext: TRACE });
    expect([traced.traceContext, traced.result]).toEqual([TRACE, TRACE]);
    const job = await client.createAndWait({
      queue,
      type: "describe",
      priority: 7,
      metadata: { a: "b" },
      maxRetries: 2,
    });
    expect(job.result).toEqual({
      ...{ id: job.id, queue, type: "describe", priority: 7, metadata: { a: "b" }, deliveries: 1 },
      ...{ retryCount: 0, maxRetries: 2, created: true },
    });
    expect((await client.createAndWait({ queue, type: "keyed", key: "acme" })).result).toBe("acme");
    expect((await client.createAndWait({ queue, type: "keyed" })).result).toBe(null);
    expect((await client.createAndWait({ queue, type: "scheduled" })).result).toEqual([null, null]);
    await client.schedules.create({ queue, name: "a", cron: "@yearly", job: { type: "scheduled" } });
    const { id, scheduledFor } = await client.schedules.trigger({ queue, name: "a" });
    expect((await client.wait(id)).result).toEqual(["a", scheduledFor]);
  });

  test("fails attempts: with the backoff, after a while, never again, or for a result that has no JSON", async () => {
    const { client, queue, url } = await fresh();
    await startWorker({
      url,
      queues: [queue],
      handlers: {
        plain() {
          throw new Error("no luck");
        },
        permanent() {
          throw new PermanentError("no such user");
        },
        later(job) {
          if (job.retryCount === 0) throw new RetryAfterError("busy", 10);
          return job.retryCount;
        },
        snoozed(job) {
          if (job.deliveries === 1) throw new SnoozeError("not yet", 10);
          return job.deliveries;
        },
        circular() {
          const value: { self?: unknown } = {};
          value.self = value;
          return value;
        },
        large: () => "x".repeat(2 ** 20 + 1),
        fine: () => "fine",
      },
    });
    const backoff = { baseDelayMs: 1, maxDelayMs: 1 };
    expect(await client.createAndWait({ queue, type: "plain", maxRetries: 1, backoff })).toMatchObject({
      status: "DEAD",
      retryCount: 1,
      error: "no luck",
    });
    expect(await client.createAndWait({ queue, type: "permanent" })).toMatchObject({ status: "DEAD", retryCount: 0 });
    expect(await client.createAndWait({ queue, type: "later" })).toMatchObject({ status: "DONE", result: 1 });
    expect(await client.createAndWait({ queue, type: "snoozed", maxRetries: 0 })).toMatchObject({
      status: "DONE",
      result: 2,
      retryCount: 0,
      error: "",
    });
    const circular = await client.createAndWait({ queue, type: "circular", maxRetries: 0 });
    expect(circular.error).toMatch(/cannot be written as JSON/);
    const [large, ...fine] = await Promise.all([
      client.createAndWait({ queue, type: "large", maxRetries: 0 }),
      ...Array.from({ length: 5 }, () => client.createAndWait({ queue, type: "fine" })),
    ]);
    expect(large).toMatchObject({ status: "DEAD", error: expect.stringMatching(/^the result was refused: .*result/) });
    expect(fine.map(({ status }) => status)).toEqual(Array(5).fill("DONE"));
  });

  test("settles an attempt and frees its slot whatever it throws, returns or reports, and logs each failure", async () => {
    const { client, queue, url } = await fresh();
    const lines: string[] = [];
    await startWorker({
      url,
      queues: [queue],
      concurrency: 1,
      logger: pino({ level: "warn" }, { write: (line: string) => void lines.push(line) }),
      handlers: {
        throws: (job) => Promise.reject(STRANGE_ERRORS[job.payload]?.()),
        returns: (job) => STRANGE_VALUES[job.payload]?.(),
        reports(job, { progress }) {
          const value = STRANGE_VALUES[job.payload]?.();
          progress(value as number, value as string);
        },
      },
    });
    const run = (type: string, names: Readonly<Record<string, unknown>>) =>
      Promise.all(Object.keys(names).map((payload) => client.createAndWait({ queue, type, payload, maxRetries: 0 })));
    const thrown = await run("throws", STRANGE_ERRORS);
    for (const job of thrown) {
      expect(job).toMatchObject({ status: "DEAD", error: expect.stringMatching(/./) });
      expect(job.attemptErrors).toHaveLength(1);
    }
    const returned = await run("returns", STRANGE_VALUES);
    for (const { status, attemptErrors } of returned) expect(attemptErrors).toHaveLength(status === "DEAD" ? 1 : 0);
    const reported = await run("reports", STRANGE_VALUES);
    expect(reported.map(({ status }) => status)).toEqual(reported.map(() => "DONE"));
    const failures = [...thrown, ...returned].filter(({ status }) => status === "DEAD");
    expect(lines.map((line) => JSON.parse(line).job_id).sort()).toEqual(failures.map(({ id }) => id).sort());
  });

  test("does its work when the log cannot be written", async () => {
    const { client, queue, url } = await fresh();
    const broken = () => {
      throw new Error("the disk is full");
    };
    const logger = { debug: broken, info: broken, warn: broken, error: broken, child: broken };
    await startWorker({ url, queues: [queue], concurrency: 1, logger, handlers: { work: broken } });
    for (let count = 0; count < 2; count++) {
      expect(await client.createAndWait({ queue, type: "work", maxRetries: 0 })).toMatchObject({ status: "DEAD" });
    }
  });

  test("hears of a cancel, and the job ends CANCELED", async () => {
    const { client, queue, url } = await fresh();
    const { handler, began, ended, reasons } = untilAborted();
    await startWorker({ url, queues: [queue], handlers: { work: handler } });
    const { job } = await client.create({ queue, type: "work" });
    await within(began, "the start of the job");
    await client.cancel(job.id);
    await within(ended, "the abort", 1000);
    expect(reasons).toEqual([expect.any(AttemptAborted)]);
    expect(reasons[0]).toMatchObject({ reason: "CANCELED" });
    expect(await client.wait(job.id)).toMatchObject({ status: "CANCELED", retryCount: 0 });
  });

  test("ends an attempt at the timeout of its job, and takes the next one", async () => {
    const { client, queue, url } = await fresh();
    const { handler, ended, reasons } = untilAborted();
    await startWorker({ url, queues: [queue], concurrency: 1, handlers: { work: handler, next: () => "next" } });
    const { job } = await client.create({ queue, type: "work", timeoutMs: 20, maxRetries: 0 });
    const next = client.createAndWait({ queue, type: "next" });
    await within(ended, "the abort");
    expect(reasons[0]).toMatchObject({ reason: "TIMEOUT" });
    expect(await client.wait(job.id)).toMatchObject({ status: "DEAD", error: "timed out after 20 ms" });
    expect((await within(next, "the next job")).result).toBe("next");
  });

  test("writes progress, the last report always, before the outcome", async () => {
    const { client, queue, url } = await fresh();
    const began = signal();
    const goOn = signal();
    await startWorker({
      url,
      queues: [queue],
      handlers: {
        async work(_job, { progress }) {
          progress(10, "begun");
          began.fire();
          await goOn.fired;
          for (let percent = 11; percent <= 99; percent++) progress(percent, `at ${percent}`);
        },
      },
    });
    const { job } = await client.create({ queue, type: "work" });
    await within(began.fired, "the start");
    const seen = eventually(async () => (await client.get(job.id)).progress, "the first report");
    expect(await seen).toEqual({ percent: 10, message: "begun" });
    goOn.fire();
    expect(await client.wait(job.id)).toMatchObject({ status: "DONE", progress: { percent: 99, message: "at 99" } });
  });

  test("extends and reports with a lease that has no whole third", async () => {
    const { client, queue, url } = await fresh();
    const logger = recordingLogger();
    const report = (_job: HandlerJob, { progress }: HandlerContext) => progress(40, "so far");
    await startWorker({ url, queues: [queue], leaseMs: 5000, logger, handlers: { report } });
    const job = await client.createAndWait({ queue, type: "report" });
    expect(job).toMatchObject({ status: "DONE", progress: { percent: 40, message: "so far" } });
    expect(logger.lines.filter(({ level }) => level === "warn")).toEqual([]);
  });

  test("never runs more than its concurrency, and takes ahead what it is told to", async () => {
    const { client, queue, url } = await fresh();
    const release = signal();
    let running = 0;
    let most = 0;
    const full = signal();
    const worker = await startWorker({
      url,
      queues: [queue],
      concurrency: 3,
      prefetch: 4,
      handlers: {
        async work() {
          most = Math.max(most, ++running);
          if (running === 3) full.fire();
          await release.fired;
          running--;
        },
      },
    });
    const made = await client.createBatch(Array.from({ length: 20 }, () => ({ queue, type: "work" })));
    await within(full.fired, "three running jobs");
    const held = async () => (worker.jobIds.length === 7 ? true : undefined);
    await eventually(held, "seven jobs held");
    expect((await client.queues.get(queue)).stats).toMatchObject({ running: 7, ready: 13 });
    release.fire();
    for (const { id } of made) expect((await client.wait(id)).status).toBe("DONE");
    expect(most).toBe(3);
  });

  test("keeps the lease of a job that runs for longer than it", async () => {
    const { client, queue, url } = await fresh();
    await startWorker({
      url,
      queues: [queue],
      leaseMs: 1000,
      handlers: {
        async work(_job, { signal: abort }) {
          await setTimeout(2500, undefined, { signal: abort });
          return "kept";
        },
      },
    });
    expect(await client.createAndWait({ queue, type: "work" })).toMatchObject({
      ...{ status: "DONE", result: "kept", deliveries: 1, lostLeases: 0 },
    });
  });

  test("stops: takes no more, gives back what has not begun, and lets what runs finish", async () => {
    const { client, queue, url } = await fresh();
    const began = signal();
    const release = signal();
    const worker = await startWorker({
      url,
      queues: [queue],
      concurrency: 1,
      prefetch: 2,
      handlers: {
        async work() {
          began.fire();
          await release.fired;
          return "finished";
        },
      },
    });
    const made = await client.createBatch(Array.from({ length: 5 }, () => ({ queue, type: "work" })));
    await within(began.fired, "the start");
    await eventually(async () => (worker.jobIds.length === 3 ? true : undefined), "three jobs held");
    const stopped = worker.stop();
    const isGivenBack = async () => ((await client.queues.get(queue)).stats.ready === 4 ? true : undefined);
    await eventually(isGivenBack, "four jobs ready");
    release.fire();
    await within(stopped, "the stop");
    await worker.stopped;
    expect(await client.get(made[0]?.id ?? "")).toMatchObject({ status: "DONE", result: "finished" });
    for (const { id } of made.slice(1)) {
      expect(await client.get(id)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 0 });
    }
  });

  test("aborts what does not finish in time, and gives it back", async () => {
    const { client, queue, url } = await fresh();
    const { handler, began, reasons } = untilAborted();
    const deaf = signal();
    const worker = await startWorker({
      url,
      queues: [queue],
      handlers: { work: handler, deaf: () => new Promise(() => deaf.fire()) },
    });
    const { job } = await client.create({ queue, type: "work" });
    const other = await client.create({ queue, type: "deaf" });
    await within(Promise.all([began, deaf.fired]), "the start");
    await within(worker.stop({ timeoutMs: 10 }), "the stop");
    expect(reasons[0]).toMatchObject({ reason: "SHUTDOWN" });
    for (const { id } of [job, other.job]) {
      expect(await client.get(id)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 0 });
    }
  });

  test("is refused at once for a queue that does not exist, and for settings that make no sense", async () => {
    const handlers = { work() {} };
    const worker = createWorker({ url: server.url, queues: ["no-such-queue"], handlers });
    await expect(within(worker.start(), "the refusal")).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
    await within(worker.stopped, "the end");
    expect(() => createWorker({ url: server.url, handlers: {} })).toThrow("handlers");
    expect(() => createWorker({ url: server.url, handlers, concurrency: 0 })).toThrow("concurrency");
    expect(() => createWorker({ url: server.url, handlers, concurrency: 900, prefetch: 101 })).toThrow("prefetch");
    expect(() => createWorker({ url: [], handlers })).toThrow("url");
  });

  test("waits for a server that is not there yet, and says so", async () => {
    const logger = recordingLogger();
    const worker = createWorker({ url: "http://127.0.0.1:1", handlers: { work() {} }, logger });
    const started = worker.start();
    const warned = async () => logger.lines.find(({ level }) => level === "warn");
    const { message, fields } = await eventually(warned, "a warning");
    expect([message, fields]).toEqual([
      "no stream of jobs; trying again",
      expect.objectContaining({
        url: "http://127.0.0.1:1",
        err: expect.objectContaining({ message: expect.stringContaining("ECONNREFUSED") }),
      }),
    ]);
    await within(worker.stop(), "the stop");
    await within(started, "the end of the start");
  });
});
