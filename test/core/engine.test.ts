import { describe, expect, test } from "vitest";
import type { WorkerInfo } from "../../src/core/remote/worker-info.js";
import type { HandlerContext } from "../../src/model/handler/handler.js";
import { QueuePatterns } from "../../src/model/queue/queue-patterns.js";
import { settle } from "../support/fake-clock.js";
import { deferred, rejection } from "./support/async.js";
import type { Fault } from "./support/faults.js";
import { Fixture, running } from "./support/fixture.js";
import { abortReason, ManualHandler, untilAborted } from "./support/manual-handler.js";
import { openPoll, openStream } from "./support/remote.js";
import { watch } from "./support/watch-job.js";

const draining = expect.objectContaining({ reason: "SERVER_DRAINING" });

/** What an engine does with its backend while it runs. */
const OPERATIONS = [
  ...(["enqueue", "lease", "complete", "fail", "release", "extend", "get", "list", "read", "head", "tick"] as const),
  ...(["queues", "queueNames", "fireSchedule", "countReady"] as const),
];

/** Starts a stop without waiting for it, and observes it. */
function stopping(fixture: Fixture, timeoutMs: number) {
  const state = { done: false };
  void fixture.engine.stop(timeoutMs).then(() => {
    state.done = true;
  });
  return state;
}

describe("start", () => {
  test("nothing runs before it", async () => {
    const manual = new ManualHandler();
    const fixture = new Fixture({ handlers: { work: manual.handler } });
    await fixture.create();
    await fixture.clock.advance(60_000);
    expect(manual.runs).toHaveLength(0);
    await fixture.engine.start();
    await settle();
    expect(manual.runs).toHaveLength(1);
  });

  test("serves the queues that have jobs though the backend cannot tell all queues", async () => {
    const fixture = new Fixture({ handlers: { work: () => 1 } });
    fixture.faults.fail("queueNames");
    await fixture.engine.start();
    const id = await fixture.create();
    await settle();
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("serves a new queue in the end though the backend could not tell it at first", async () => {
    const fixture = await running(() => 1);
    fixture.faults.fail("queueNames");
    await fixture.engine.queues.create("fresh");
    await settle();
    fixture.faults.clear("queueNames");
    const id = await fixture.create({ queue: "fresh" });
    await fixture.clock.advance(1000);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("learns of every queue, whatever moment another one was created at", async () => {
    const fixture = await running(() => 1);
    for (let turns = 0; turns < 20; turns++) {
      void fixture.engine.queues.create(`first-${turns}`);
      for (let turn = 0; turn < turns; turn++) await null;
      await fixture.engine.queues.create(`second-${turns}`);
      const id = await fixture.create({ queue: `second-${turns}` });
      await settle();
      expect(await fixture.status(id), `after ${turns} turns`).toBe("DONE");
    }
  });

  test("that is overtaken by a stop begins nothing", async () => {
    const fixture = new Fixture({ handlers: { work: () => 1 } });
    const gate = deferred();
    fixture.faults.set("queueNames", async (run) => {
      await gate.promise;
      return run();
    });
    const id = await fixture.create();
    const starting = fixture.engine.start();
    await settle();
    await fixture.engine.stop(1000);
    gate.resolve();
    await starting;
    await fixture.clock.advance(60_000);
    expect(await fixture.status(id)).toBe("PENDING");
    expect(fixture.clock.timers).toBe(0);
    expect(fixture.faults.calls("tick")).toBe(0);
  });

  test("that fails says so", async () => {
    const fixture = new Fixture();
    fixture.faults.fail("start");
    expect(await rejection(fixture.engine.start())).toEqual(new Error("start: the backend is away"));
  });
});

describe("stop", () => {
  test("of an engine that does nothing is immediate and leaves no timer", async () => {
    const fixture = await running(() => 1);
    await fixture.create();
    await fixture.engine.stop(10_000);
    expect(fixture.clock.timers).toBe(0);
    expect(fixture.faults.calls("stop")).toBe(1);
  });

  test("leaves no timer when the queues could not be read before it", async () => {
    const fixture = await running(() => 1);
    fixture.faults.fail("queues");
    await fixture.engine.queues.create("fresh");
    await settle();
    await fixture.engine.stop(0);
    expect(fixture.clock.timers).toBe(0);
  });

  test.each(["fails", "does not answer"])("of one whose backend %s leaves nothing that goes on", async (how) => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 2 });
    const { engine, faults, clock } = fixture;
    const ended = await fixture.create();
    await fixture.create();
    await watch(fixture, ended);
    await openStream(fixture, { maxInFlight: 2, types: ["remote"] });
    await fixture.create({ type: "remote" });
    await openPoll(fixture, { types: ["other"] });
    const request = { name: "often", everyMs: 1000, job: { type: "work" } };
    await engine.schedules.create(request, undefined, "schedule.");
    const waiting: ((error: Error) => void)[] = [];
    const unanswered: Fault = () => new Promise((_resolve, reject) => waiting.push(reject));
    for (const operation of OPERATIONS) {
      if (how === "fails") faults.fail(operation);
      else faults.set(operation, unanswered);
    }
    await manual.run(0).returns(1);
    void rejection(engine.jobs.create({ type: "work" }));
    await clock.advance(1500);
    const state = stopping(fixture, 1000);
    await clock.advance(20_000);
    expect(state.done).toBe(true);
    for (const fail of waiting) fail(new Error("the backend was stopped"));
    await settle();
    const calls = () => OPERATIONS.reduce((sum, operation) => sum + faults.calls(operation), 0);
    const before = calls();
    expect(clock.timers).toBe(0);
    await clock.advance(60_000);
    expect(calls()).toBe(before);
  });

  test("waits for the handlers that run and takes no more jobs", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 2 });
    const ids = [];
    for (let count = 0; count < 3; count++) ids.push(await fixture.create());
    const stop = stopping(fixture, 10_000);
    await fixture.clock.advance(5000);
    expect(stop.done).toBe(false);
    expect(manual.runs.map(abortReason)).toEqual([undefined, undefined]);
    await manual.run(0).returns(1);
    await fixture.clock.advance(4000);
    expect(stop.done).toBe(false);
    await manual.run(1).throws(new Error("x"));
    expect(stop.done).toBe(true);
    const jobs = await Promise.all(ids.map((id) => fixture.get(id)));
    expect(jobs.map(({ status, retryCount, deliveries }) => [status, retryCount, deliveries])).toEqual([
      ["DONE", 0, 1],
      ["PENDING", 1, 1],
      ["PENDING", 0, 0],
    ]);
  });

  test("keeps the leases of the handlers it waits for", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    const id = await fixture.create();
    const stop = stopping(fixture, 60_000);
    await fixture.clock.advance(30_000);
    expect(fixture.faults.calls("extend")).toBe(30);
    await manual.run().returns();
    expect(stop.done).toBe(true);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", lostLeases: 0 });
    expect(fixture.clock.timers).toBe(0);
  });

  test("aborts what still runs after the time given, and gives it back with no retry used", async () => {
    const reasons: unknown[] = [];
    const fixture = await running(
      (job, context) =>
        untilAborted(job, context).catch((error) => {
          reasons.push(error.reason);
          throw error;
        }),
      { numWorkers: 3 },
    );
    const ids = [];
    for (let count = 0; count < 3; count++) ids.push(await fixture.create());
    const stop = stopping(fixture, 1000);
    await fixture.clock.advance(999);
    expect(reasons).toEqual([]);
    await fixture.clock.advance(1);
    expect(stop.done).toBe(true);
    expect(reasons).toEqual(["SHUTDOWN", "SHUTDOWN", "SHUTDOWN"]);
    for (const id of ids) {
      expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 0, error: "" });
    }
    expect((await fixture.backend.queues()).map(({ stats }) => stats.running)).toEqual([0]);
  });

  test("gives back the job of a handler that ignores the abort too", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    const stop = stopping(fixture, 1000);
    await fixture.clock.advance(1000);
    expect(abortReason(manual.run())).toBe("SHUTDOWN");
    expect(stop.done).toBe(false);
    await fixture.clock.advance(500);
    expect(stop.done).toBe(true);
    expect(fixture.engine.activeWorkers).toBe(0);
    const before = await fixture.get(id);
    expect(before).toMatchObject({ status: "PENDING", retryCount: 0 });
    await manual.run().returns("late");
    expect(await fixture.get(id)).toEqual(before);
    expect(fixture.clock.timers).toBe(0);
  });

  test("keeps what a handler returns when it is aborted", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    const stop = stopping(fixture, 1000);
    await fixture.clock.advance(1000);
    await manual.run().returns("saved");
    expect(stop.done).toBe(true);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: '"saved"' });
  });

  test("aborts at once when no time is given", async () => {
    const fixture = await running(untilAborted);
    const id = await fixture.create();
    const stop = stopping(fixture, 0);
    await fixture.clock.advance(0);
    expect(stop.done).toBe(true);
    expect(await fixture.status(id)).toBe("PENDING");
  });

  test("finishes a cancel that its handler ignored", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    await fixture.engine.jobs.cancel(id);
    stopping(fixture, 1000);
    await fixture.clock.advance(1500);
    expect(await fixture.status(id)).toBe("CANCELED");
  });

  test("gives back jobs whose lease arrives while it stops", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const gate = deferred();
    fixture.faults.set("lease", async (run) => {
      const leases = await run();
      await gate.promise;
      return leases;
    });
    const id = await fixture.create();
    expect(await fixture.status(id)).toBe("RUNNING");
    const stop = stopping(fixture, 10_000);
    await settle();
    expect(stop.done).toBe(false);
    gate.resolve();
    await settle();
    expect(stop.done).toBe(true);
    expect(manual.runs).toHaveLength(0);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 0 });
  });

  test("does not begin again with a lease that failed before it", async () => {
    const fixture = await running(() => 1);
    fixture.faults.fail("lease");
    const id = await fixture.create();
    await fixture.engine.stop(1000);
    expect(fixture.clock.timers).toBe(0);
    fixture.faults.clear("lease");
    await fixture.clock.advance(10_000);
    expect(await fixture.status(id)).toBe("PENDING");
  });

  test("does it all once, however often it is asked", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    await fixture.create();
    const first = fixture.engine.stop(1000);
    const second = fixture.engine.stop(50_000);
    expect(second).toBe(first);
    await fixture.clock.advance(1500);
    await first;
    await fixture.engine.stop(0);
    expect(fixture.faults.calls("stop")).toBe(1);
    expect(fixture.faults.calls("release")).toBe(1);
  });

  test("works on an engine that was never started", async () => {
    const fixture = new Fixture({ handlers: { work: () => 1 } });
    await fixture.engine.stop(1000);
    expect(await rejection(fixture.engine.jobs.create({ type: "work" }))).toEqual(draining);
  });

  test("refuses new jobs from its beginning on", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    stopping(fixture, 1000);
    expect(await rejection(fixture.engine.jobs.create({ type: "work" }))).toEqual(draining);
    expect(await rejection(fixture.engine.jobs.createBatch([{ type: "work" }]))).toEqual(draining);
    expect((await fixture.get(id)).status).toBe("RUNNING");
    await manual.run().returns();
    expect(await rejection(fixture.engine.jobs.create({ type: "work" }))).toEqual(draining);
  });

  test("takes jobs of handlers that finish meanwhile, and none once they have", async () => {
    let context: HandlerContext | undefined;
    let returns = () => {};
    const fixture = await running((_, given) => {
      context = given;
      return new Promise<void>((resolve) => {
        returns = resolve;
      });
    });
    await fixture.create();
    const stop = stopping(fixture, 1000);
    const made = await context?.enqueue({ type: "next", payload: { n: 1 } });
    expect(await fixture.get(made?.id ?? "")).toMatchObject({ type: "next", status: "PENDING", payload: '{"n":1}' });
    returns();
    await settle();
    expect(stop.done).toBe(true);
    expect(await rejection(context?.enqueue({ type: "next" }) as Promise<unknown>)).toEqual(draining);
  });

  test("still ends leases and obeys cancels while it waits", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    const stop = stopping(fixture, 10_000);
    await settle();
    await fixture.engine.jobs.cancel(id);
    expect(abortReason(manual.run())).toBe("CANCELED");
    await manual.run().throws(new Error("stopped"));
    expect(stop.done).toBe(true);
    expect(await fixture.status(id)).toBe("CANCELED");
  });
});

test("the workers of other processes of the server are told, and of them as well only what somebody may see", async () => {
  const elsewhere = (id: string, queue: string): WorkerInfo => ({
    ...{ id, name: id, kind: "STREAM", queues: [queue], types: ["work"], capacity: 1, leaseMs: 1000, since: 0 },
    jobIds: [`1@${queue}`],
  });
  const otherWorkers = async () => [elsewhere("7", "mail"), elsewhere("8", "other")];
  const { engine } = new Fixture({ handlers: { work: () => 1 }, poolId: "3", otherWorkers });
  expect(engine.workers().map(({ id }) => id)).toEqual(["3"]);
  expect((await engine.allWorkers()).map(({ id }) => id)).toEqual(["3", "7", "8"]);
  const seen = await engine.within(new QueuePatterns(["mail"])).allWorkers();
  expect(seen.map(({ id, jobIds }) => [id, jobIds])).toEqual([
    ["3", []],
    ["7", ["1@mail"]],
  ]);
});
