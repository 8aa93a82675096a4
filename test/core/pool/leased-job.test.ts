import { describe, expect, test } from "vitest";
import { LeasedJob } from "../../../src/core/pool/leased-job.js";
import { AttemptAborted, type HandlerJob } from "../../../src/model/handler/handler.js";
import type { Job, Payload } from "../../../src/model/job/job.js";
import { newJob } from "../../support/job.js";

function handlerJob(payload: Payload | undefined, more: Partial<Job> = {}): HandlerJob {
  const { delayMs: _delay, runAfter: _run, requestId: _request, ...spec } = newJob({ payload, metadata: { a: "b" } });
  const job: Job = {
    ...spec,
    status: "RUNNING",
    revision: 2,
    retryCount: 3,
    deliveries: 4,
    lostLeases: 0,
    error: "",
    attemptErrors: [],
    resultDropped: false,
    result: undefined,
    progress: undefined,
    cancelRequested: false,
    worker: "w",
    createdAt: 1000,
    updatedAt: 2000,
    runAfter: 1000,
    startedAt: 2000,
    finishedAt: undefined,
    ...more,
  };
  return new LeasedJob(job);
}

describe("HandlerJob", () => {
  test("may be changed by its handler: the next attempt has what was created", () => {
    const payload = new Uint8Array([1, 2]);
    const metadata = { a: "b" };
    const job = handlerJob(payload, { metadata }) as { payload: Uint8Array; metadata: Record<string, string> };
    job.payload[0] = 9;
    job.metadata.a = "c";
    expect([[...job.payload], job.metadata]).toEqual([[9, 2], { a: "c" }]);
    expect([[...payload], metadata]).toEqual([[1, 2], { a: "b" }]);
  });

  test("gives a JSON payload as a value, the same object each time", () => {
    const job = handlerJob('{"n":[1,null]}');
    expect(job.payload).toEqual({ n: [1, null] });
    expect(job.payload).toBe(job.payload);
  });

  test.each([
    ["null", null],
    ["false", false],
    ["0", 0],
    ['""', ""],
  ])("gives the payload %s as it is", (text, value) => {
    expect(handlerJob(text).payload).toBe(value);
  });

  test("has JSON to the letter, where numbers are told apart that JavaScript does not", () => {
    const text = '{"id":9007199254740993, "n":1.0}';
    expect(handlerJob(text)).toMatchObject({ payloadText: text, payload: { id: 9_007_199_254_740_992, n: 1 } });
    expect(handlerJob(new Uint8Array([1])).payloadText).toBeUndefined();
    expect(handlerJob(undefined).payloadText).toBeUndefined();
  });

  test("gives bytes as bytes and nothing as nothing", () => {
    expect(handlerJob(new Uint8Array([1, 2])).payload).toEqual(new Uint8Array([1, 2]));
    expect(handlerJob(undefined).payload).toBeUndefined();
  });

  test("tells whose it is", () => {
    expect(handlerJob(undefined, { key: "acme" }).key).toBe("acme");
    expect(handlerJob(undefined).key).toBeUndefined();
  });

  test("tells which schedule made it, and for when", () => {
    const { schedule, scheduledFor } = handlerJob(undefined, { schedule: "nightly", scheduledFor: 5000 });
    expect({ schedule, scheduledFor }).toEqual({ schedule: "nightly", scheduledFor: new Date(5000) });
    expect(handlerJob(undefined)).toMatchObject({ schedule: undefined, scheduledFor: undefined });
  });

  test("tells which attempt it is", () => {
    const { deliveries, retryCount, maxRetries, metadata, createdAt, queue, type } = handlerJob(undefined);
    expect({ deliveries, retryCount, maxRetries }).toEqual({ deliveries: 4, retryCount: 3, maxRetries: 5 });
    expect({ metadata, createdAt, queue, type }).toEqual({
      metadata: { a: "b" },
      createdAt: new Date(1000),
      queue: "default",
      type: "echo",
    });
  });
});

describe("AttemptAborted", () => {
  test("is an AbortError, as other abort reasons are, and tells why", () => {
    const error = new AttemptAborted("TIMEOUT", "too long");
    expect(error).toBeInstanceOf(Error);
    expect({ name: error.name, reason: error.reason, message: error.message }).toEqual({
      name: "AbortError",
      reason: "TIMEOUT",
      message: "too long",
    });
  });
});
