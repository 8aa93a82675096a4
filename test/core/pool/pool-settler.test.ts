import { describe, expect, test } from "vitest";
import { silentObserver } from "../../../src/core/observer.js";
import { settle } from "../../support/fake-clock.js";
import { recordingLogger } from "../../support/logger.js";
import { deferred } from "../support/async.js";
import { running } from "../support/fixture.js";
import { ManualHandler } from "../support/manual-handler.js";

describe("when the backend is away as a job ends", () => {
  test("the result is written once it is back", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    fixture.faults.fail("complete");
    await manual.run().returns("kept");
    await fixture.clock.advance(5000);
    expect(await fixture.status(id)).toBe("RUNNING");
    expect(fixture.faults.calls("complete")).toBe(21);
    fixture.faults.clear("complete");
    await fixture.clock.advance(250);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: '"kept"', deliveries: 1 });
  });

  test("the failure is written once it is back, with the decision not to retry", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    fixture.faults.fail("fail");
    await manual.run().throws(Object.assign(new Error("broken"), { name: "PermanentError" }));
    await fixture.clock.advance(1000);
    fixture.faults.clear("fail");
    await fixture.clock.advance(250);
    expect(await fixture.get(id)).toMatchObject({
      status: "DEAD",
      error: "broken",
      attemptErrors: [{ error: "broken" }],
    });
  });

  test("a write that was done though its answer was lost is not done twice", async () => {
    const settled: unknown[] = [];
    const observer = { ...silentObserver, settled: (...args: unknown[]) => settled.push(args) };
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { observer });
    const id = await fixture.create({ backoff: { baseDelayMs: 10_000 } });
    fixture.faults.set("fail", async (run) => {
      await run();
      fixture.faults.clear("fail");
      throw new Error("the answer was lost");
    });
    await manual.run().throws(new Error("broken"));
    await fixture.clock.advance(1000);
    expect(fixture.faults.calls("fail")).toBe(2);
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 1, attemptErrors: [{}] });
    expect((await fixture.get(id)).attemptErrors).toHaveLength(1);
  });

  test("its slot is free for other jobs meanwhile, and their outcomes are kept too", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1 });
    const first = await fixture.create();
    const second = await fixture.create();
    fixture.faults.fail("complete", "fail");
    await manual.run(0).returns(1);
    await manual.run(1).throws(Object.assign(new Error("x"), { name: "PermanentError" }));
    await fixture.clock.advance(1000);
    fixture.faults.clear("complete", "fail");
    await fixture.clock.advance(250);
    expect([await fixture.status(first), await fixture.status(second)]).toEqual(["DONE", "DEAD"]);
  });

  test("a queue that does not answer holds up the outcomes and the heartbeats of no other", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { leaseMs: 9000, numWorkers: 4 });
    await fixture.engine.queues.create("stuck");
    const stuck = await fixture.create({ queue: "stuck" });
    await fixture.create({ queue: "stuck" });
    const good = await fixture.create();
    const long = await fixture.create();
    const isStuck = ([items]: readonly unknown[]) =>
      (items as { jobId: string }[]).some(({ jobId }) => jobId.endsWith("@stuck"));
    fixture.faults.set("complete", (run, args) => (isStuck(args) ? new Promise(() => {}) : run()));
    fixture.faults.set("extend", (run, args) => (isStuck(args) ? Promise.reject(new Error("away")) : run()));
    const run = (id: string) => manual.runs.find(({ job }) => job.id === id);
    await Promise.all([run(stuck)?.returns(), run(good)?.returns()]);
    await settle();
    expect([await fixture.status(stuck), await fixture.status(good)]).toEqual(["RUNNING", "DONE"]);
    await fixture.clock.advance(20_000);
    expect(await fixture.get(long)).toMatchObject({ status: "RUNNING", deliveries: 1 });
  });

  test("one kind of write that fails does not do the others twice", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const good = await fixture.create();
    const bad = await fixture.create({ backoff: { baseDelayMs: 10_000 } });
    fixture.faults.fail("complete");
    const [first, second] = [manual.run(0), manual.run(1)];
    await Promise.all([first.returns(), second.throws(new Error("x"))]);
    await fixture.clock.advance(500);
    fixture.faults.clear("complete");
    await fixture.clock.advance(250);
    expect(await fixture.status(good)).toBe("DONE");
    expect(await fixture.get(bad)).toMatchObject({ status: "PENDING", retryCount: 1 });
  });

  test("the last progress report is not lost with the first try", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    manual.run().context.progress(10);
    await settle();
    manual.run().context.progress(100, "all");
    fixture.faults.fail("extend", "complete");
    await manual.run().returns();
    await fixture.clock.advance(1000);
    fixture.faults.clear("extend", "complete");
    await fixture.clock.advance(250);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", progress: { percent: 100, message: "all" } });
  });

  test("a progress report that was written is not written again with every try", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    fixture.faults.fail("complete");
    manual.run().context.progress(10);
    manual.run().context.progress(100);
    await manual.run().returns();
    await fixture.clock.advance(1000);
    fixture.faults.clear("complete");
    await fixture.clock.advance(250);
    // Created, leased, two reports, done.
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", revision: 5, progress: { percent: 100 } });
  });

  test("the outcome is given up when the lease has ended, and the job runs again", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1, leaseMs: 3000 });
    const id = await fixture.create();
    fixture.faults.fail("complete");
    await manual.run(0).returns("lost");
    await fixture.clock.advance(3000);
    const tries = fixture.faults.calls("complete");
    fixture.faults.clear("complete");
    await fixture.clock.advance(1000);
    expect(fixture.faults.calls("complete")).toBe(tries);
    expect(await fixture.get(id)).toMatchObject({ status: "RUNNING", deliveries: 2, lostLeases: 1, retryCount: 0 });
    await manual.run(1).returns("again");
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result: '"again"' });
  });

  test("the log says that an outcome could not be written, and that it is lost once it is", async () => {
    const logger = recordingLogger();
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 1, leaseMs: 3000, logger });
    const id = await fixture.create();
    fixture.faults.fail("complete");
    await manual.run(0).returns("lost");
    await fixture.clock.advance(2999);
    expect(new Set(logger.lines.map(({ level }) => level))).toEqual(new Set(["debug", "warn"]));
    await fixture.clock.advance(1);
    expect(logger.lines.filter(({ level }) => level === "error")).toMatchObject([{ fields: { job_id: id } }]);
  });

  test("the pool does not stop before the outcome is written", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    fixture.faults.fail("complete");
    await manual.run().returns(1);
    let stopped = false;
    void fixture.engine.stop(1000).then(() => {
      stopped = true;
    });
    await fixture.clock.advance(2000);
    expect(stopped).toBe(false);
    fixture.faults.clear("complete");
    await fixture.clock.advance(250);
    expect(stopped).toBe(true);
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("a pool that has stopped tries no more, and says what is lost", async () => {
    const logger = recordingLogger();
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { logger });
    const [ended, held] = [await fixture.create(), await fixture.create()];
    fixture.faults.fail("complete", "release");
    await manual.run(0).returns(1);
    const stopped = fixture.engine.stop(1000);
    await fixture.clock.advance(10_000);
    await stopped;
    const tries = fixture.faults.calls("complete") + fixture.faults.calls("release");
    expect(fixture.clock.timers).toBe(0);
    await fixture.clock.advance(60_000);
    expect(fixture.faults.calls("complete") + fixture.faults.calls("release")).toBe(tries);
    const errors = logger.lines.filter(({ level }) => level === "error");
    expect(errors.map(({ fields }) => fields.job_id).sort()).toEqual([ended, held].sort());
  });

  test("a write without an answer as the pool stops is given up when it fails", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    await fixture.create();
    const answers: ((error: Error) => void)[] = [];
    fixture.faults.set("complete", () => new Promise((_resolve, reject) => answers.push(reject)));
    await manual.run().returns(1);
    const stopped = fixture.engine.stop(1000);
    await fixture.clock.advance(10_000);
    await stopped;
    for (const fail of answers.splice(0)) fail(new Error("the backend was stopped"));
    await fixture.clock.advance(60_000);
    expect(answers).toEqual([]);
    expect(fixture.clock.timers).toBe(0);
  });
});

describe("writes", () => {
  test("are shared by jobs that end in the same moment", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 20 });
    await fixture.engine.jobs.createBatch(Array.from({ length: 20 }, () => ({ type: "work" })));
    await settle();
    await Promise.all(manual.runs.map((run) => run.returns()));
    expect(fixture.faults.calls("complete")).toBe(1);
    expect((await fixture.engine.queues.get("default")).stats.done).toBe(20);
  });

  test("are of those kinds only that there are", async () => {
    for (const kind of ["complete", "fail", "release"] as const) {
      const manual = new ManualHandler();
      const fixture = await running(manual.handler);
      await fixture.create();
      if (kind === "complete") await manual.run().returns();
      if (kind === "fail") await manual.run().throws(new Error("x"));
      const stopping = fixture.engine.stop(0);
      await fixture.clock.advance(10_000);
      await stopping;
      const calls = (["complete", "fail", "release"] as const).map((each) => fixture.faults.calls(each));
      expect(calls).toEqual(["complete", "fail", "release"].map((each) => (each === kind ? 1 : 0)));
    }
  });

  test("are shared by jobs that end while one is under way", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 10 });
    await fixture.engine.jobs.createBatch(Array.from({ length: 10 }, () => ({ type: "work" })));
    await settle();
    const gate = deferred();
    fixture.faults.set("complete", async (run) => {
      await gate.promise;
      return run();
    });
    for (const run of manual.runs) await run.returns();
    expect(fixture.faults.calls("complete")).toBe(1);
    gate.resolve();
    await settle();
    expect(fixture.faults.calls("complete")).toBe(2);
    expect((await fixture.engine.queues.get("default")).stats.done).toBe(10);
  });
});
