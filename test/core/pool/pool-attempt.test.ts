import { describe, expect, test } from "vitest";
import type { Change } from "../../../src/core/port/changes.js";
import { settle } from "../../support/fake-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { type Fixture, running } from "../support/fixture.js";
import { abortReason, ManualHandler, untilAborted } from "../support/manual-handler.js";

/** Returns the changes of a job from the change log, oldest first. */
async function changesOf({ backend }: Fixture, id: string): Promise<Change[]> {
  const first = (await backend.head()).replace(/\d+$/, "0");
  const page = await backend.read(first, 10_000, {});
  return page.entries.map(({ change }) => change).filter(({ jobId }) => jobId === id);
}

async function statusesOf(fixture: Fixture, id: string): Promise<string[]> {
  return (await changesOf(fixture, id)).map(({ status }) => status);
}

describe("a timeout", () => {
  test("fails the attempt at once, and frees the slot when the handler ends", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1 });
    const id = await fixture.create({ timeoutMs: 500, maxRetries: 0 });
    const next = await fixture.create();
    await fixture.clock.advance(499);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(1);
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "timed out after 500 ms" });
    expect(await statusesOf(fixture, id)).toEqual(["PENDING", "RUNNING", "FAILED", "DEAD"]);
    expect(abortReason(manual.run())).toBe("TIMEOUT");
    expect(await fixture.status(next)).toBe("PENDING");
    await manual.run().returns();
    expect(await fixture.status(next)).toBe("RUNNING");
    expect(fixture.engine.activeWorkers).toBe(1);
  });

  test("frees the slot five seconds later when the handler never ends", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1 });
    await fixture.create({ timeoutMs: 500, maxRetries: 0 });
    const next = await fixture.create();
    await fixture.clock.advance(5499);
    expect(await fixture.status(next)).toBe("PENDING");
    await fixture.clock.advance(1);
    expect(await fixture.status(next)).toBe("RUNNING");
    await manual.run(0).returns();
    expect(fixture.engine.activeWorkers).toBe(1);
  });

  test("uses a retry, and the next attempt has the whole time again", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1 });
    const id = await fixture.create({ timeoutMs: 500, backoff: { baseDelayMs: 100 } });
    await fixture.clock.advance(500);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 1 });
    await manual.run(0).throws(new Error("stopped"));
    await fixture.clock.advance(100 + 499);
    expect(await fixture.status(id)).toBe("RUNNING");
    await manual.run(1).returns("in time");
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: '"in time"' });
  });

  test.each(["returns", "throws"] as const)("has the last word when the handler %s later", async (how) => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create({ timeoutMs: 500, maxRetries: 0 });
    await fixture.clock.advance(500);
    const before = await fixture.get(id);
    await manual.run()[how](new Error("late"));
    expect(await fixture.get(id)).toEqual(before);
  });

  test("does nothing to an attempt that ended in time, and leaves no timer", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const timers = fixture.clock.timers;
    const id = await fixture.create({ timeoutMs: 500 });
    expect(fixture.clock.timers).toBe(timers + 1);
    await manual.run().returns();
    expect(fixture.clock.timers).toBe(timers);
    await fixture.clock.advance(1000);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("counts as one even when the handler reacts to the abort first", async () => {
    const fixture = await running(untilAborted);
    const id = await fixture.create({ timeoutMs: 500, maxRetries: 0 });
    await fixture.clock.advance(500);
    expect((await fixture.get(id)).error).toBe("timed out after 500 ms");
  });
});

describe("a cancel", () => {
  test("aborts the signal, and a handler that throws then is cancelled", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    const { signal } = manual.run().context;
    await fixture.engine.jobs.cancel(id);
    expect(abortReason(manual.run())).toBe("CANCELED");
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", cancelRequested: true });
    await manual.run().throws(signal.reason);
    expect(await fixture.get(id)).toMatchObject({ status: "CANCELED", cancelRequested: false, retryCount: 0 });
    expect(await statusesOf(fixture, id)).toEqual(["PENDING", "RUNNING", "RUNNING", "CANCELED"]);
    expect(fixture.engine.activeWorkers).toBe(0);
  });

  test("reaches a handler that looks at its signal only later", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    await fixture.engine.jobs.cancel(await fixture.create());
    const { signal } = manual.run().context;
    expect(() => signal.throwIfAborted()).toThrow(expect.objectContaining({ name: "AbortError", reason: "CANCELED" }));
  });

  test("does not undo the work of a handler that returns all the same", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    await fixture.engine.jobs.cancel(id);
    await manual.run().returns("done");
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: '"done"', cancelRequested: false });
  });

  test("of a handler that ignores it is done when the lease ends, and frees the slot", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1, leaseMs: 3000 });
    const id = await fixture.create();
    const next = await fixture.create();
    await fixture.clock.advance(10_000);
    await fixture.engine.jobs.cancel(id);
    await fixture.clock.advance(999);
    expect(await fixture.status(id)).toBe("RUNNING");
    await fixture.clock.advance(2001);
    expect(await fixture.get(id)).toMatchObject({ status: "CANCELED" });
    expect(await fixture.status(next)).toBe("RUNNING");
    const before = await fixture.get(id);
    await manual.run().returns("late");
    expect(await fixture.get(id)).toEqual(before);
  });

  test("is noticed by the next heartbeat when its notice is late", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 3000 });
    const id = await fixture.create();
    fixture.faults.holdChanges();
    await fixture.engine.jobs.cancel(id);
    expect(abortReason(manual.run())).toBeUndefined();
    await fixture.clock.advance(2000);
    expect(abortReason(manual.run())).toBe("CANCELED");
  });

  test("is noticed by a progress report when its notice is late", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    fixture.faults.holdChanges();
    await fixture.engine.jobs.cancel(id);
    manual.run().context.progress(10);
    await settle();
    expect(abortReason(manual.run())).toBe("CANCELED");
  });

  test("outlives a timeout that comes after it", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create({ timeoutMs: 500 });
    await fixture.engine.jobs.cancel(id);
    await fixture.clock.advance(500);
    expect(await fixture.status(id)).toBe("CANCELED");
    expect(abortReason(manual.run())).toBe("CANCELED");
  });
});

describe("progress", () => {
  async function reporting(options?: Parameters<typeof running>[1]) {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, options);
    const id = await fixture.create();
    const { progress } = manual.run().context;
    const written = async () => {
      const changes = await changesOf(fixture, id);
      return changes.flatMap((change) =>
        change.status === "RUNNING" && change.progress ? [change.progress.percent] : [],
      );
    };
    return { manual, fixture, id, progress, written };
  }

  test("is written at once the first time", async () => {
    const { fixture, id, progress } = await reporting();
    progress(25, "a quarter");
    await settle();
    expect((await fixture.get(id)).progress).toEqual({ percent: 25, message: "a quarter" });
  });

  test("is written at most ten times a second, always the latest", async () => {
    const { fixture, progress, written } = await reporting();
    for (let percent = 1; percent <= 50; percent++) {
      progress(percent);
      await fixture.clock.advance(20);
    }
    const percents = await written();
    expect(percents[0]).toBe(1);
    expect(percents.length).toBeLessThanOrEqual(11);
    expect(percents.length).toBeGreaterThanOrEqual(10);
    await fixture.clock.advance(100);
    expect((await written()).at(-1)).toBe(50);
  });

  test("is written at once again after a pause", async () => {
    const { fixture, progress, written } = await reporting();
    progress(1);
    await fixture.clock.advance(100);
    progress(2);
    await settle();
    expect(await written()).toEqual([1, 2]);
  });

  test("is not written again when nothing new was reported", async () => {
    const { fixture, progress, written } = await reporting();
    progress(1);
    await fixture.clock.advance(1000);
    expect(await written()).toEqual([1]);
  });

  test("of the last moment is written before the job is done", async () => {
    const { manual, fixture, id, progress, written } = await reporting();
    progress(10);
    progress(90);
    progress(100, "all");
    await manual.run().returns();
    expect(await written()).toEqual([10, 100]);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", progress: { percent: 100, message: "all" } });
    expect(await statusesOf(fixture, id)).toEqual(["PENDING", "RUNNING", "RUNNING", "RUNNING", "DONE"]);
  });

  test("of the last moment is written before a failure too", async () => {
    const { manual, progress, written } = await reporting();
    progress(10);
    progress(60);
    await manual.run().throws(new Error("x"));
    expect(await written()).toEqual([10, 60]);
  });

  test("is written later when the backend was away", async () => {
    const { fixture, id, progress } = await reporting();
    fixture.faults.fail("extend");
    progress(30);
    await fixture.clock.advance(1000);
    expect((await fixture.get(id)).progress).toBeUndefined();
    fixture.faults.clear("extend");
    await fixture.clock.advance(100);
    expect((await fixture.get(id)).progress).toMatchObject({ percent: 30 });
  });

  test("that could not be written does not hide a later one", async () => {
    const { fixture, id, progress } = await reporting();
    fixture.faults.set("extend", async () => {
      progress(40);
      fixture.faults.clear("extend");
      throw new Error("away");
    });
    progress(30);
    await fixture.clock.advance(100);
    expect((await fixture.get(id)).progress).toMatchObject({ percent: 40 });
  });

  test("leaves no timer when the attempt ends", async () => {
    const { manual, fixture, progress } = await reporting();
    const timers = fixture.clock.timers;
    progress(50);
    expect(fixture.clock.timers).toBe(timers + 1);
    await manual.run().returns();
    expect(fixture.clock.timers).toBe(timers);
  });

  test("of an attempt that is over changes nothing", async () => {
    const { manual, fixture, id, progress } = await reporting();
    await manual.run().returns();
    const before = await fixture.get(id);
    const { timers } = fixture.clock;
    progress(50);
    expect(fixture.clock.timers).toBe(timers);
    await fixture.clock.advance(200);
    expect(await fixture.get(id)).toEqual(before);
  });

  test("begins anew in the next attempt", async () => {
    const { manual, fixture, id, progress } = await reporting();
    progress(70);
    await manual.run().throws(new Error("x"));
    await fixture.clock.advance(100);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", progress: undefined });
  });

  test.each([
    [-5, 0],
    [250, 100],
    [Number.NaN, 0],
    ["55" as unknown as number, 55],
    [33.5, 33.5],
  ])("of %s is kept as %d", async (given, kept) => {
    const { fixture, id, progress } = await reporting();
    progress(given);
    await settle();
    expect((await fixture.get(id)).progress).toEqual({ percent: kept, message: "" });
  });

  test("keeps at most 1024 characters of text, well-formed", async () => {
    const { fixture, id, progress } = await reporting();
    progress(1, `${"x".repeat(1023)}🧾`);
    await settle();
    expect((await fixture.get(id)).progress?.message).toBe(`${"x".repeat(1023)}\ufffd`);
  });
});

describe("the context of an attempt", () => {
  test("has one signal, and a logger that tells which job it is", async () => {
    const logger = recordingLogger();
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { logger });
    const id = await fixture.create();
    const { context } = manual.run();
    expect(context.signal).toBe(context.signal);
    context.logger.info({ to: "you" }, "sending");
    const job = { job_id: id, queue: "default", type: "work", attempt: 1, retry_count: 0, worker: expect.any(String) };
    const lines = logger.lines.filter(({ level }) => level === "info");
    expect(lines).toEqual([{ level: "info", fields: { ...job, to: "you" }, message: "sending" }]);
  });

  test.each(["before", "after"])(
    "says that the server is shutting down, to a handler that asks %s that",
    async (when) => {
      const manual = new ManualHandler();
      const fixture = await running(manual.handler);
      await fixture.create();
      const { context } = manual.run();
      if (when === "before") void context.signal;
      const stopping = fixture.engine.stop(0);
      await fixture.clock.advance(0);
      expect(context.signal.reason).toMatchObject({ message: "the server is shutting down" });
      await fixture.clock.advance(10_000);
      await stopping;
    },
  );
});

test("a pool that stops leaves no timer for a handler that goes on after its timeout", async () => {
  const manual = new ManualHandler();
  const fixture = await running(manual.handler);
  await fixture.create({ timeoutMs: 500, maxRetries: 0 });
  await fixture.clock.advance(500);
  await fixture.engine.stop(0);
  expect(fixture.clock.timers).toBe(0);
});
