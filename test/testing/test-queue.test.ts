import { afterEach, describe, expect, test, vi } from "vitest";
import { defineHandlers, type HandlerContext, retryAfter, snooze } from "../../src/handlers/index.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { createTestClient, createTestQueue, type TestQueue } from "../../src/testing/index.js";

interface Jobs {
  double: { payload: number; result: number };
  flaky: { payload: { failures: number }; result: string };
  hang: { payload?: undefined };
}

let queue: TestQueue<Jobs>;
afterEach(() => queue.stop({ timeoutMs: 0 }));

const handlers = defineHandlers<Jobs>({
  double: (job) => job.payload * 2,
  flaky: ({ payload, retryCount }) => {
    if (retryCount < payload.failures) throw new Error(`failure ${retryCount + 1}`);
    return "at last";
  },
  hang: async (_job, { signal }) => {
    await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  },
});

const open = async (options = {}) => {
  queue = await createTestQueue<Jobs>({ handlers, logger: silentLogger, ...options });
  return queue;
};

describe("a queue for tests", () => {
  test("runs a job when its clock has come to it, and not before", async () => {
    await open({ now: new Date("2026-03-01T00:00:00Z") });
    const { job } = await queue.create({ type: "double", payload: 21, delayMs: 60_000 });
    await queue.advance(59_999);
    expect(await queue.get(job.id)).toMatchObject({ status: "PENDING", pendingState: "SCHEDULED" });
    await queue.advance(1);
    expect(await queue.get(job.id)).toMatchObject({ status: "DONE", result: 42 });
    expect(queue.now).toBe(Date.UTC(2026, 2, 1, 0, 1));
  });

  test("goes by its own clock also while the runner fakes timers", async () => {
    vi.useFakeTimers();
    try {
      await open();
      const { job } = await queue.create({ type: "flaky", payload: { failures: 1 }, delayMs: 60_000 });
      await queue.advance(60_000);
      await queue.drain();
      expect(await createTestClient(queue).get(job.id)).toMatchObject({ status: "DONE", result: "at last" });
      await queue.stop();
    } finally {
      vi.useRealTimers();
    }
  });

  test("stops though a handler never ends", async () => {
    await open({ handlers: { hang: () => new Promise(() => {}) } });
    const { job } = await queue.create({ type: "hang" });
    await expect(queue.drain({ timeoutMs: 1 })).rejects.toThrow(`that of hang ${job.id}`);
    await queue.stop({ timeoutMs: 20 });
  });

  test("drains: delays, retries, rates and what comes up meanwhile, in no time", async () => {
    await open();
    await queue.queues.create("slow", { rateLimit: { count: 1, periodMs: 60_000 } });
    await queue.create({ type: "flaky", payload: { failures: 3 }, backoff: { baseDelayMs: 60_000 } });
    await queue.create({ type: "flaky", payload: { failures: 9 }, maxRetries: 1 });
    await queue.create({ type: "double", payload: 1, delayMs: 24 * 3600 * 1000 });
    for (const payload of [2, 3, 4]) await queue.create({ queue: "slow", type: "double", payload });
    const begun = queue.now;
    await queue.drain();
    expect((await queue.jobs()).map(({ type, status, result }) => [type, status, result])).toEqual([
      ["flaky", "DONE", "at last"],
      ["flaky", "DEAD", undefined],
      ["double", "DONE", 2],
      ["double", "DONE", 4],
      ["double", "DONE", 6],
      ["double", "DONE", 8],
    ]);
    expect(await queue.jobs({ statuses: ["DEAD"] })).toMatchObject([{ error: "failure 2" }]);
    expect(queue.now - begun).toBeGreaterThanOrEqual(24 * 3600 * 1000);
  });

  test("leaves what nobody here runs and what is paused", async () => {
    await open({ handlers: { double: handlers.double } });
    await queue.queues.create("paused");
    await queue.queues.pause("paused");
    await queue.create({ type: "hang" });
    await queue.create({ queue: "paused", type: "double", payload: 1 });
    await queue.drain();
    expect(await queue.jobs({ statuses: ["PENDING"] })).toHaveLength(2);
  });

  test("drains nothing without workers, and says so when it is stopped", async () => {
    await open({ handlers: { double: handlers.double }, numWorkers: 0 });
    await queue.create({ type: "double", payload: 1 });
    await queue.drain();
    expect(await queue.jobs({ statuses: ["PENDING"] })).toHaveLength(1);
    await queue.stop();
    await expect(queue.drain()).rejects.toThrow("the queue is stopped");
  });

  test("ends waits by its clock", async () => {
    await open({ handlers: {} });
    const { job } = await queue.create({ type: "hang" });
    expect((await queue.get(job.id, { timeoutMs: 10 })).id).toBe(job.id);
    const late = expect(queue.wait(job.id, { timeoutMs: 1000 })).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await queue.advance(1000);
    await late;
  });

  test("says which handler still runs, and which job never ends", async () => {
    await open({
      handlers: {
        ...handlers,
        double: () => {
          throw snooze(24 * 3600_000, "not yet");
        },
        flaky: () => {
          throw retryAfter(1, "later");
        },
      },
    });
    const { job } = await queue.create({ type: "double", payload: 1 });
    await expect(queue.drain()).rejects.toThrow(
      `jobs are left after ${30 * 24 * 3600_000} ms of the clock: double ${job.id}`,
    );
    await queue.cancel(job.id);
    const hanging = await queue.create({ type: "hang", timeoutMs: 60_000, maxRetries: 0 });
    await expect(queue.drain({ timeoutMs: 20 })).rejects.toThrow(`that of hang ${hanging.job.id}`);
    await queue.advance(60_000);
    expect(await queue.get(hanging.job.id)).toMatchObject({ status: "DEAD" });
  });

  test.each([
    ["creates its own job again", (_job: unknown, { enqueue }: HandlerContext) => enqueue({ type: "hang" })],
    ["creates it again for later", (_: unknown, { enqueue }: HandlerContext) => enqueue({ type: "hang", delayMs: 1 })],
    [
      "snoozes for ever",
      () => {
        throw snooze(0);
      },
    ],
  ])("says which handler %s, and how often it ran", async (_, hang) => {
    await open({ handlers: { ...handlers, hang } });
    await queue.createBatch([{ type: "double", payload: 1 }, { type: "double", payload: 2 }, { type: "hang" }]);
    // Some runs more may have begun by then.
    await expect(queue.drain({ maxRuns: 20 })).rejects.toThrow(
      /^jobs come up without an end: handlers ran \d+ times, that of hang \d+ times. .* maxRuns$/,
    );
  });

  test("drains any number of jobs that are there, and some that come up", async () => {
    const parent = (_: unknown, { enqueueBatch }: HandlerContext) =>
      enqueueBatch(Array.from({ length: 5 }, (_, payload) => ({ type: "double", payload })));
    await open({ handlers: { ...handlers, hang: parent } });
    // Not before the clock is moved.
    await queue.createBatch([
      { type: "double", payload: 7 },
      { type: "hang", delayMs: 1 },
    ]);
    await queue.drain({ maxRuns: 5 });
    expect(await queue.jobs({ statuses: ["DONE"] })).toHaveLength(7);
    await queue.create({ type: "hang", delayMs: 1 });
    await expect(queue.drain({ maxRuns: 4 })).rejects.toThrow("handlers ran 6 times, that of double 5 times");
  });

  test("runs schedules by its clock", async () => {
    await open({ now: new Date("2026-03-01T00:00:00Z") });
    await queue.schedules.create({ name: "daily", cron: "0 9 * * *", job: { type: "double", payload: 1 } });
    await queue.advance(3 * 24 * 3600 * 1000);
    expect(await queue.jobs({ schedule: "daily" })).toHaveLength(3);
    await queue.advance(60 * 24 * 3600 * 1000);
    expect(await queue.jobs({ schedule: "daily" })).toHaveLength(63);
  });
});

describe("a client of it", () => {
  test("meets the real services: calls, watches and errors", async () => {
    await open();
    const client = createTestClient(queue);
    const watched: string[] = [];
    const { job } = await client.create({ type: "double", payload: 21 });
    for await (const { status } of client.watchJob(job.id)) watched.push(status);
    expect(watched.at(-1)).toBe("DONE");
    expect(await client.get(job.id)).toEqual(await queue.get(job.id));
    await expect(client.create({ type: "double", payload: 1, priority: 11 })).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      violations: [{ field: "priority" }],
    });
    await expect(client.get("404")).rejects.toMatchObject({ reason: "JOB_NOT_FOUND" });
    expect((await client.createAndWait({ type: "double", payload: 4 })).result).toBe(8);
  });
});
