import { describe, expect, test } from "vitest";
import { silentObserver } from "../../../src/core/observer.js";
import { LeaseFetcher } from "../../../src/core/pool/lease-fetcher.js";
import { createJobLog } from "../../../src/core/work/job-log.js";
import { createLeasing, type Leasing } from "../../../src/core/work/leasing.js";
import { ReadyWork } from "../../../src/core/work/ready-work.js";
import { silentLogger } from "../../../src/model/log/logger.js";
import { noTracer } from "../../../src/model/log/tracer.js";
import { settle } from "../../support/fake-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { type Deferred, deferred } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

/** A fetcher for so many slots, on a backend with so many jobs. With `holds`, calls wait until the test answers them. */
async function pool(size: number, jobs: number, holds = true) {
  const fixture = new Fixture();
  const work = new ReadyWork(fixture.clock, "round-robin");
  work.update([{ name: "default", weight: 1 }]);
  const calls: number[] = [];
  const gates: Deferred<void>[] = [];
  const real = createLeasing({
    backend: fixture.backend,
    observer: silentObserver,
    random: () => 0,
    log: createJobLog(silentLogger),
    tracer: noTracer,
  });
  const leasing: Leasing = {
    ...real,
    async lease(request) {
      calls.push(request.max);
      expect(request.maxBytes).toBe(4 * 2 ** 20);
      if (holds) {
        const gate = deferred();
        gates.push(gate);
        await gate.promise;
      }
      return real.lease(request);
    },
  };
  const state = { free: size, run: 0 };
  const logger = recordingLogger();
  const fetcher: LeaseFetcher = new LeaseFetcher(
    {
      ...{ leasing, logger, clock: fixture.clock },
      lane: work.lane(new Set(), ["work"], () => fetcher.wake()),
      freeSlots: () => state.free,
      run: () => {
        state.free--;
        state.run++;
      },
    },
    { size, types: ["work"], leaseMs: 30_000, worker: "pool" },
  );
  const create = async (count: number) => {
    if (count === 0) return;
    await fixture.engine.jobs.createBatch(Array.from({ length: count }, () => ({ type: "work" })));
    work.mark("default", ["work"]);
  };
  await create(jobs);
  return {
    ...{ fixture, fetcher, work, state, logger, create },
    /** How many jobs were asked for, in each call since this was asked last. */
    asked: () => calls.splice(0),
    /** Answers the oldest call that waits. */
    async answer(error?: Error) {
      const gate = gates.shift();
      if (error === undefined) gate?.resolve();
      else gate?.reject(error);
      await settle();
    },
  };
}

describe("a pool that fetches jobs", () => {
  test("asks for nothing before it is opened, and while no slot is free", async () => {
    const { fetcher, state, asked } = await pool(10, 0);
    fetcher.wake();
    expect(asked()).toEqual([]);
    state.free = 0;
    fetcher.open();
    expect(asked()).toEqual([]);
  });

  test("asks once for all free slots, whatever wakes it meanwhile", async () => {
    const { fetcher, state, asked, answer } = await pool(10, 3);
    state.free = 8;
    fetcher.open();
    fetcher.wake();
    state.free = 10;
    fetcher.wake();
    expect(asked()).toEqual([8]);
    await answer();
    expect(state.run).toBe(3);
  });

  test("asks again for what came during a call, and not when nothing did", async () => {
    const { fetcher, state, asked, answer, create } = await pool(10, 0);
    fetcher.open();
    fetcher.wake();
    expect(asked()).toEqual([]);
    await create(1);
    expect(asked()).toEqual([10]);
    await create(1);
    await answer();
    expect(state.run).toBe(2);
    expect(asked()).toEqual([8]);
    await answer();
    expect(asked()).toEqual([]);
    await fetcher.idle();
  });

  test("with more jobs than slots makes two calls, of half the slots at most and never more than are free", async () => {
    const { fetcher, state, asked, answer } = await pool(10, 1000);
    fetcher.open();
    await answer();
    expect(state.run).toBe(10);
    // Once the queue has given all that was asked for twice in a row.
    state.free = 4;
    fetcher.wake();
    await answer();
    expect(asked()).toEqual([10, 4]);
    state.free = 6;
    for (let wakes = 0; wakes < 4; wakes++) fetcher.wake();
    expect(asked()).toEqual([5, 1]);
    state.free = 10;
    fetcher.wake();
    expect(asked()).toEqual([]);
    state.free = 6;
    await answer();
    await answer();
    expect(state).toMatchObject({ run: 20, free: 0 });
    state.free = 10;
    for (let wakes = 0; wakes < 4; wakes++) fetcher.wake();
    expect(asked()).toEqual([5, 5]);
  });

  test("makes one call again, for all free slots, when there are fewer jobs", async () => {
    const { fetcher, state, asked, answer, create } = await pool(10, 12);
    fetcher.open();
    await answer();
    state.free = 10;
    fetcher.wake();
    await answer();
    expect(state.run).toBe(12);
    expect(asked()).toEqual([10, 5]);
    await create(1);
    fetcher.wake();
    expect(asked()).toEqual([8]);
  });

  test("lets other things happen after every 250 jobs", async () => {
    const { fetcher, state } = await pool(50, 1000, false);
    // Handlers that end at once.
    Object.defineProperty(state, "free", { get: () => 50, set: () => {} });
    fetcher.open();
    const turns: number[] = [];
    for (let turn = 0; turn < 4; turn++) {
      for (let count = 0; count < 1000; count++) await Promise.resolve();
      turns.push(state.run);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    fetcher.close();
    await fetcher.idle();
    expect(turns).toEqual([250, 500, 750, 1000]);
  });

  test("lets other things happen after as many calls of a job each, too", async () => {
    const { fetcher, state, create } = await pool(1, 0, false);
    let isFree = true;
    let run = 0;
    // A handler that ends at once, as each of its jobs makes the next one.
    Object.defineProperty(state, "free", { get: () => Number(isFree), set: () => {} });
    Object.defineProperty(state, "run", {
      get: () => run,
      set: () => {
        run++;
        isFree = false;
        if (run < 5000)
          void create(1).then(() => {
            isFree = true;
            fetcher.wake();
          });
      },
    });
    fetcher.open();
    await create(1);
    fetcher.wake();
    let most = 0;
    for (let turn = 0; turn < 4; turn++) {
      const before = run;
      for (let count = 0; count < 20_000; count++) await Promise.resolve();
      most = Math.max(most, run - before);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    fetcher.close();
    await fetcher.idle();
    expect(run).toBeGreaterThan(500);
    // Some that come in the moment between two turns count for either.
    expect(most).toBeLessThan(300);
  });

  test("lets other things happen when its jobs take their time", async () => {
    const { fixture, fetcher, state } = await pool(2, 1000, false);
    // Handlers that compute for 5 ms, and end at once.
    let run = 0;
    const stands = fixture.clock.monotonic();
    fixture.clock.monotonic = () => stands + run * 5;
    Object.defineProperty(state, "free", { get: () => 2, set: () => {} });
    Object.defineProperty(state, "run", { get: () => run, set: (value) => (run = value) });
    fetcher.open();
    let most = 0;
    for (let turn = 0; turn < 10; turn++) {
      const before = run;
      for (let count = 0; count < 1000; count++) await Promise.resolve();
      most = Math.max(most, run - before);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    fetcher.close();
    await fetcher.idle();
    expect(run).toBeGreaterThan(10);
    // Not more than 50 ms.
    expect(most).toBeLessThanOrEqual(10);
  });

  test("runs the jobs of a call that was under way when it was closed, and asks for no more", async () => {
    const { fetcher, state, asked, answer } = await pool(10, 1000);
    fetcher.open();
    fetcher.close();
    await answer();
    expect(state.run).toBe(10);
    state.free = 10;
    fetcher.wake();
    expect(asked()).toEqual([10]);
  });

  test("tries again 250 ms after a call that failed, and says why in the log", async () => {
    const { fixture, fetcher, state, logger, asked, answer } = await pool(10, 1);
    fetcher.open();
    const err = new Error("away");
    await answer(err);
    expect(logger.lines).toMatchObject([{ level: "warn", fields: { err } }]);
    await fixture.clock.advance(249);
    expect(asked()).toEqual([10]);
    await fixture.clock.advance(1);
    expect(asked()).toEqual([10]);
    await answer();
    expect(state.run).toBe(1);
  });

  test("does not try again once it is closed, before the call failed or after", async () => {
    for (const isBefore of [true, false]) {
      const { fixture, fetcher, work, asked, answer } = await pool(10, 1);
      fetcher.open();
      if (isBefore) fetcher.close();
      await answer(new Error("away"));
      if (!isBefore) fetcher.close();
      work.close();
      expect(fixture.clock.timers).toBe(0);
      await fixture.clock.advance(1000);
      expect(asked()).toEqual([10]);
    }
  });
});
