import type { HandlerContext, HandlerJob } from "gotaskq/client";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { retryWait, wait } from "../../src/client/wait.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { signal } from "../support/signal.js";
import { within } from "../support/wait.js";
import { clientOf, startWorker } from "./support.js";

const DAY = 24 * 3600 * 1000;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("times that a Timestamp cannot tell", () => {
  test.each([Number.NaN, -1e15, 1e15, -1e300, Number.POSITIVE_INFINITY])("%d is refused, by name", async (ms) => {
    const client = clientOf(server.url);
    const refused = (field: string) => ({ reason: "FIELD_INVALID", violations: [{ field }] });
    await expect(client.create({ type: "none", runAfter: ms })).rejects.toMatchObject(refused("runAfter"));
    await expect(client.dlq.replayMatching({ diedAfter: ms })).rejects.toMatchObject(refused("diedAfter"));
    await expect(client.dlq.deleteMatching({ diedBefore: ms })).rejects.toMatchObject(refused("diedBefore"));
  });

  test("the first of the year 1 is taken, and lets a job run at once", async () => {
    const client = clientOf(server.url);
    const runAfter = Date.parse("0001-01-01T00:00:00.000Z");
    const { job } = await client.create({ type: "none", runAfter });
    expect(await client.get(job.id)).toMatchObject({ status: "PENDING", runAfter });
  });
});

// A timer over 24.8 days that is set as it is fires after 1 ms.
describe("times over 24.8 days", () => {
  test.each([24, 30, 366])("a worker lets a job of %i days run to its end", async (days) => {
    const client = clientOf(server.url);
    const queue = `long-${days}`;
    await client.queues.create(queue);
    const goOn = signal();
    const handlers = { long: () => goOn.fired, short: () => "short" };
    await startWorker({ url: server.url, queues: [queue], handlers });
    const { job } = await client.create({ queue, type: "long", timeoutMs: days * DAY, maxRetries: 0 });
    // Much more than a millisecond passes.
    for (let at = 0; at < 5; at++) await within(client.createAndWait({ queue, type: "short" }), "a short job");
    goOn.fire();
    expect(await within(client.wait(job.id), "the long job")).toMatchObject({ status: "DONE", deliveries: 1 });
  });

  test.each([30 * DAY, Number.POSITIVE_INFINITY])("a worker stops whose handlers have %d ms to finish", async (ms) => {
    const client = clientOf(server.url);
    const queue = `stop-${Number.isFinite(ms) ? "long" : "ever"}`;
    await client.queues.create(queue);
    const began = signal();
    const goOn = signal();
    const handlers = {
      async work(_job: HandlerJob, context: HandlerContext) {
        began.fire();
        await goOn.fired;
        return context.signal.aborted;
      },
    };
    const worker = await startWorker({ url: server.url, queues: [queue], handlers });
    const { job } = await client.create({ queue, type: "work", maxRetries: 0 });
    await within(began.fired, "the start of the job");
    const stopped = worker.stop({ timeoutMs: ms });
    await client.get(job.id);
    await client.get(job.id);
    goOn.fire();
    await within(stopped, "the stop");
    expect(await client.get(job.id)).toMatchObject({ status: "DONE", result: false });
  });

  test.each([30 * DAY, Number.POSITIVE_INFINITY])("a client takes %d ms as the time of a call", async (timeoutMs) => {
    const client = clientOf(server.url, { timeoutMs, retryMs: 0 });
    for (let at = 0; at < 5; at++) expect(await client.queues.list()).not.toEqual([]);
  });

  test("a client waits as long as a server asks for", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let isOver = false;
    const over = wait(retryWait(1, 30 * DAY, 0)).then(() => {
      isOver = true;
    });
    await vi.advanceTimersByTimeAsync(30 * DAY - 1);
    expect(isOver).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await over;
  });

  test("a client's wait ends when its signal is aborted, and leaves no timer", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const controller = new AbortController();
    const over = wait(30 * DAY, controller.signal);
    controller.abort(new Error("enough"));
    await expect(over).rejects.toThrow("enough");
    expect(vi.getTimerCount()).toBe(0);
  });
});
