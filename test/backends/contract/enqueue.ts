import { describe, expect, test } from "vitest";
import type { EnqueueResult, NewJob } from "../../../src/core/port/new-jobs.js";
import type { Backoff, Job } from "../../../src/model/job/job.js";
import type { QueueSettings } from "../../../src/model/queue/queue.js";
import { newJob, TRACE } from "../../support/job.js";
import type { Open } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  expectAbout,
  expectRefused,
  failed,
  fatal,
  jobOf,
  lease,
  leaseOne,
  only,
  passTime,
  readAll,
  statsOf,
} from "./support.js";

/** Creating jobs: payloads, times, limits. */
export function describeEnqueue(open: Open): void {
  describe("enqueue", () => {
    test("a new job is PENDING, untouched, and says what it was created with", async () => {
      const opened = await open();
      const { backend } = opened;
      const before = await opened.now();
      const spec = newJob({
        type: "mail.send",
        payload: '{"to":\r\n\t["ä@example.org"],  "n": 1.50, "id": 12345678901234567890, "e": "\\ud83d\\ude00"}\n',
        priority: 7,
        maxRetries: 3,
        backoff: { baseDelayMs: 250, maxDelayMs: 60_000 },
        timeoutMs: 1500,
        metadata: { tenant: "Zoë", "a b": "", trace: "1=2;3" },
      });
      const result = only(await backend.enqueue([spec]));
      expectAbout(result.createdAt, before, opened);
      expect(result).toEqual({
        id: spec.id,
        deduplicated: false,
        createdAt: result.createdAt,
        runAfter: result.createdAt,
      });
      expect(await jobOf(backend, spec.id)).toEqual({
        ...spec,
        status: "PENDING",
        pendingState: "READY",
        revision: 1,
        retryCount: 0,
        deliveries: 0,
        lostLeases: 0,
        error: "",
        attemptErrors: [],
        resultDropped: false,
        result: undefined,
        progress: undefined,
        cancelRequested: false,
        worker: "",
        createdAt: result.createdAt,
        updatedAt: result.createdAt,
        runAfter: result.createdAt,
        startedAt: undefined,
        finishedAt: undefined,
      });
    });

    test("a batch is answered in order, over several queues", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const jobs = [5, 0, 9, 3].map((priority, at) => newJob({ priority, queue: at % 2 === 0 ? "default" : "other" }));
      const results = await backend.enqueue(jobs);
      expect(results.map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
      expect((await backend.get(jobs.map(({ id }) => id))).map((job) => job?.queue)).toEqual([
        "default",
        "other",
        "default",
        "other",
      ]);
    });

    test("a batch of 1000 is created whole, and an empty one does nothing", async () => {
      const { backend } = await open();
      expect(await backend.enqueue([])).toEqual([]);
      const ids = await add(backend, ...Array.from({ length: 1000 }, () => ({})));
      expect(new Set(ids).size).toBe(1000);
      expect(await statsOf(backend)).toMatchObject({ ready: 1000 });
    });

    test.each([
      ["JSON text", '{"b":1,"a":[true,null,"\\u0000 \\ud83d\\ude00 😀"], "big":12345678901234567890.10}'],
      ["the text null", "null"],
      ["bytes of every value", Uint8Array.from({ length: 256 }, (_, at) => at)],
      ["no bytes", new Uint8Array(0)],
      ["nothing", undefined],
    ])("a payload of %s comes back as it went in", async (_name, payload) => {
      const { backend } = await open();
      const id = await addOne(backend, { payload });
      const read = (await jobOf(backend, id)).payload;
      const leased = (await leaseOne(backend)).job.payload;
      for (const seen of [read, leased]) {
        if (payload instanceof Uint8Array) expect(seen).toBeInstanceOf(Uint8Array);
        expect(seen instanceof Uint8Array ? [...seen] : seen).toEqual(
          payload instanceof Uint8Array ? [...payload] : payload,
        );
      }
    });

    test("a large payload and many metadata entries are kept whole", async () => {
      const { backend } = await open();
      const payload = JSON.stringify("x".repeat(1024 * 1024 - 2));
      const metadata = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`key-${at}`, "v".repeat(at)]));
      const id = await addOne(backend, { payload, metadata });
      const job = await jobOf(backend, id);
      expect(job.payload === payload).toBe(true);
      expect(job.metadata).toEqual(metadata);
    });

    test("a trace context is kept whole, with metadata and without, and is not shared by neighbours", async () => {
      const { backend } = await open();
      const longest = { ...TRACE, tracestate: `a=${"x".repeat(510)}`, baggage: `b=${"y".repeat(8190)}` };
      const traced = [{ traceContext: TRACE, metadata: { a: "b" } }, { traceContext: longest }, {}];
      const ids = await add(backend, ...traced);
      const leases = await lease(backend);
      for (const [at, { traceContext }] of traced.entries()) {
        expect((await jobOf(backend, ids[at] as string)).traceContext).toEqual(traceContext);
        expect(leases[at]?.job.traceContext).toEqual(traceContext);
      }
    });

    test("a job keeps its trace context over retries, its death and a replay", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { traceContext: TRACE });
      await backend.fail([failed(await leaseOne(backend))]);
      await passTime(opened, 1000);
      const second = await leaseOne(backend);
      expect(second.job.traceContext).toEqual(TRACE);
      await backend.fail([fatal(second)]);
      const { jobs } = await backend.listDead({ queue: "default", order: "NEWEST", limit: 1 });
      expect(jobs[0]?.traceContext).toEqual(TRACE);
      const [row] = await backend.replay([id]);
      expect(row).toMatchObject({ outcome: "APPLIED", job: { traceContext: TRACE } });
      expect((await leaseOne(backend)).job.traceContext).toEqual(TRACE);
    });

    test("a repeat of a create leaves the trace context of the first", async () => {
      const { backend } = await open();
      const request = { requestId: "r", digest: "d" };
      const first = await addOne(backend, { ...request, traceContext: TRACE });
      const again = newJob({ ...request, traceContext: { ...TRACE, baggage: "" } });
      expect(only(await backend.enqueue([again]))).toMatchObject({
        id: first,
        deduplicated: true,
        existing: { traceContext: TRACE },
      });
    });

    test("a delay and a start time say when the job becomes ready", async () => {
      const opened = await open();
      const { backend } = opened;
      const results = await backend.enqueue([
        newJob({ delayMs: 1 + opened.slackMs }),
        newJob({ delayMs: 0 }),
        newJob({ runAfter: 1_000_000_000_000 }),
        newJob({ runAfter: 4_000_000_000_000 }),
      ]);
      const [delayed, now, past, future] = results as [EnqueueResult, EnqueueResult, EnqueueResult, EnqueueResult];
      expect(delayed.runAfter - delayed.createdAt).toBe(1 + opened.slackMs);
      expect(now.runAfter).toBe(now.createdAt);
      expect(past.runAfter).toBe(1_000_000_000_000);
      expect(future.runAfter).toBe(4_000_000_000_000);
      const jobs = await backend.get(results.map(({ id }) => id));
      expect(jobs.map((job) => job?.runAfter)).toEqual(results.map(({ runAfter }) => runAfter));
      expect(await statsOf(backend)).toMatchObject({ ready: 2, scheduled: 2 });
    });

    test("a queue gives its jobs a ttl where they leave it open, from when they may run", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "q", { defaultTtlMs: 5000, defaultMaxRetries: 9 });
      const now = await opened.now();
      const plans: [Partial<NewJob>, number | undefined][] = [
        [{}, 5000],
        [{ metadata: { a: "b" }, requestId: "r", digest: "d" }, 5000],
        [{ delayMs: 2000, traceContext: TRACE }, 7000],
        [{ runAfter: now - 60_000 }, 5000],
        [{ runAfter: now + 60_000 }, 65_000],
        [{ open: 7 }, undefined],
        [{ open: 0 }, undefined],
        [{ open: 7, ttlMs: 9000 }, 9000],
        [{ open: 7, expiresAt: now + 9000 }, 9000],
      ];
      const results = await backend.enqueue(plans.map(([given]) => newJob({ open: 15, ...given, queue: "q" })));
      const jobs = await backend.get(results.map(({ id }) => id));
      for (const [at, [given, ms]] of plans.entries()) {
        const { createdAt, expiresAt, maxRetries } = jobs[at] as Job;
        expect(maxRetries).toBe(given.open === 0 ? newJob().maxRetries : 9);
        if (ms === undefined) expect(expiresAt).toBeUndefined();
        else if (given.expiresAt ?? (given.runAfter ?? 0) > now) expect(expiresAt).toBe(now + ms);
        else expect(expiresAt).toBe(createdAt + ms);
        const { ttlMs, expiresAt: told } = results[at]?.given ?? {};
        const isGiven = (given.open ?? 15) > 7;
        expect(told ?? (ttlMs === undefined ? undefined : createdAt + ttlMs)).toBe(isGiven ? expiresAt : undefined);
      }
      // What is set later changes no job that is there.
      await backend.updateQueue("q", { defaultTtlMs: null });
      await add(backend, { queue: "q", open: 15 });
      await passTime(opened, 4900 - opened.slackMs);
      expect(await statsOf(backend, "q")).toMatchObject({ ready: 9, scheduled: 1 });
      await passTime(opened, 100 + opened.slackMs);
      expect(await statsOf(backend, "q")).toMatchObject({ ready: 6, scheduled: 1 });
      await passTime(opened, 4000);
      expect(await statsOf(backend, "q")).toMatchObject({ ready: 3, scheduled: 1 });
      await passTime(opened, 56_100);
      expect(await statsOf(backend, "q")).toMatchObject({ ready: 3, scheduled: 0 });
    });

    test.each<[string, Partial<QueueSettings>, Partial<NewJob>]>([
      ["retries, 0 too", { defaultMaxRetries: 0 }, { maxRetries: 0 }],
      ["a timeout", { defaultTimeoutMs: 60_000 }, { timeoutMs: 60_000 }],
      [
        "a backoff",
        { defaultBackoff: { baseDelayMs: 7, maxDelayMs: 8 } },
        { backoff: { baseDelayMs: 7, maxDelayMs: 8 } },
      ],
      ["a list of waits", { defaultBackoff: { delaysMs: [3, 9, 5] } }, { backoff: { delaysMs: [3, 9, 5] } }],
      [
        "all of them",
        {
          ...{ defaultMaxRetries: 100, defaultTimeoutMs: 1 },
          defaultBackoff: { baseDelayMs: 1, maxDelayMs: 31_622_400_000, multiplier: 1.1 },
        },
        {
          ...{ maxRetries: 100, timeoutMs: 1 },
          backoff: { baseDelayMs: 1, maxDelayMs: 31_622_400_000, multiplier: 1.1 },
        },
      ],
    ])("a queue gives its jobs %s where they leave it open", async (_what, settings, given) => {
      const { backend } = await open();
      await createQueue(backend, "q", settings);
      // With and without other fields that only some jobs have, and a backoff of the server that is no plain one.
      const own: Partial<NewJob>[] = [{}, { metadata: { a: "ü\n" } }, { traceContext: TRACE, payload: undefined }];
      const backoffs: Backoff[] = [newJob().backoff, { delaysMs: [1] }];
      const jobs = own.flatMap((each) =>
        backoffs.flatMap((backoff) =>
          [0, 1, 2, 4, 7].map((bits) => newJob({ ...each, queue: "q", backoff, open: bits })),
        ),
      );
      const results = await backend.enqueue(jobs);
      const kept = await backend.get(results.map(({ id }) => id));
      jobs.forEach(({ open: bits = 0, ...spec }, at) => {
        const expected = {
          ...spec,
          ...(bits & 1 && given.maxRetries !== undefined && { maxRetries: given.maxRetries }),
          ...(bits & 2 && given.backoff !== undefined && { backoff: given.backoff }),
          ...(bits & 4 && given.timeoutMs !== undefined && { timeoutMs: given.timeoutMs }),
        };
        expect(kept[at]).toMatchObject(expected);
        // Who creates a job is told what it got.
        expect({ ...spec, ...results[at]?.given, id: spec.id }).toEqual(expected);
      });
    });

    test("what a queue gives is decided when a job is created, and in that step", async () => {
      const { backend } = await open();
      const settings = { defaultMaxRetries: 9 };
      await backend.updateQueue("default", settings);
      const first = await addOne(backend, { open: 7, requestId: "r" });
      await Promise.all([backend.updateQueue("default", { defaultMaxRetries: 1 }), backend.queues()]);
      const second = await addOne(backend, { open: 7 });
      await backend.updateQueue("default", { defaultMaxRetries: null });
      const third = await addOne(backend, { open: 7 });
      const jobs = await backend.get([first, second, third]);
      expect(jobs.map((job) => job?.maxRetries)).toEqual([9, 1, 5]);
      // A repeat answers the job that is there.
      expect(only(await backend.enqueue([newJob({ open: 7, requestId: "r" })]))).toMatchObject({
        ...{ id: first, deduplicated: true, existing: { maxRetries: 9 } },
      });
    });

    test("each job of a batch keeps its own settings, whatever it shares with its neighbours", async () => {
      const { backend } = await open();
      const base = newJob({ metadata: { of: "base" } });
      const own: readonly Partial<NewJob>[] = [
        { maxRetries: 9 },
        { backoff: { baseDelayMs: 1, maxDelayMs: 2 } },
        { backoff: { baseDelayMs: 1, maxDelayMs: 2, multiplier: 1 } },
        { backoff: { delaysMs: [1, 2] } },
        { backoff: { delaysMs: [1, 1, 2] } },
        { timeoutMs: 77 },
        { traceContext: TRACE },
        { traceContext: { traceparent: "", tracestate: "", baggage: "a=b" } },
        { metadata: { of: "another" } },
        { requestId: "r" },
        { type: "other" },
        { payload: "2" },
        { priority: 8 },
      ];
      const jobs = own.flatMap((given) => [
        { ...base, id: newJob().id },
        { ...base, id: newJob().id, ...given },
      ]);
      await backend.enqueue(jobs);
      const kept = await backend.get(jobs.map(({ id }) => id));
      jobs.forEach(({ requestId: _, ...spec }, at) => {
        expect(kept[at]).toMatchObject(spec);
      });
      expect(await addOne(backend, { requestId: "r" })).toBe(jobs[19]?.id);
    });

    test("an unknown queue refuses the whole batch, wherever it stands in it", async () => {
      const { backend } = await open();
      const cursor = await backend.head();
      for (const at of [0, 1, 2]) {
        const jobs = [0, 1, 2].map((index) => newJob(index === at ? { queue: "nowhere" } : { requestId: "r" }));
        await expectRefused(backend.enqueue(jobs), "QUEUE_NOT_FOUND");
        expect(await backend.get(jobs.map(({ id }) => id))).toEqual([undefined, undefined, undefined]);
      }
      expect((await readAll(backend, cursor)).changes).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0 });
    });
  });

  describe("enqueue into a queue with max_depth", () => {
    test("a batch that does not fit is refused whole, one that fits exactly is not", async () => {
      const { backend } = await open();
      await createQueue(backend, "small", { maxDepth: 3 });
      const four = [{ queue: "small" }, { queue: "default" }, { queue: "small" }, { queue: "small" }];
      await expectRefused(add(backend, ...four, { queue: "small" }), "QUEUE_FULL");
      expect(await statsOf(backend, "small")).toMatchObject({ ready: 0 });
      expect(await statsOf(backend)).toMatchObject({ ready: 0 });
      await add(backend, ...four);
      await expectRefused(addOne(backend, { queue: "small" }), "QUEUE_FULL");
      await addOne(backend);
      expect(await statsOf(backend, "small")).toMatchObject({ ready: 3 });
    });

    test("scheduled jobs count, jobs that run do not", async () => {
      const { backend } = await open();
      await createQueue(backend, "small", { maxDepth: 2 });
      await add(backend, { queue: "small", delayMs: 60_000 }, { queue: "small" });
      await expectRefused(addOne(backend, { queue: "small" }), "QUEUE_FULL");
      await leaseOne(backend, { queues: ["small"] });
      await addOne(backend, { queue: "small" });
      await expectRefused(addOne(backend, { queue: "small" }), "QUEUE_FULL");
    });

    test("retries, jobs given back and replayed jobs always fit", async () => {
      const { backend } = await open();
      await createQueue(backend, "small", { maxDepth: 1 });
      const leases = [];
      for (let at = 0; at < 3; at++) {
        await addOne(backend, { queue: "small" });
        leases.push(await leaseOne(backend, { queues: ["small"] }));
      }
      const [first, second, third] = leases;
      if (!first || !second || !third) throw new Error("no leases");
      expect(only(await backend.fail([failed(first)])).outcome).toBe("APPLIED");
      expect(only(await backend.release([{ jobId: second.job.id, token: second.token }])).outcome).toBe("APPLIED");
      await backend.fail([{ ...failed(third), retry: "NEVER" }]);
      expect(only(await backend.replay([third.job.id])).outcome).toBe("APPLIED");
      expect(await statsOf(backend, "small")).toMatchObject({ ready: 2, scheduled: 0, retrying: 1 });
      await expectRefused(addOne(backend, { queue: "small" }), "QUEUE_FULL");
    });

    test("a known request id is answered from a full queue, and counts once in a batch", async () => {
      const { backend } = await open();
      await createQueue(backend, "small", { maxDepth: 2 });
      const batch = [
        { queue: "small", requestId: "a" },
        { queue: "small", requestId: "b" },
        { queue: "small", requestId: "a" },
      ];
      const [a, b, again] = await add(backend, ...batch);
      expect(again).toBe(a);
      expect(await add(backend, ...batch)).toEqual([a, b, a]);
      await expectRefused(add(backend, ...batch, { queue: "small", requestId: "c" }), "QUEUE_FULL");
      expect(await statsOf(backend, "small")).toMatchObject({ ready: 2 });
    });

    test("a request id counts in each queue for itself", async () => {
      const { backend } = await open();
      for (const queue of ["one", "two"]) await createQueue(backend, queue, { maxDepth: 1 });
      await addOne(backend, { queue: "two" });
      const batch = [
        { queue: "one", requestId: "r" },
        { queue: "two", requestId: "r" },
      ];
      await expectRefused(add(backend, ...batch), "QUEUE_FULL");
      expect(await statsOf(backend, "one")).toMatchObject({ ready: 0 });
    });

    test("a limit lowered below the backlog drops nothing and admits nothing", async () => {
      const { backend } = await open();
      await createQueue(backend, "small");
      await add(backend, { queue: "small" }, { queue: "small" });
      await backend.updateQueue("small", { maxDepth: 1 });
      expect(await statsOf(backend, "small")).toMatchObject({ ready: 2 });
      await lease(backend, { queues: ["small"], max: 1 });
      await expectRefused(addOne(backend, { queue: "small" }), "QUEUE_FULL");
      await backend.updateQueue("small", { maxDepth: 0 });
      await addOne(backend, { queue: "small" });
    });
  });
}
