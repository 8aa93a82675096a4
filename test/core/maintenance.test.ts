import { describe, expect, test } from "vitest";
import type { Observer } from "../../src/core/observer.js";
import { silentObserver } from "../../src/core/observer.js";
import { settle } from "../support/fake-clock.js";
import { deferred } from "./support/async.js";
import { started } from "./support/fixture.js";

describe("maintenance", () => {
  test("makes a delayed job ready exactly when it is due", async () => {
    const fixture = await started();
    await fixture.create({ delayMs: 1234 });
    await fixture.clock.advance(1233);
    expect((await fixture.engine.queues.get("default")).stats).toMatchObject({ ready: 0, scheduled: 1 });
    const ticks = fixture.faults.calls("tick");
    await fixture.clock.advance(1);
    expect(fixture.faults.calls("tick")).toBe(ticks + 1);
    expect((await fixture.engine.queues.get("default")).stats).toMatchObject({ ready: 1, scheduled: 0 });
  });

  test("comes sooner for something that is due sooner, and stays for what is due later", async () => {
    const fixture = await started();
    const ticks = () => fixture.faults.calls("tick");
    const before = ticks();
    await fixture.create({ delayMs: 5000 });
    await fixture.create({ delayMs: 1000 });
    await fixture.create({ delayMs: 9000 });
    await fixture.clock.advance(999);
    expect(ticks()).toBe(before);
    for (const wait of [1, 4000, 4000]) {
      const count = ticks();
      await fixture.clock.advance(wait);
      expect(ticks()).toBe(count + 1);
    }
  });

  test("keeps one timer, however many jobs wait", async () => {
    const fixture = await started({ numWorkers: 0 });
    const before = fixture.clock.timers;
    for (let count = 0; count < 20; count++) await fixture.create({ delayMs: 1000 + count });
    expect(fixture.clock.timers).toBe(before);
  });

  test("looks around every 30 s when nothing is known to be due", async () => {
    const fixture = await started();
    const before = fixture.faults.calls("tick");
    await fixture.clock.advance(29_999);
    expect(fixture.faults.calls("tick")).toBe(before);
    await fixture.clock.advance(1);
    expect(fixture.faults.calls("tick")).toBe(before + 1);
  });

  test("looks around every 30 s though nothing is due for long, as the wall clock may jump ahead", async () => {
    const fixture = await started();
    await fixture.create({ delayMs: 3_600_000 });
    const before = fixture.faults.calls("tick");
    await fixture.clock.advance(90_000);
    expect(fixture.faults.calls("tick")).toBe(before + 3);
  });

  test("ends a lease that ran out and tells the observer", async () => {
    const lost: unknown[] = [];
    const observer: Observer = { ...silentObserver, leaseLost: (...args) => lost.push(args) };
    const fixture = await started({ observer });
    const id = await fixture.create();
    await fixture.lease({ leaseMs: 5000 });
    await fixture.clock.advance(4999);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(1);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", lostLeases: 1, retryCount: 0 });
    expect(lost).toEqual([["default", "work", "PENDING"]]);
  });

  test("forgets finished jobs when their time is over", async () => {
    const fixture = await started({ memory: { completeJobTtlMs: 60_000 } });
    const id = await fixture.create();
    await fixture.engine.jobs.cancel(id);
    await fixture.clock.advance(59_000);
    expect(await fixture.status(id)).toBe("CANCELED");
    await fixture.clock.advance(2000);
    expect((await fixture.engine.jobs.list({})).jobs).toEqual([]);
  });

  test("tries again a second after the backend failed", async () => {
    const fixture = await started();
    await fixture.create({ delayMs: 1000 });
    fixture.faults.fail("tick");
    await fixture.clock.advance(3500);
    const failed = fixture.faults.calls("tick");
    fixture.faults.clear("tick");
    await fixture.clock.advance(499);
    expect((await fixture.engine.queues.get("default")).stats).toMatchObject({ ready: 1 });
    expect(fixture.faults.calls("tick")).toBe(failed);
    await fixture.clock.advance(1);
    expect(fixture.faults.calls("tick")).toBe(failed + 1);
  });

  test("waits for a tick that is slow instead of starting another, and looks again right after it", async () => {
    const fixture = await started({ numWorkers: 0 });
    const gate = deferred();
    fixture.faults.set("tick", async (run) => {
      const result = await run();
      await gate.promise;
      return result;
    });
    await fixture.create({ delayMs: 1000 });
    await fixture.clock.advance(1000);
    const calls = fixture.faults.calls("tick");
    await fixture.create({ delayMs: 100 });
    await fixture.clock.advance(100);
    await fixture.clock.advance(60_000);
    expect(fixture.faults.calls("tick")).toBe(calls);
    // It does not keep polling whether the tick is over, either.
    expect(fixture.clock.timers).toBe(0);
    fixture.faults.clear("tick");
    gate.resolve();
    await fixture.clock.advance(0);
    expect(fixture.faults.calls("tick")).toBe(calls + 1);
  });

  test("does nothing any more after it was stopped, also when it is stopped during a tick", async () => {
    const fixture = await started();
    const gate = deferred();
    await fixture.create({ delayMs: 1000 });
    fixture.faults.set("tick", async (run) => {
      await gate.promise;
      return run();
    });
    await fixture.clock.advance(1000);
    await fixture.engine.stop(0);
    gate.resolve();
    await settle();
    const ticks = fixture.faults.calls("tick");
    await fixture.clock.advance(120_000);
    expect(fixture.faults.calls("tick")).toBe(ticks);
    expect(fixture.clock.timers).toBe(0);
  });
});
