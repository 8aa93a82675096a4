import { EventEmitter } from "node:events";
import { createWorker, type HandlerJob, type Handlers, snooze, type Worker } from "gotaskq/client";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type LogLine, recordingLogger } from "../../support/logger.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { within } from "../../support/wait.js";
import { atEnd, clientOf } from "../support.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

afterEach(() => vi.restoreAllMocks());

/** Starts a worker without a logger of its own, unless it is given one. */
async function start(handlers: Handlers, options: Partial<Parameters<typeof createWorker>[0]> = {}): Promise<Worker> {
  const worker = createWorker({ url: server.url, handlers, ...options });
  atEnd(() => worker.stop({ timeoutMs: 0 }));
  await within(worker.start(), "the start of a worker");
  return worker;
}

/** Creates a job without retries and waits for its end. */
async function run(type: string, options: { readonly timeoutMs?: number } = {}): Promise<string> {
  const job = await within(clientOf(server.url).createAndWait({ type, maxRetries: 0, ...options }), "the end of a job");
  return job.status;
}

/** What is written to stderr from now on. */
function stderr(): string[] {
  const written: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  return written;
}

describe("the events of a worker", () => {
  test("tell each result and failure that the server has taken, and nothing of jobs that go on", async () => {
    const worker = await start({
      good: () => ({ at: new Date(0) }),
      bad: () => Promise.reject(new RangeError("no luck")),
      slow: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", reject)),
      // What has no JSON is no result.
      wrong: () => new Map(),
      later: ({ deliveries }) => {
        if (deliveries === 1) throw snooze(1);
      },
    });
    const told: unknown[] = [];
    worker.on("completed", ({ type }, result) => told.push([type, result]));
    worker.on("failed", ({ type }, error) => told.push([type, String(error)]));
    expect(await run("good")).toBe("DONE");
    expect(await run("bad")).toBe("DEAD");
    expect(await run("slow", { timeoutMs: 20 })).toBe("DEAD");
    expect(await run("wrong")).toBe("DEAD");
    expect(await run("later")).toBe("DONE");
    // The answers to the last outcomes may still be on their way.
    await worker.stop();
    expect(told).toEqual([
      ["good", { at: new Date(0) }],
      ["bad", "RangeError: no luck"],
      ["slow", "Error: timed out after 20 ms"],
      ["wrong", expect.stringContaining("it is a Map")],
      ["later", undefined],
    ]);
  });

  test("take the place of lines on stderr, each of its own", async () => {
    const written = stderr();
    const handlers = { bad: () => Promise.reject(new RangeError("no luck")) };
    const unheard = await start(handlers);
    await run("bad");
    await unheard.stop();
    expect(written.join("").match(/an attempt failed/g)).toHaveLength(1);
    const failed: HandlerJob[] = [];
    const heard = await start(handlers);
    heard.on("failed", (job) => failed.push(job));
    await run("bad");
    await heard.stop();
    expect(failed.map(({ type }) => type)).toEqual(["bad"]);
    expect(written.join("").match(/an attempt failed/g)).toHaveLength(1);
  });

  test("tell what is wrong with the worker, which goes on", async () => {
    const written = stderr();
    const other = await startTestServer({ NUM_WORKERS: "0" });
    const worker = createWorker({ url: other.url, handlers: { work: () => 1 } });
    atEnd(() => worker.stop({ timeoutMs: 0 }));
    const troubles: [Error, object][] = [];
    const told = new Promise<void>((resolve) => {
      worker.on("error", (error, fields) => {
        troubles.push([error, fields]);
        resolve();
      });
    });
    await worker.start();
    // It is gone at once: the worker was told nothing.
    await other.stop();
    await within(told, "the trouble");
    expect(troubles[0]?.[0]).toMatchObject({ message: expect.stringContaining("stream"), cause: expect.anything() });
    expect(troubles[0]?.[1]).toHaveProperty("err");
    expect(written.join("")).not.toContain("stream of jobs");
  });

  test("are told to a logger that is given, too", async () => {
    const logger = recordingLogger();
    const worker = await start({ bad: () => Promise.reject(new RangeError("no luck")) }, { logger });
    let count = 0;
    worker.on("failed", () => void count++);
    await run("bad");
    await worker.stop();
    expect(count).toBe(1);
    expect(messages(logger.lines)).toContain("an attempt failed");
  });

  test("harm nothing when a listener throws or rejects", async () => {
    const logger = recordingLogger();
    const worker = await start({ good: () => 1, bad: () => Promise.reject(new Error("no luck")) }, { logger });
    const heard: string[] = [];
    worker.once("completed", () => {
      throw new Error("a listener of mine");
    });
    worker.on("completed", () => heard.push("completed"));
    worker.on("failed", (async () => {
      throw new Error("another one");
    }) as () => void);
    expect([await run("good"), await run("good"), await run("bad")]).toEqual(["DONE", "DONE", "DEAD"]);
    await worker.stop();
    expect(heard).toEqual(["completed", "completed"]);
    const broken = logger.lines.filter(({ message }) => message === "a listener of a worker threw");
    expect(broken.map(({ fields }) => fields)).toEqual([
      expect.objectContaining({ event: "completed", err: expect.objectContaining({ message: "a listener of mine" }) }),
      expect.objectContaining({ event: "failed", err: expect.objectContaining({ message: "another one" }) }),
    ]);
  });

  test("are those of an emitter of Node, whose listeners can be taken away", async () => {
    const worker = await start({ good: () => 1 });
    const first = EventEmitter.once(worker as unknown as EventEmitter, "completed");
    const never = () => expect.unreachable();
    worker.on("completed", never).off("completed", never);
    await run("good");
    expect(await within(first, "the event")).toEqual([expect.objectContaining({ type: "good" }), 1]);
  });
});

function messages(lines: readonly LogLine[]): string[] {
  return lines.map(({ message }) => message);
}

describe("a worker", () => {
  test("stops when its signal is aborted, and at the end of the block that uses it", async () => {
    const controller = new AbortController();
    const worker = await start({ work: () => 1 }, { signal: controller.signal });
    controller.abort();
    await within(worker.stopped, "the stop of the worker");
    const late = createWorker({ url: server.url, handlers: { work: () => 1 }, signal: controller.signal });
    await late.start();
    await within(late.stopped, "the stop of a worker that never began");
    let used: Worker | undefined;
    {
      await using own = createWorker({ url: server.url, handlers: { work: () => 1 } });
      used = own;
      await own.start();
    }
    await within(used.stopped, "the stop of the worker");
  });
});

/** The compiler runs this test: the check of types covers this file. */
test("handlers of a worker that do not fit the declared jobs do not compile", () => {
  interface Jobs {
    mail: { payload: { to: string } };
    ping: object;
  }
  const { url } = server;
  createWorker<Jobs>({ url, handlers: { mail: ({ payload }) => void payload.to } });
  // @ts-expect-error: a name that is none
  createWorker<Jobs>({ url, handlers: { mial: () => {} } });
  // @ts-expect-error: a payload that it does not have
  createWorker<Jobs>({ url, handlers: { mail: ({ payload }) => void payload.from } });
  expect(() => createWorker<Jobs>({ url, handlers: {} })).toThrow("handlers: there must be at least one");
});
