import { pino } from "pino";
import { describe, expect, test } from "vitest";
import type { Handler, HandlerJob, Handlers } from "../../../src/model/handler/handler.js";
import { PermanentError, RetryAfterError, SnoozeError } from "../../../src/model/handler/handler-errors.js";
import { settle } from "../../support/fake-clock.js";
import { STRANGE_ERRORS, STRANGE_VALUES } from "../../support/strange-values.js";
import { Fixture, running, started } from "../support/fixture.js";
import { ManualHandler } from "../support/manual-handler.js";

const broken = () => {
  throw new Error("broken");
};

/** An object with this `then`. */
function thenable(then: PropertyDescriptor): object {
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what is wanted
  return Object.defineProperties({}, Object.fromEntries([["then", then]]));
}

describe("what the pool runs", () => {
  test("runs jobs of the types it has handlers for and leaves the others", async () => {
    const fixture = await started({ handlers: { work: () => 1, mail: () => 2 } });
    const ids = [];
    for (const type of ["other", "work", "constructor", "mail"]) ids.push(await fixture.create({ type }));
    const jobs = await Promise.all(ids.map((id) => fixture.get(id)));
    expect(jobs.map(({ status, result }) => [status, result])).toEqual([
      ["PENDING", undefined],
      ["DONE", "1"],
      ["PENDING", undefined],
      ["DONE", "2"],
    ]);
  });

  test("runs jobs that waited before it started, best first", async () => {
    const order: number[] = [];
    const handlers = { work: (job: HandlerJob) => void order.push(job.priority) };
    const fixture = await started({ handlers, numWorkers: 1 });
    await fixture.engine.queues.pause("default");
    for (const priority of [1, 9, 5]) await fixture.create({ priority });
    await fixture.engine.queues.resume("default");
    await settle();
    expect(order).toEqual([9, 5, 1]);
  });

  test("runs nothing with no worker", async () => {
    const fixture = await running(() => 1, { numWorkers: 0 });
    const id = await fixture.create();
    await fixture.clock.advance(60_000);
    expect(await fixture.status(id)).toBe("PENDING");
    expect(fixture.faults.calls("lease")).toBe(0);
  });

  test("tells under which name it runs a job, and since when", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { worker: "node-1" });
    const id = await fixture.create();
    expect(await fixture.get(id)).toMatchObject({
      status: "RUNNING",
      worker: "node-1",
      deliveries: 1,
      startedAt: fixture.clock.now(),
    });
  });

  test("tells which jobs it runs", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    expect(fixture.engine.workers()).toMatchObject([{ kind: "BUILT_IN", jobIds: [id] }]);
    await manual.run().returns();
    expect(fixture.engine.workers()).toMatchObject([{ kind: "BUILT_IN", jobIds: [] }]);
  });

  test("hands the job to the handler, with all it may know", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create({ payload: '{"a":1}', priority: 3, maxRetries: 7, metadata: { k: "v" } });
    const { job } = manual.run();
    expect([job.id, job.queue, job.type, job.priority, job.maxRetries]).toEqual([id, "default", "work", 3, 7]);
    expect([job.payload, job.metadata, job.deliveries, job.retryCount]).toEqual([{ a: 1 }, { k: "v" }, 1, 0]);
  });
});

describe("slots", () => {
  test("never run more than there are, over all queues, and none stays empty", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 3 });
    await fixture.engine.queues.create("mail");
    for (let count = 0; count < 5; count++) {
      await fixture.create();
      await fixture.create({ queue: "mail" });
    }
    for (let ended = 0; ended < 10; ended++) {
      const stillOpen = manual.runs.length - ended;
      expect(stillOpen).toBe(Math.min(3, 10 - ended));
      expect(fixture.engine.activeWorkers).toBe(stillOpen);
      if (ended % 2 === 0) await manual.run(ended).returns();
      else await manual.run(ended).throws(new PermanentError("x"));
    }
    expect(manual.runs).toHaveLength(10);
    expect(fixture.engine.activeWorkers).toBe(0);
  });

  test("are filled from one batch at once", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 4 });
    const leases = fixture.faults.calls("lease");
    await fixture.engine.jobs.createBatch(Array.from({ length: 9 }, () => ({ type: "work" })));
    await settle();
    expect(manual.runs).toHaveLength(4);
    expect(fixture.faults.calls("lease") - leases).toBeLessThanOrEqual(2);
  });

  test("are filled by one call with the jobs that single creates made in one turn of the event loop", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 10 });
    await Promise.all(Array.from({ length: 5 }, () => fixture.engine.jobs.create({ type: "work" })));
    expect(fixture.faults.calls("lease")).toBe(0);
    await settle();
    expect(manual.runs).toHaveLength(5);
    expect(fixture.faults.calls("lease")).toBe(1);
  });

  test("respect the limit of a queue and serve it again when a job of it ended", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 5 });
    await fixture.engine.queues.create("narrow", { maxConcurrency: 2 });
    for (let count = 0; count < 4; count++) await fixture.create({ queue: "narrow" });
    expect(manual.runs).toHaveLength(2);
    await manual.run(0).returns();
    expect(manual.runs).toHaveLength(3);
    await fixture.engine.queues.update("narrow", { maxConcurrency: 0 });
    await settle();
    expect(manual.runs).toHaveLength(4);
  });
});

describe("jobs with keys", () => {
  test("run when one of their key has ended: nobody asks for them in between", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler, { numWorkers: 5 });
    const keys = () => manual.runs.map(({ job }) => job.key);
    await fixture.engine.queues.create("keyed", { ordering: "FAIR", maxConcurrencyPerKey: 1 });
    for (const key of ["a", "a", "a", "b", undefined]) await fixture.create({ queue: "keyed", key });
    expect(keys()).toEqual(["a", "b", undefined]);
    const leases = fixture.faults.calls("lease");
    await fixture.clock.advance(10_000);
    expect(fixture.faults.calls("lease")).toBe(leases);
    await manual.run(1).returns();
    expect(keys()).toHaveLength(3);
    await manual.run(0).throws(new Error("no"));
    expect(keys().slice(3)).toEqual(["a"]);
    await fixture.engine.queues.update("keyed", { maxConcurrencyPerKey: 0 });
    await settle();
    expect(keys().slice(4)).toEqual(["a"]);
  });
});

describe("jobs of a queue with a rate", () => {
  test("run when their slots come, woken by a timer: nobody asks for them in between", async () => {
    const ran: number[] = [];
    const fixture = await running(() => void ran.push(fixture.clock.monotonic()), { numWorkers: 5 });
    await fixture.engine.queues.create("rated", { rateLimit: { count: 1, periodMs: 1000, burst: 2 } });
    const from = fixture.clock.monotonic();
    for (let count = 0; count < 5; count++) await fixture.create({ queue: "rated" });
    const leases = fixture.faults.calls("lease");
    await fixture.clock.advance(999);
    expect(fixture.faults.calls("lease")).toBe(leases);
    await fixture.clock.advance(2001);
    expect(ran.map((at) => at - from)).toEqual([0, 0, 1000, 2000, 3000]);
    expect(fixture.faults.calls("lease") - leases).toBeLessThanOrEqual(3);
  });

  test("run at once when it is taken away", async () => {
    let ran = 0;
    const fixture = await running(() => void ran++, { numWorkers: 5 });
    await fixture.engine.queues.create("rated", { rateLimit: { count: 1, periodMs: 3_600_000 } });
    for (let count = 0; count < 5; count++) await fixture.create({ queue: "rated" });
    expect(ran).toBe(1);
    await fixture.engine.queues.update("rated", { rateLimit: null });
    await settle();
    expect(ran).toBe(5);
  });
});

describe("results", () => {
  test.each([
    ["a JSON value", { a: [1, null] }, '{"a":[1,null]}'],
    ["null", null, "null"],
    ["bytes", new Uint8Array([0, 1, 255]), new Uint8Array([0, 1, 255])],
    ["nothing", undefined, undefined],
  ])("keep %s", async (_what, value, result) => {
    const fixture = await running(() => value);
    const id = await fixture.create();
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", result, error: "" });
  });

  test("may come later", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create();
    await fixture.clock.advance(5000);
    await manual.run().returns("late");
    const job = await fixture.get(id);
    expect(job).toMatchObject({ status: "DONE", result: '"late"', finishedAt: fixture.clock.now() });
  });

  test.each([
    ["that JSON cannot carry", () => 1n, /^the result cannot be written as JSON/],
    ["that is too large", () => "x".repeat(1024 * 1024), /^result: must be at most/],
    ["of too many bytes", () => new Uint8Array(1024 * 1024 + 1), /^resultBytes: must be at most/],
  ])("make the attempt fail when they are something %s", async (_what, handler, error) => {
    const fixture = await running(handler, { numWorkers: 1 });
    const id = await fixture.create({ maxRetries: 1 });
    expect(await fixture.get(id)).toMatchObject({ status: "PENDING", retryCount: 1 });
    await fixture.clock.advance(100);
    const job = await fixture.get(id);
    expect(job).toMatchObject({ status: "DEAD", result: undefined });
    expect(job.error).toMatch(error);
    expect(fixture.engine.activeWorkers).toBe(0);
  });
});

describe("failures", () => {
  test("are retried after the backoff, exactly, until none is left", async () => {
    const runs: [number, number, number][] = [];
    const fixture = await running((job) => {
      runs.push([fixture.clock.monotonic(), job.retryCount, job.deliveries]);
      throw new Error(`broken ${runs.length}`);
    });
    const start = fixture.clock.monotonic();
    const id = await fixture.create({ maxRetries: 3, backoff: { baseDelayMs: 1000, maxDelayMs: 3000 } });
    const first = await fixture.get(id);
    expect(first).toMatchObject({ status: "PENDING", retryCount: 1, error: "broken 1" });
    expect(first.runAfter).toBe(fixture.clock.now() + 1000);
    await fixture.clock.advance(999);
    expect(runs).toHaveLength(1);
    await fixture.clock.advance(60_000);
    expect(runs.map(([at, ...rest]) => [at - start, ...rest])).toEqual([
      [0, 0, 1],
      [1000, 1, 2],
      [3000, 2, 3],
      [6000, 3, 4],
    ]);
    const dead = await fixture.get(id);
    expect(dead).toMatchObject({ status: "DEAD", retryCount: 3, error: "broken 4" });
    expect(dead.attemptErrors.map(({ error }) => error)).toEqual(["broken 1", "broken 2", "broken 3", "broken 4"]);
  });

  test("end in DONE when a retry succeeds", async () => {
    const fixture = await running((job) => (job.retryCount === 0 ? broken() : "ok"));
    const id = await fixture.create();
    await fixture.clock.advance(100);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", retryCount: 1, result: '"ok"' });
  });

  test("count whether the handler throws or rejects, and whatever it throws", async () => {
    for (const thrown of [
      new Error("x"),
      "x",
      { toString: () => "x" },
      Object.assign(new Error(), { message: ["x"] }),
    ]) {
      for (const handler of [
        () => Promise.reject(thrown),
        () => {
          throw thrown;
        },
      ]) {
        const fixture = await running(handler, { numWorkers: 1 });
        const id = await fixture.create({ maxRetries: 0 });
        expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "x" });
        expect(fixture.engine.activeWorkers).toBe(0);
      }
    }
  });

  test("kill the job at once when they are permanent", async () => {
    const fixture = await running(() => {
      throw new PermanentError("no such address");
    });
    const id = await fixture.create();
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", retryCount: 0, error: "no such address" });
  });

  test("are retried when they say, which uses a retry", async () => {
    const fixture = await running(() => {
      throw new RetryAfterError("busy", 7000);
    });
    const id = await fixture.create({ maxRetries: 1 });
    const job = await fixture.get(id);
    expect(job).toMatchObject({ status: "PENDING", retryCount: 1 });
    expect(job.runAfter).toBe(fixture.clock.now() + 7000);
    await fixture.clock.advance(7000);
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: "busy", deliveries: 2 });
  });

  test("have the job wait when they snooze it, which uses no retry and leaves no error", async () => {
    const fixture = await running((job) => {
      if (job.deliveries === 1) throw new SnoozeError("not yet", 7000);
    });
    const id = await fixture.create({ maxRetries: 0 });
    const job = await fixture.get(id);
    expect(job).toMatchObject({ status: "PENDING", retryCount: 0, error: "", deliveries: 1 });
    expect(job.runAfter).toBe(fixture.clock.now() + 7000);
    await fixture.clock.advance(6999);
    expect(await fixture.status(id)).toBe("PENDING");
    await fixture.clock.advance(1);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", deliveries: 2 });
  });

  test("of a payload that is no JSON are the job's own", async () => {
    const fixture = await running((job) => job.payload);
    const id = await fixture.create({ payload: "{", maxRetries: 0 });
    expect(await fixture.status(id)).toBe("DEAD");
    const next = await fixture.create();
    expect(await fixture.status(next)).toBe("DONE");
  });
});

describe("when jobs start", () => {
  test("a delayed job starts exactly when it is due", async () => {
    const fixture = await running(() => 1);
    const id = await fixture.create({ delayMs: 1500 });
    await fixture.clock.advance(1499);
    expect(await fixture.status(id)).toBe("PENDING");
    await fixture.clock.advance(1);
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", startedAt: fixture.clock.now() });
  });

  test("a replayed job starts at once", async () => {
    const fixture = await running((job) => (job.deliveries === 1 ? broken() : "ok"));
    const id = await fixture.create({ maxRetries: 0 });
    await fixture.engine.dlq.replay(id);
    await settle();
    expect(await fixture.get(id)).toMatchObject({ status: "DONE", deliveries: 2 });
  });

  test("a queue made at run time is served at once", async () => {
    const fixture = await running(() => 1);
    await fixture.engine.queues.create("fresh");
    const id = await fixture.create({ queue: "fresh" });
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("a paused queue waits and goes on at once when it is resumed", async () => {
    const fixture = await running(() => 1);
    await fixture.engine.queues.pause("default");
    const id = await fixture.create();
    await fixture.clock.advance(60_000);
    expect(await fixture.status(id)).toBe("PENDING");
    await fixture.engine.queues.resume("default");
    await settle();
    expect(await fixture.status(id)).toBe("DONE");
  });

  test("nobody asks the backend while nothing happens", async () => {
    const fixture = await running(() => 1);
    const leases = fixture.faults.calls("lease");
    await fixture.clock.advance(3_600_000);
    expect(fixture.faults.calls("lease")).toBe(leases);
  });
});

describe("what cannot be read", () => {
  /** Runs one job to its end, with a real logger, and expects one line of log for each failure. */
  async function runs(handler: Handler) {
    const lines: string[] = [];
    const logger = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
    const fixture = await running(handler, { numWorkers: 1, logger });
    const id = await fixture.create({ maxRetries: 0 });
    await settle();
    const job = await fixture.get(id);
    expect(fixture.engine.activeWorkers).toBe(0);
    const said = lines.map((line) => JSON.parse(line).msg).filter((text) => text !== "a job is dead");
    expect(said).toEqual(job.attemptErrors.map(() => "an attempt failed"));
    return job;
  }

  test.each(Object.entries(STRANGE_ERRORS))("fails the attempt that throws %s, and frees its slot", async (_, make) => {
    const job = await runs(() => Promise.reject(make()));
    expect(job).toMatchObject({ status: "DEAD", error: expect.stringMatching(/./) });
    expect(job.attemptErrors).toHaveLength(1);
  });

  test.each(Object.entries(STRANGE_VALUES))("ends the attempt that returns %s, and frees its slot", async (_, make) => {
    const { status, attemptErrors } = await runs(make);
    expect(["DEAD", "DONE"]).toContain(status);
    expect(attemptErrors).toHaveLength(status === "DEAD" ? 1 : 0);
  });

  test.each(Object.entries(STRANGE_VALUES))("takes %s as progress", async (_, make) => {
    const job = await runs((_job, { progress }) => {
      progress(make() as number, make() as string);
      return 1;
    });
    expect(job).toMatchObject({ status: "DONE", progress: { percent: 0 } });
  });

  test("fails the attempt whose promise is none that can be waited for", async () => {
    const thrower = () => {
      throw new Error("no promise");
    };
    for (const then of [{ value: thrower }, { get: thrower }]) {
      expect(await runs(() => thenable(then))).toMatchObject({ status: "DEAD", error: "no promise" });
    }
    const twice = thenable({
      value: (done: (value: unknown) => void, fail: (error: unknown) => void) => [done(1), fail(2), done(3)],
    });
    expect(await runs(() => twice)).toMatchObject({ status: "DONE", result: "1" });
  });

  test("frees the slot when the log cannot be written", async () => {
    const throwing = () => {
      throw new Error("the disk is full");
    };
    const logger = { debug: throwing, info: throwing, warn: throwing, error: throwing, child: throwing };
    const fixture = await running(broken, { numWorkers: 1, logger });
    const id = await fixture.create({ maxRetries: 0 });
    expect(await fixture.status(id)).toBe("DEAD");
    expect(fixture.engine.activeWorkers).toBe(0);
  });

  test("is refused at once in the handlers, by name", () => {
    const unreadable = Object.defineProperty({}, "work", { get: broken, enumerable: true });
    expect(() => new Fixture({ handlers: unreadable })).toThrow('the handler of "work" cannot be read: broken');
    const handlers = { work: undefined } as unknown as Handlers;
    expect(() => new Fixture({ handlers })).toThrow('handlers: the handler of "work" is not a function');
  });

  test("fails the attempt whose handler is gone since", async () => {
    const handlers: Record<string, Handler> = { work: () => 1 };
    const fixture = await started({ handlers });
    delete handlers.work;
    const id = await fixture.create({ maxRetries: 0 });
    expect(await fixture.get(id)).toMatchObject({ status: "DEAD", error: 'the handler of "work" is gone' });
  });
});
