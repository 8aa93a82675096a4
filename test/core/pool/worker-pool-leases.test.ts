import { describe, expect, test } from "vitest";
import type { Lease, LeaseRequest } from "../../../src/core/port/leases.js";
import { settle } from "../../support/fake-clock.js";
import { deferred } from "../support/async.js";
import { running, started } from "../support/fixture.js";
import { abortReason, ManualHandler } from "../support/manual-handler.js";

describe("the lease of a running job", () => {
  test("is kept as long as the handler runs, so that nobody else gets the job", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    const id = await fixture.create();
    for (let second = 0; second < 60; second++) {
      await fixture.clock.advance(1000);
      expect(await fixture.lease()).toEqual([]);
    }
    expect(manual.runs).toHaveLength(1);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1, lostLeases: 0 });
    await manual.run().returns();
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("is kept whenever it began between two heartbeats", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000, numWorkers: 40 });
    for (let count = 0; count < 30; count++) {
      await fixture.create();
      await fixture.clock.advance(100);
    }
    await fixture.clock.advance(20_000);
    expect(manual.runs).toHaveLength(30);
    expect(fixture.engine.activeWorkers).toBe(30);
  });

  test("is kept when the pool was idle for long before", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    await fixture.clock.advance(60_000);
    const id = await fixture.create();
    await fixture.clock.advance(30_000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1, lostLeases: 0 });
    // Every third of its length, not only when it is about to end.
    expect(fixture.faults.calls("extend")).toBe(30);
  });

  test("is extended together with the others, a third of its length after the last time", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000, numWorkers: 10 });
    await fixture.engine.jobs.createBatch(Array.from({ length: 10 }, () => ({ type: "work" })));
    await fixture.clock.advance(10_000);
    expect(fixture.faults.calls("extend")).toBe(10);
  });

  test("is extended sooner when its answer came late", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    // The lease has run for 800 ms when it comes here.
    fixture.faults.set("lease", async (run) => {
      const leases = (await run()) as readonly Lease[];
      return leases.map((each) => ({ ...each, expiresInMs: each.expiresInMs - 800 }));
    });
    await fixture.clock.advance(700);
    await fixture.create();
    await fixture.clock.advance(300);
    expect(fixture.faults.calls("extend")).toBe(1);
  });

  test("is not extended while nothing runs", async () => {
    const fixture = await running(() => 1, { leaseMs: 3000 });
    await fixture.create();
    await fixture.clock.advance(60_000);
    expect(fixture.faults.calls("extend")).toBe(0);
  });

  test("survives a backend that is away for less than its length", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 9000 });
    const id = await fixture.create();
    await fixture.clock.advance(3000);
    fixture.faults.fail("extend", "tick");
    await fixture.clock.advance(5500);
    fixture.faults.clear("extend", "tick");
    await fixture.clock.advance(60_000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1, lostLeases: 0 });
  });

  test("is extended first when the process was stalled for longer than its length", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    const id = await fixture.create();
    // As after a stall: the lease has expired by the clock, but nobody has ended it.
    fixture.faults.fail("extend");
    await fixture.clock.advance(3500);
    fixture.faults.clear("extend");
    await fixture.clock.advance(3000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 1, lostLeases: 0 });
  });
});

describe("a lease that is lost", () => {
  test("aborts the handler; its late outcome changes nothing", async () => {
    for (const how of ["returns", "throws"] as const) {
      const manual = new ManualHandler();
      const fixture = await running(manual.handler, { leaseMs: 3000, numWorkers: 1 });
      const id = await fixture.create();
      // The pool cannot reach the backend; another server ends the lease and leases the job to its own worker.
      fixture.faults.fail("extend", "lease");
      await fixture.clock.advance(3000);
      await fixture.backend.tick();
      await settle();
      expect(abortReason(manual.run())).toBe("LEASE_LOST");
      expect(fixture.engine.activeWorkers).toBe(0);
      fixture.faults.clear("extend", "lease");
      const [theirs] = await fixture.lease();
      expect(theirs?.job).toMatchObject({ id, deliveries: 2, lostLeases: 1, retryCount: 0 });
      const before = await fixture.get(id);
      await manual.run()[how](new Error("late"));
      await fixture.clock.advance(1000);
      expect(await fixture.get(id)).toEqual(before);
      const settled = await fixture.backend.complete([{ jobId: id, token: theirs?.token ?? "", result: '"theirs"' }]);
      expect(settled[0]?.outcome).toBe("APPLIED");
      expect((await fixture.get(id)).result).toBe('"theirs"');
    }
  });

  test("is noticed by the next heartbeat when the notice is late", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000, numWorkers: 1 });
    const id = await fixture.create();
    fixture.faults.holdChanges();
    await fixture.engine.queues.pause("default");
    fixture.faults.fail("extend");
    await fixture.clock.advance(3000);
    await fixture.backend.tick();
    expect(abortReason(manual.run())).toBeUndefined();
    fixture.faults.clear("extend");
    await fixture.clock.advance(1000);
    expect(abortReason(manual.run())).toBe("LEASE_LOST");
    expect(fixture.engine.activeWorkers).toBe(0);
    expect(await fixture.status(id)).toBe("PENDING");
  });

  test("is noticed by a progress report when the notice is late", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    const id = await fixture.create();
    fixture.faults.holdChanges();
    await fixture.engine.jobs.cancel(id);
    await fixture.clock.advance(3000);
    expect(await fixture.status(id)).toBe("CANCELED");
    manual.run().context.progress(50);
    await settle();
    expect(fixture.engine.activeWorkers).toBe(0);
  });

  test("frees the slot when the queue is deleted under the job", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1 });
    await fixture.engine.queues.create("gone");
    await fixture.create({ queue: "gone" });
    const next = await fixture.create();
    await fixture.engine.queues.remove("gone", true);
    await settle();
    expect(abortReason(manual.run())).toBe("LEASE_LOST");
    expect(await fixture.status(next)).toBe("RUNNING");
  });

  test("is not mistaken for the next one of the same job in the same pool", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000, numWorkers: 2 });
    const id = await fixture.create();
    // The pool leases the job again before it was told that it had lost it.
    fixture.faults.holdChanges();
    fixture.faults.fail("extend");
    await fixture.clock.advance(3000);
    await fixture.backend.tick();
    await settle();
    fixture.faults.clear("extend");
    expect(manual.runs).toHaveLength(2);
    expect(abortReason(manual.run(0))).toBe("LEASE_LOST");
    expect(fixture.engine.activeWorkers).toBe(1);
    fixture.faults.releaseChanges();
    await manual.run(0).returns("first");
    expect(abortReason(manual.run(1))).toBeUndefined();
    expect(fixture.engine.activeWorkers).toBe(1);
    await fixture.clock.advance(10_000);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 2 });
    await manual.run(1).returns("second");
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: '"second"', deliveries: 2 });
  });

  test("of an earlier delivery does not abort the present one", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    fixture.faults.holdChanges();
    const id = await fixture.create({ backoff: { baseDelayMs: 0 } });
    await manual.run(0).throws(new Error("x"));
    await fixture.clock.advance(0);
    expect(manual.runs).toHaveLength(2);
    fixture.faults.releaseChanges();
    expect(abortReason(manual.run(1))).toBeUndefined();
    await manual.run(1).returns();
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", deliveries: 2 });
  });

  test("too often kills a poison job", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 1000, memory: { maxLostLeases: 2 } });
    const id = await fixture.create();
    for (let count = 0; count < 3; count++) {
      fixture.faults.fail("extend");
      await fixture.clock.advance(1000);
      await fixture.backend.tick();
      fixture.faults.clear("extend");
      await settle();
    }
    expect(manual.runs).toHaveLength(3);
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", lostLeases: 3, retryCount: 0 });
    expect(fixture.engine.activeWorkers).toBe(0);
  });
});

describe("when no job can be leased", () => {
  test("the pool tries again until the backend is back", async () => {
    const fixture = await running(() => 1);
    fixture.faults.fail("lease");
    const id = await fixture.create();
    await fixture.clock.advance(5000);
    expect(await fixture.status(id)).toBe("PENDING");
    expect(fixture.faults.calls("lease")).toBeLessThan(30);
    fixture.faults.clear("lease");
    await fixture.clock.advance(250);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("the pool tries no more often for every job that comes meanwhile", async () => {
    const fixture = await running(() => 1);
    fixture.faults.fail("lease");
    for (let count = 0; count < 40; count++) await fixture.create();
    const calls = fixture.faults.calls("lease");
    await fixture.clock.advance(1000);
    expect(fixture.faults.calls("lease") - calls).toBe(4);
  });

  test("a new job is tried at once, not only after the wait", async () => {
    const fixture = await running(() => 1);
    fixture.faults.fail("lease");
    const first = await fixture.create();
    fixture.faults.clear("lease");
    const second = await fixture.create();
    expect([await fixture.status(first), await fixture.status(second)]).toEqual(["DONE", "DONE"]);
  });

  test("a queue that does not answer stalls no other, and what it gives late is run or given back", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 2 });
    const gate = deferred();
    fixture.faults.set("lease", async (run, args) => {
      const leases = await run();
      if ((args[0] as LeaseRequest).queues.includes("silent")) await gate.promise;
      return leases;
    });
    await fixture.engine.queues.create("silent");
    await fixture.engine.jobs.createBatch([
      { type: "work", queue: "silent" },
      { type: "work", queue: "silent" },
    ]);
    await settle();
    const first = await fixture.create();
    await fixture.clock.advance(250);
    expect(await fixture.status(first)).toBe("RUNNING");
    expect(manual.runs).toHaveLength(1);
    gate.resolve();
    await settle();
    // One slot was free: of two jobs one runs here, the other is there for others.
    expect(manual.runs).toHaveLength(2);
    expect(await fixture.lease({ queue: "silent" })).toHaveLength(1);
  });

  test("a job that becomes ready while an empty answer is under way is not overlooked", async () => {
    const gate = deferred();
    const fixture = await started({ handlers: { work: () => 1 } });
    let isFirst = true;
    fixture.faults.set("lease", async (run) => {
      // Somebody else was faster.
      if (isFirst) await fixture.backend.purge("default");
      isFirst = false;
      const answer = await run();
      await gate.promise;
      return answer;
    });
    await fixture.create();
    const id = await fixture.create();
    expect(await fixture.status(id)).toBe("PENDING");
    gate.resolve();
    await settle();
    expect(await fixture.status(id)).toBe("DONE");
  });
});
