import { createTaskQueue, type Job, type LocalTaskQueue, type NewJob } from "gotaskq";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HandlerRunner } from "../../src/core/handler-runner.js";
import { describeError } from "../../src/model/common/describe-error.js";
import { type LogLine, recordingLogger } from "../support/logger.js";
import { within } from "../support/wait.js";
import { createRunner, fixture } from "./support/runners.js";

/** What a job shows of how it was run. */
interface Shown {
  readonly job: Partial<Job>;
  readonly waitsMs: number | undefined;
  readonly lines: readonly LogLine[];
}

/** A task queue whose handlers run somewhere. */
interface Place {
  readonly queue: LocalTaskQueue;
  readonly lines: readonly LogLine[];
}

async function open(isolation: "none" | "threads" | "processes"): Promise<Place> {
  const logger = recordingLogger();
  const runner: HandlerRunner = await createRunner(isolation, fixture("behaviours.mjs"), { size: 2, logger });
  const queue = createTaskQueue({ runner, numWorkers: 2, logger });
  await queue.start();
  return { queue, lines: logger.lines };
}

/** Runs a job once, and tells what it shows. `meanwhile` is called when it is RUNNING with progress. */
async function show({ queue, lines }: Place, task: NewJob, meanwhile?: (id: string) => Promise<unknown>) {
  const { job } = await queue.create({ maxRetries: 3, ...task });
  let last: Job = job;
  let doOnce = meanwhile;
  for await (const next of queue.watchJob(job.id)) {
    last = next;
    if (next.status === "RUNNING" && next.progress !== undefined) {
      await doOnce?.(job.id);
      doOnce = undefined;
    }
    if (next.status === "PENDING" && next.deliveries > 0) break;
  }
  if (last.status === "PENDING") await queue.cancel(job.id);
  const { status, result, error, progress, retryCount, deliveries } = last;
  return {
    job: { status, result, error, progress, retryCount, deliveries },
    waitsMs:
      last.status === "PENDING" && last.runAfter - last.updatedAt > 10_000 ? last.runAfter - last.updatedAt : undefined,
    // Without what became of the job, which has its times.
    lines: lines
      .filter(({ fields, message }) => fields.job_id === job.id && !message.startsWith("a job was "))
      .map((line) => withoutPlace(line)),
  };
}

/** A line without what tells where the handler ran, and which job it was. */
function withoutPlace({ level, fields, message }: LogLine): LogLine {
  const { job_id: _, err, ...rest } = fields;
  if (err === undefined) return { level, fields: rest, message };
  const { stack, ...described } = describeError(err);
  // Frames of the fixture are the same, those around them are not.
  const frames = stack
    ?.replaceAll("file://", "")
    .split("\n")
    .filter((line) => !line.startsWith("    at ") || line.includes("behaviours.mjs"));
  return { level, fields: { ...rest, err: { ...described, frames } }, message };
}

const JSON_PAYLOADS = [null, true, 1.5, "text é\u0000", [1, [2, {}]], { a: { b: [] }, "": "x" }];

const CASES: readonly [string, NewJob][] = [
  ...JSON_PAYLOADS.map((payload): [string, NewJob] => [
    `a payload ${JSON.stringify(payload)}`,
    { type: "payload", payload },
  ]),
  ["a payload of bytes", { type: "payload", payload: new Uint8Array([1, 2, 3, 0, 255]) }],
  [
    "a payload that is a part of other bytes",
    { type: "payload", payload: new Uint8Array(1000).fill(7).subarray(3, 5) },
  ],
  ["the class of bytes", { type: "payloadType", payload: new Uint8Array([1]) }],
  ["no payload", { type: "payload" }],
  ["its job", { type: "itsJob", priority: 7, metadata: { a: "b", __proto__x: "c" } }],
  ["its trace", { type: "trace" }],
  ...[
    "nothing",
    "aDate",
    "aMap",
    "aBigInt",
    "aPromise",
    "aSymbol",
    "aFunction",
    "aCircle",
    "tooLarge",
    "bytes",
    "partOfBytes",
    "noBytes",
    "throwsError",
    "throwsText",
    "throwsNothing",
    "throwsProxy",
    "throwsLong",
    "rejects",
    "never",
    "later",
    "snoozes",
    "reports",
    "reportsNonsense",
    "logs",
  ].map((type): [string, NewJob] => [type, { type }]),
  ["a timeout", { type: "untilTimeout", timeoutMs: 300 }],
];

describe("handlers in this process, in threads and in child processes", () => {
  const places: Record<string, Place> = {};

  beforeAll(async () => {
    for (const isolation of ["none", "threads", "processes"] as const) places[isolation] = await open(isolation);
  });

  afterAll(() => Promise.all(Object.values(places).map(({ queue }) => queue.stop({ timeoutMs: 0 }))));

  async function same(task: NewJob, meanwhile?: (place: Place) => (id: string) => Promise<unknown>): Promise<Shown> {
    const shown: Shown[] = [];
    for (const place of Object.values(places)) {
      shown.push(await within(show(place, task, meanwhile?.(place)), `the end of ${task.type}`));
    }
    const [none, threads, processes] = shown;
    expect(threads).toEqual(none);
    expect(processes).toEqual(none);
    return none as Shown;
  }

  test.each(CASES)("do the same with: %s", async (_, task) => {
    const { job } = await same(task);
    expect(["DONE", "DEAD", "PENDING"]).toContain(job.status);
  });

  test("throw what was aborted, which acknowledges a cancel", async () => {
    const { job } = await same(
      { type: "untilCanceled" },
      ({ queue }) =>
        (id) =>
          queue.cancel(id),
    );
    expect(job).toMatchObject({ status: "CANCELED" });
  });

  test("finish all the same when they were canceled", async () => {
    const { job } = await same(
      { type: "finishesWhenCanceled" },
      ({ queue }) =>
        (id) =>
          queue.cancel(id),
    );
    expect(job.result).toMatchObject({ reason: "CANCELED", name: "AbortError" });
  });

  test("end with the last progress they reported", async () => {
    const { job } = await same({ type: "reports" });
    expect(job.progress).toEqual({ percent: 100, message: "100 of 100" });
  });

  test("log with their job, in order", async () => {
    const { lines } = await same({ type: "logs" });
    expect(lines.map(({ message }) => message)).toEqual(["first", "second", "third", "fourth"]);
    expect(lines[1]?.fields).toMatchObject({ type: "logs", part: "a", err: { type: "OddError", code: "E_ODD" } });
  });
});
