import { createWorker, silentLogger } from "gotaskq/client";
import { afterEach, expect, test, vi } from "vitest";
import { createStderrLogger } from "../../../src/client/worker/stderr-logger.js";
import { startTestServer } from "../../support/server.js";
import { STRANGE_ERRORS, STRANGE_VALUES } from "../../support/strange-values.js";
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
    atEnd(() => worker.stop(0));
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

test("warnings and errors are written, with all fields of the context, and nothing below", () => {
  const entries: string[] = [];
  const logger = createStderrLogger((text) => void entries.push(text)).child({ job_id: "1" });
  logger.debug({}, "debug");
  logger.info({}, "info");
  logger.warn({ text: 'with "quotes"\nand lines', list: [1] }, "careful");
  logger.error({ err: "no error" }, "broken");
  expect(entries).toEqual([
    'gotaskq warn: careful job_id=1 text="with \\"quotes\\"\\nand lines" list=[1]',
    "gotaskq error: broken job_id=1\nstring: no error",
  ]);
});

test("an entry has a bounded length, whatever is logged", () => {
  const entries: string[] = [];
  const logger = createStderrLogger((text) => void entries.push(text));
  const values = [...Object.values(STRANGE_ERRORS), ...Object.values(STRANGE_VALUES), () => "x".repeat(1e6)];
  for (const make of values) logger.warn({ err: make(), value: make() }, "strange");
  logger.warn(Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`field${at}`, at])), "many");
  expect(entries).toHaveLength(values.length + 1);
  expect(Math.max(...entries.map(({ length }) => length))).toBeLessThan(100_000);
});
