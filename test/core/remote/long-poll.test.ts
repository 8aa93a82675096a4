import { describe, expect, test } from "vitest";
import { settle } from "../../support/fake-clock.js";
import { rejection } from "../support/async.js";
import { started } from "../support/fixture.js";
import { complete, completion, idsOf, openPoll, openStream, WORKER } from "../support/remote.js";

describe("a poll", () => {
  test("answers at once what is ready, up to what was asked for", async () => {
    const fixture = await started();
    const ids = [await fixture.create(), await fixture.create(), await fixture.create()];
    expect(idsOf((await openPoll(fixture, { maxJobs: 2 })).answer)).toEqual(ids.slice(0, 2));
    expect(idsOf((await openPoll(fixture, { maxJobs: 2, waitMs: 0 })).answer)).toEqual(ids.slice(2));
  });

  test("waits for the first job, also one that is not due yet, and takes no longer than that", async () => {
    const fixture = await started();
    const poll = await openPoll(fixture, { waitMs: 30_000 });
    const id = await fixture.create({ delayMs: 20_000 });
    await fixture.clock.advance(19_999);
    expect(poll.answer).toBeUndefined();
    await fixture.clock.advance(1);
    expect(idsOf(poll.answer)).toEqual([id]);
  });

  test("waits for the slot of a job that the rate of its queue holds back", async () => {
    const fixture = await started();
    await fixture.engine.queues.create("rated", { rateLimit: { count: 1, periodMs: 20_000 } });
    const ids = [await fixture.create({ queue: "rated" }), await fixture.create({ queue: "rated" })];
    expect(idsOf((await openPoll(fixture, { maxJobs: 2 })).answer)).toEqual(ids.slice(0, 1));
    const poll = await openPoll(fixture, { waitMs: 30_000 });
    await fixture.clock.advance(19_999);
    expect(poll.answer).toBeUndefined();
    await fixture.clock.advance(1);
    expect(idsOf(poll.answer)).toEqual(ids.slice(1));
  });

  test("is answered nothing when its time is over, at once when it does not wait", async () => {
    const fixture = await started();
    const poll = await openPoll(fixture, { waitMs: 5000 });
    expect((await openPoll(fixture, { waitMs: 0 })).answer).toEqual([]);
    await fixture.clock.advance(4999);
    expect(poll.answer).toBeUndefined();
    await fixture.clock.advance(1);
    expect(poll.answer).toEqual([]);
    const id = await fixture.create();
    expect(await fixture.status(id)).toBe("PENDING");
  });

  test("that does not wait is not held up by those who do", async () => {
    const fixture = await started();
    const waiting = await Promise.all(Array.from({ length: 5 }, () => openPoll(fixture)));
    await openStream(fixture, { maxInFlight: 5 });
    expect((await openPoll(fixture, { waitMs: 0 })).answer).toEqual([]);
    expect(waiting.map(({ answer }) => answer)).toEqual(waiting.map(() => undefined));
  });

  test("does not answer much more than 512 KiB of jobs", async () => {
    const fixture = await started();
    const payload = JSON.stringify("x".repeat(100_000));
    await fixture.engine.jobs.createBatch(Array.from({ length: 20 }, () => ({ type: "work", payload })));
    expect((await openPoll(fixture, { maxJobs: 20 })).answer).toHaveLength(6);
  });

  test("whose caller has left is leased nothing, and gives back what it was being leased", async () => {
    const fixture = await started();
    const gone = await openPoll(fixture);
    await gone.leave();
    const id = await fixture.create();
    expect(await fixture.status(id)).toBe("PENDING");
    let answer: (() => void) | undefined;
    fixture.faults.set("lease", async (run) => {
      const leases = await run();
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return leases;
    });
    const leaving = await openPoll(fixture);
    expect(await fixture.status(id)).toBe("RUNNING");
    await leaving.leave();
    answer?.();
    await settle();
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", deliveries: 1, retryCount: 0 });
  });

  test("is refused when the backend fails, and those behind it are served later", async () => {
    const fixture = await started();
    const [first, second] = [await openPoll(fixture), await openPoll(fixture)];
    fixture.faults.fail("lease");
    const id = await fixture.create();
    expect(second.error).toBeUndefined();
    expect(first.error).toMatchObject({ message: "lease: the backend is away" });
    fixture.faults.clear("lease");
    await fixture.clock.advance(250);
    expect(idsOf(second.answer)).toEqual([id]);
  });

  test("ends with SERVER_DRAINING when the server drains, as do new ones; settling goes on", async () => {
    const fixture = await started();
    const id = await fixture.create();
    const [lease] = (await openPoll(fixture)).answer ?? [];
    const poll = await openPoll(fixture);
    fixture.engine.remote.drain(1000);
    await settle();
    expect(poll.error).toMatchObject({ reason: "SERVER_DRAINING" });
    expect((await openPoll(fixture, { waitMs: 0 })).error).toMatchObject({ reason: "SERVER_DRAINING" });
    if (lease === undefined) throw new Error("no lease");
    expect(await complete(fixture, lease)).toEqual(["APPLIED"]);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("of a worker that stopped for longer than its lease leaves a completion that changes nothing", async () => {
    const fixture = await started();
    const id = await fixture.create();
    const [lease] = (await openPoll(fixture, { leaseMs: 1000 })).answer ?? [];
    if (lease === undefined) throw new Error("no lease");
    await fixture.clock.advance(1100);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 1 });
    expect(await complete(fixture, lease)).toEqual(["LEASE_LOST"]);
    const [again] = (await openPoll(fixture, { worker: "other" })).answer ?? [];
    expect(again?.job).toMatchObject({ id, deliveries: 2 });
    expect(await complete(fixture, lease)).toEqual(["LEASE_LOST"]);
    expect(await fixture.status(id)).toBe("RUNNING");
  });
});

describe("a worker that polls and lets its lease run out in silence", () => {
  test("is alive for its next poll, and is leased as much as any other", async () => {
    const fixture = await started();
    const request = { worker: "quiet", leaseMs: 1000, maxJobs: 2 };
    const first = await fixture.create();
    expect(idsOf((await openPoll(fixture, request)).answer)).toEqual([first]);
    await fixture.clock.advance(1100);
    const second = await fixture.create();
    expect(idsOf((await openPoll(fixture, request)).answer)).toEqual([first, second]);
    // It gets no more than it polls for.
    await fixture.clock.advance(1100);
    expect(await fixture.get(first)).toMatchObject({ status: "PENDING", lostLeases: 2, deliveries: 2 });
  });
});

describe("a poll with a request id", () => {
  test("that is repeated is answered the same leases, at once", async () => {
    const fixture = await started();
    const ids = [await fixture.create(), await fixture.create(), await fixture.create()];
    const first = await openPoll(fixture, { requestId: "r", maxJobs: 2 });
    await fixture.clock.advance(1000);
    const again = await openPoll(fixture, { requestId: "r", maxJobs: 2 });
    expect(again.answer?.map(({ token }) => token)).toEqual(first.answer?.map(({ token }) => token));
    expect(again.answer?.[0]?.expiresInMs).toBe(29_000);
    expect(await fixture.status(ids[2] ?? "")).toBe("PENDING");
  });

  test("is answered so although others wait and nothing is ready", async () => {
    const fixture = await started();
    await openStream(fixture, { worker: "idle", types: ["other"] });
    const waiting = await openPoll(fixture, { types: ["other"] });
    await fixture.create();
    const first = await openPoll(fixture, { requestId: "r" });
    const again = await openPoll(fixture, { requestId: "r", types: ["other"], waitMs: 60_000 });
    expect(again.answer).toEqual(first.answer);
    expect(waiting.answer).toBeUndefined();
  });

  test("takes the place of the call that it repeats, when that still waits", async () => {
    const fixture = await started();
    const lost = await openPoll(fixture, { requestId: "r" });
    const again = await openPoll(fixture, { requestId: "r" });
    expect(lost.answer).toEqual([]);
    const id = await fixture.create();
    expect(idsOf(again.answer)).toEqual([id]);
  });

  test("keeps what it was leased when its caller left, for the repeat", async () => {
    const fixture = await started();
    const id = await fixture.create();
    let answer: (() => void) | undefined;
    fixture.faults.set("lease", async (run) => {
      const leases = (await run()) as unknown[];
      if (leases.length > 0) {
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      }
      return leases;
    });
    const lost = await openPoll(fixture, { requestId: "r" });
    await lost.leave();
    fixture.faults.clear("lease");
    answer?.();
    await settle();
    expect(idsOf((await openPoll(fixture, { requestId: "r" })).answer)).toEqual([id]);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1 });
  });
});

describe("the worker operations", () => {
  test("name every bad field of a stream or poll", async () => {
    const { engine } = await started();
    const { signal } = new AbortController();
    const bad = { worker: "", queues: ["No"], types: ["", "ok", "x".repeat(129)], leaseMs: 999 };
    const poll = engine.remote.poll({ ...bad, maxJobs: 1001, waitMs: 60_001, requestId: "x".repeat(129) }, signal);
    expect(await rejection(poll)).toMatchObject({
      reason: "FIELD_INVALID",
      violations: ["maxJobs", "wait", "requestId", "worker", "lease", "queues[0]", "types[0]", "types[2]"].map(
        (field) => ({
          field,
        }),
      ),
    });
    const stream = engine.remote.stream({ ...WORKER, types: [], maxInFlight: 1001, leaseMs: 3_600_001 }, signal);
    expect(await rejection(stream.next())).toMatchObject({
      violations: [{ field: "maxInFlight" }, { field: "lease" }, { field: "types" }],
    });
    const queues = Array.from({ length: 101 }, () => "q");
    expect(await rejection(engine.remote.poll({ ...WORKER, queues, maxJobs: 1 }, signal))).toMatchObject({
      violations: [{ field: "queues" }],
    });
  });

  test("name a queue that does not exist, and know one that was made elsewhere a moment ago", async () => {
    const fixture = await started();
    const { signal } = new AbortController();
    const stream = fixture.engine.remote.stream({ ...WORKER, queues: ["default", "nowhere"], maxInFlight: 1 }, signal);
    expect(await rejection(stream.next())).toMatchObject({ reason: "QUEUE_NOT_FOUND", metadata: { queue: "nowhere" } });
    fixture.faults.set("queueNames", async () => [{ name: "default", weight: 1 }]);
    await fixture.engine.queues.create("new");
    fixture.faults.clear("queueNames");
    expect((await openPoll(fixture, { queues: ["new"], waitMs: 0 })).answer).toEqual([]);
  });

  test("refuse a batch of settlements whole, with every bad field", async () => {
    const { engine } = await started();
    const ref = { jobId: "1", token: "t" };
    const { remote } = engine;
    for (const call of [remote.complete([]), remote.fail([]), remote.extend([]), remote.release([])]) {
      expect(await rejection(call)).toMatchObject({ reason: "FIELD_INVALID" });
    }
    const many = Array.from({ length: 1001 }, () => ref);
    expect(await rejection(remote.release(many))).toMatchObject({ violations: [{ field: "releases" }] });
    const bad = { jobId: "x", token: "" };
    expect(
      await rejection(
        remote.complete([
          { ...ref, result: undefined },
          { ...bad, result: '"\\ud800"' },
        ]),
      ),
    ).toMatchObject({
      violations: [
        { field: "completions[1].jobId" },
        { field: "completions[1].leaseToken" },
        { field: "completions[1].result" },
      ],
    });
    expect(await rejection(remote.fail([{ ...ref, error: "", retry: { afterMs: -1 } }]))).toMatchObject({
      violations: [{ field: "failures[0].retryAfter" }],
    });
    const progress = { percent: Number.NaN, message: "" };
    expect(await rejection(remote.extend([{ ...ref, leaseMs: 1, progress }]))).toMatchObject({
      violations: [{ field: "extensions[0].extension" }, { field: "extensions[0].progress.percent" }],
    });
  });

  test("answer each item of a batch in its order, and a repeat harmlessly", async () => {
    const fixture = await started();
    for (let count = 0; count < 3; count++) await fixture.create();
    const leases = (await openPoll(fixture, { maxJobs: 3 })).answer ?? [];
    const [first, second, third] = leases;
    if (!first || !second || !third) throw new Error("no leases");
    await fixture.engine.jobs.cancel(second.job.id);
    const { remote } = fixture.engine;
    await remote.fail([{ jobId: second.job.id, token: second.token, error: "x", retry: "DEFAULT" }]);
    const items = [first, { ...third, token: "another" }, second, first].map(completion);
    expect((await remote.complete(items)).map(({ outcome }) => outcome)).toEqual([
      "APPLIED",
      "LEASE_LOST",
      "CANCELED",
      "ALREADY_APPLIED",
    ]);
  });

  test("cut the texts of failures and progress to what is kept", async () => {
    const fixture = await started();
    const id = await fixture.create();
    const [lease] = (await openPoll(fixture)).answer ?? [];
    if (lease === undefined) throw new Error("no lease");
    const ref = { jobId: id, token: lease.token };
    const { remote } = fixture.engine;
    const [extended] = await remote.extend([{ ...ref, progress: { percent: 50, message: "m".repeat(2000) } }]);
    expect(extended).toEqual({ outcome: "OK", expiresInMs: 30_000 });
    expect((await fixture.get(id)).progress).toEqual({ percent: 50, message: "m".repeat(1024) });
    await remote.fail([{ ...ref, error: `${"e".repeat(4095)}\ud800more`, retry: "NEVER" }]);
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: `${"e".repeat(4095)}\ufffd` });
  });
});
