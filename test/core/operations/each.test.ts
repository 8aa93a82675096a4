import { describe, expect, test } from "vitest";
import { silentObserver } from "../../../src/core/observer.js";
import { enqueueEach } from "../../../src/core/operations/enqueue-each.js";
import { getEach } from "../../../src/core/operations/jobs-by-id.js";
import type { EnqueueResult, NewJob } from "../../../src/core/port/new-jobs.js";
import { backendUnavailable, queueFull, queueNotFound, TaskQueueError } from "../../../src/model/common/errors.js";
import { LIMITS } from "../../../src/model/common/limits.js";
import type { Job } from "../../../src/model/job/job.js";
import type { JobRequest } from "../../../src/model/request/validate.js";
import { Violations } from "../../../src/model/request/violations.js";
import { newJob } from "../../support/job.js";
import { rejection } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

/** What came of each: the id, or the reason why there is none. */
const idOrReason = (outcome: { readonly id: string } | TaskQueueError) =>
  outcome instanceof TaskQueueError ? outcome.reason : outcome.id;

describe("creating each job for itself", () => {
  /** A store whose queues answer as they are told; remembers the batches that came. */
  function storeOf(answers: Readonly<Record<string, (jobs: readonly NewJob[]) => void>>) {
    const batches: string[][] = [];
    const enqueue = async (jobs: readonly NewJob[]): Promise<EnqueueResult[]> => {
      batches.push(jobs.map(({ id }) => id));
      answers[jobs[0]?.queue ?? ""]?.(jobs);
      return jobs.map(({ id }) => ({ id, deduplicated: false, createdAt: 1, runAfter: 1 }));
    };
    return { enqueue, batches };
  }

  const jobsOf = (...ids: readonly string[]) => ids.map((id) => ({ ...newJob({ queue: id.charAt(0) }), id }));

  test("is one call a queue when none is refused", async () => {
    const store = storeOf({});
    const results = await enqueueEach(store, jobsOf("a1", "b1", "a2", "b2"));
    expect(results.map(idOrReason)).toEqual(["a1", "b1", "a2", "b2"]);
    expect(store.batches).toEqual([
      ["a1", "a2"],
      ["b1", "b2"],
    ]);
  });

  test("goes one by one in a queue that refuses some, and in no other", async () => {
    const full = (jobs: readonly NewJob[]) => {
      if (jobs.some(({ id }) => id === "a2")) throw queueFull("a", 1);
    };
    const store = storeOf({ a: full });
    const results = await enqueueEach(store, jobsOf("a1", "b1", "a2", "b2", "a3"));
    expect(results.map(idOrReason)).toEqual(["a1", "b1", "QUEUE_FULL", "b2", "a3"]);
    expect(store.batches.filter((batch) => batch[0]?.startsWith("a"))).toEqual([
      ["a1", "a2", "a3"],
      ["a1"],
      ["a2"],
      ["a3"],
    ]);
    expect(store.batches.filter((batch) => batch[0]?.startsWith("b"))).toEqual([["b1", "b2"]]);
  });

  test("repeats nothing where all of a queue are refused alike, or nobody knows what came of them", async () => {
    const away = () => {
      throw backendUnavailable("away");
    };
    const unknown = () => {
      throw queueNotFound("b");
    };
    const store = storeOf({ a: away, b: unknown });
    const results = await enqueueEach(store, jobsOf("a1", "b1", "a2", "b2", "c1"));
    expect(results.map(idOrReason)).toEqual([
      ...["BACKEND_UNAVAILABLE", "QUEUE_NOT_FOUND", "BACKEND_UNAVAILABLE", "QUEUE_NOT_FOUND", "c1"],
    ]);
    expect(store.batches).toHaveLength(3);
  });

  test("fails as a whole by a fault", async () => {
    const fault = () => {
      throw new Error("a fault");
    };
    expect(await rejection(enqueueEach(storeOf({ a: fault }), jobsOf("a1", "b1")))).toEqual(new Error("a fault"));
  });

  test("counts what was created, and nothing else", async () => {
    const counted: [string, string, number][] = [];
    const { engine } = new Fixture({
      observer: { ...silentObserver, enqueued: (...each) => void counted.push(each) },
    });
    await engine.queues.create("small", { maxDepth: 2 });
    const each = (request: JobRequest) => ({ request, violations: new Violations() });
    const outcomes = await engine.jobs.createEach([
      each({ type: "a" }),
      each({ type: "" }),
      each({ type: "a", requestId: "r" }),
      each({ type: "a", requestId: "r" }),
      ...[1, 2, 3].map(() => each({ type: "b", queue: "small" })),
    ]);
    expect(outcomes.map((outcome) => (outcome instanceof TaskQueueError ? outcome.reason : outcome.isNew))).toEqual([
      ...[true, "FIELD_INVALID", true, false, true, true, "QUEUE_FULL"],
    ]);
    expect(counted.map(([queue, type, count]) => `${queue} ${type} ${count}`)).toEqual(["default a 2", "small b 2"]);
  });

  test("is refused as a whole when the server drains, and for too many", async () => {
    const { engine } = new Fixture();
    const one = { request: { type: "a" }, violations: new Violations() };
    expect(await rejection(engine.jobs.createEach(Array(LIMITS.batch + 1).fill(one)))).toMatchObject({
      reason: "FIELD_INVALID",
    });
    engine.jobs.close();
    expect(await rejection(engine.jobs.createEach([one]))).toMatchObject({ reason: "SERVER_DRAINING" });
  });
});

describe("reading each job for itself", () => {
  /** A store with all jobs that are asked for, of so many bytes each, but for those of the queue `away`. */
  function storeOf(bytes: number) {
    const calls: { readonly ids: readonly string[]; readonly maxBytes: number | undefined }[] = [];
    const get = async (ids: readonly string[], _view?: unknown, maxBytes?: number) => {
      calls.push({ ids, maxBytes });
      if (ids[0]?.endsWith("@away")) throw backendUnavailable("away");
      const fits = Math.max(1, Math.ceil((maxBytes ?? Number.POSITIVE_INFINITY) / bytes));
      const payload = "x".repeat(bytes - 200);
      return ids
        .slice(0, fits)
        .map((id) => ({ id, payload, metadata: {}, error: "", attemptErrors: [] }) as unknown as Job);
    };
    return { get, calls };
  }

  const idsOf = (count: number, queue = "") => Array.from({ length: count }, (_, at) => `${at + 1}${queue}`);

  test("asks each queue once for what is small", async () => {
    const store = storeOf(1000);
    const ids = [...idsOf(50), ...idsOf(50, "@mail")];
    expect((await getEach(store, ids)).map(idOrReason)).toEqual(ids);
    expect(store.calls.map((call) => call.ids.length)).toEqual([50, 50]);
  });

  test("ends with the job that brings it to a MiB, in the order of the ids", async () => {
    const store = storeOf(200_000);
    const ids = idsOf(10).flatMap((id) => [id, `${id}@mail`]);
    expect((await getEach(store, ids)).map(idOrReason)).toEqual(ids.slice(0, 6));
    // A queue is asked for its part, and for the rest of it then.
    for (const { maxBytes } of store.calls) expect(maxBytes).toBeLessThanOrEqual(LIMITS.pageBytes);
  });

  test("reads sixteen queues at a time, each a job at the least", async () => {
    const store = storeOf(10_000);
    const ids = Array.from({ length: 40 }, (_, at) => `1@q${at}`);
    expect((await getEach(store, ids)).map(idOrReason)).toEqual(ids);
    expect(store.calls).toHaveLength(40);
    expect(store.calls.slice(0, 16).every(({ maxBytes }) => maxBytes === LIMITS.pageBytes / 16)).toBe(true);
  });

  test("tells of a queue that cannot be read, and reads the others", async () => {
    const outcomes = await getEach(storeOf(1000), ["1", "1@away", "x", "2@away", "2"]);
    expect(outcomes.map(idOrReason)).toEqual(["1", "BACKEND_UNAVAILABLE", "FIELD_INVALID", "BACKEND_UNAVAILABLE", "2"]);
  });
});
