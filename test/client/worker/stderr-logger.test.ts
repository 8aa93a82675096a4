import { createTaskQueue } from "gotaskq";
import { createWorker, silentLogger } from "gotaskq/client";
import { afterEach, expect, test, vi } from "vitest";
import { startTestServer } from "../../support/server.js";
import { within } from "../../support/wait.js";
import { atEnd, clientOf } from "../support.js";

afterEach(() => vi.restoreAllMocks());

/** What is written to stderr from now on. */
function stderr(): string[] {
  const written: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => written.push(String(text)) > 0);
  return written;
}

test("a worker without a logger writes failed attempts to stderr, and a silent one nothing", async () => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const client = clientOf(server.url);
  const written = stderr();
  const failing = (text: string) => () => {
    throw new RangeError(text, { cause: new Error("the cause") });
  };
  const options = { url: server.url };
  const workers = [
    createWorker({ ...options, handlers: { loud: failing("no luck") } }),
    createWorker({ ...options, handlers: { silent: failing("nobody reads this") }, logger: silentLogger }),
  ];
  for (const worker of workers) {
    atEnd(() => worker.stop({ timeoutMs: 0 }));
    await within(worker.start(), "the start of a worker");
  }
  await client.createAndWait({ type: "silent", maxRetries: 0 });
  const { id } = await client.createAndWait({ type: "loud", maxRetries: 0 });
  const text = written.join("");
  const first = `gotaskq warn: an attempt failed job_id=${id} queue=default type=loud attempt=1 retry_count=0\n`;
  expect(text.slice(0, first.length)).toBe(first);
  expect(text.slice(first.length)).toMatch(
    /^RangeError: no luck\n {4}at .*\ncaused by: Error: the cause\n {4}at .*\n$/s,
  );
  expect(text).not.toContain("nobody reads this");
});

test("a task queue without a logger writes failed attempts to stderr, and a silent one nothing", async () => {
  const written = stderr();
  const handlers = { fails: () => Promise.reject(new RangeError("no luck")) };
  for (const options of [{}, { logger: silentLogger }]) {
    const queue = createTaskQueue({ handlers, ...options });
    await queue.start();
    atEnd(() => queue.stop({ timeoutMs: 0 }));
    const { job } = await queue.create({ type: "fails", maxRetries: 0 });
    await within(queue.wait(job.id), "the end of a job");
  }
  const text = written.join("");
  expect(text.match(/^gotaskq warn: .* job_id=/gm)).toEqual([
    "gotaskq warn: an attempt failed job_id=",
    "gotaskq warn: a job is dead job_id=",
  ]);
  expect(text).toContain("\nRangeError: no luck\n    at ");
});
