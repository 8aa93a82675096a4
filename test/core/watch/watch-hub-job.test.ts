import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { backendUnavailable } from "../../../src/model/common/errors.js";
import { settle } from "../../support/fake-clock.js";
import { collect, deferred } from "../support/async.js";
import { running, started } from "../support/fixture.js";
import { ManualHandler } from "../support/manual-handler.js";
import { heartbeats, jobs, never, oneRunning, states, watch } from "../support/watch-job.js";

describe("a watcher of a job sees", () => {
  test("a heartbeat, the job as it is, each change, and the end", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create({ delayMs: 1000 });
    const seen = await watch(fixture, id);
    expect(seen.events).toEqual([
      { kind: "heartbeat", at: fixture.clock.now() },
      { kind: "event", job: await fixture.get(id) },
    ]);
    await fixture.clock.advance(1000);
    manual.run().context.progress(40, "on it");
    await settle();
    expect(seen.ended).toBe(false);
    await manual.run().returns({ ok: true });
    expect(states(seen.events)).toEqual(["PENDING 1", "RUNNING 2", "RUNNING 3", "DONE 4"]);
    expect(jobs(seen.events)[2]?.progress).toEqual({ percent: 40, message: "on it" });
    expect(jobs(seen.events)[3]).toEqual(await fixture.get(id));
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });

  test("a failed attempt as two changes, each with the state of its moment", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    await manual.run(0).throws(new Error("first"));
    await fixture.clock.advance(100);
    await manual.run(1).returns("ok");
    expect(states(seen.events)).toEqual(["RUNNING 2", "FAILED 3", "PENDING 4", "RUNNING 5", "DONE 6"]);
    const [, failed, pending, again, done] = jobs(seen.events);
    expect(failed).toMatchObject({ error: "first", retryCount: 0, result: undefined });
    expect(failed?.attemptErrors).toHaveLength(1);
    expect(pending).toMatchObject({ retryCount: 1, deliveries: 1, runAfter: (failed?.updatedAt ?? 0) + 100 });
    expect(again).toMatchObject({ deliveries: 2, error: "first" });
    expect(done).toMatchObject({ result: '"ok"', retryCount: 1 });
  });

  test("a death after the failure, and the end", async () => {
    const { manual, fixture } = await oneRunning();
    const id = await fixture.create({ maxRetries: 0 });
    const seen = await watch(fixture, id);
    await manual.run(1).throws(new Error("x"));
    expect(states(seen.events)).toEqual(["RUNNING 2", "FAILED 3", "DEAD 4"]);
    expect(seen.ended).toBe(true);
  });

  test("the request to cancel, the cancel, and the end", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    await fixture.engine.jobs.cancel(id);
    await settle();
    expect(jobs(seen.events).map(({ status, cancelRequested }) => [status, cancelRequested])).toEqual([
      ["RUNNING", false],
      ["RUNNING", true],
    ]);
    await manual.run().throws(new Error("stopped"));
    expect(jobs(seen.events).at(-1)).toMatchObject({ status: "CANCELED", cancelRequested: false });
    expect(seen.ended).toBe(true);
  });

  test("progress of a running job, which is not read for it", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    const reads = fixture.faults.calls("get");
    for (const percent of [10, 20, 30]) {
      manual.run().context.progress(percent);
      await fixture.clock.advance(1000);
    }
    expect(fixture.faults.calls("get")).toBe(reads);
    expect(jobs(seen.events).map(({ progress }) => progress?.percent)).toEqual([undefined, 10, 20, 30]);
    expect(jobs(seen.events).at(-1)).toEqual(await fixture.get(id));
  });

  test("a lost lease and the next delivery, in order, however late it reads", async () => {
    const { manual, fixture, id } = await oneRunning({ leaseMs: 3000 });
    const stream = fixture.engine.watches.watchJob(id, never());
    await stream.next();
    await stream.next();
    fixture.faults.fail("extend");
    await fixture.clock.advance(3000);
    await fixture.backend.tick();
    fixture.faults.clear("extend");
    await settle();
    await manual.run(1).returns();
    const seen = collect(stream);
    await settle();
    expect(states(seen.events)).toEqual(["PENDING 3", "RUNNING 4", "DONE 5"]);
  });

  test.each(["DONE", "DEAD", "CANCELED"])("just the state, and the end, of a job that is %s", async (status) => {
    const { manual, fixture, id } = await oneRunning();
    if (status === "CANCELED") await fixture.engine.jobs.cancel(id);
    if (status === "DONE") await manual.run().returns();
    else await manual.run().throws(Object.assign(new Error("x"), { name: "PermanentError" }));
    const seen = await watch(fixture, id);
    expect(seen.events.map(({ kind }) => kind)).toEqual(["heartbeat", "event"]);
    expect(jobs(seen.events)).toEqual([await fixture.get(id)]);
    expect(jobs(seen.events)[0]?.status).toBe(status);
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });

  test("the same as every other watcher of the job, from where it joined", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    const id = await fixture.create({ delayMs: 10 });
    const first = await watch(fixture, id);
    await fixture.clock.advance(10);
    const second = await watch(fixture, id);
    await manual.run().returns();
    expect(states(first.events)).toEqual(["PENDING 1", "RUNNING 2", "DONE 3"]);
    expect(states(second.events)).toEqual(["RUNNING 2", "DONE 3"]);
  });

  test("nothing twice and nothing missed when it joins in the midst of changes", async () => {
    for (let turns = 0; turns < 30; turns++) {
      const fixture = await running((_job, { progress }) => progress(50), { leaseMs: 1000 });
      const creating = fixture.engine.jobs.createBatch([{ type: "work" }]);
      const id = (await creating)[0]?.id ?? "";
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      const seen = await watch(fixture, id);
      const revisions = jobs(seen.events).map(({ revision }) => revision);
      expect(revisions.at(-1)).toBe(4);
      expect(revisions).toEqual(revisions.map((_, index) => (revisions[0] ?? 0) + index));
      expect(seen.ended).toBe(true);
    }
  });

  test.each(["before", "after"])(
    "a heartbeat first, and nothing older than others, when a change comes %s its read",
    async (when) => {
      const { manual, fixture, id } = await oneRunning();
      const first = await watch(fixture, id);
      const gate = deferred();
      fixture.faults.set("get", async (run) => {
        if (when === "before") await gate.promise;
        const answer = await run();
        await gate.promise;
        return answer;
      });
      const second = await watch(fixture, id);
      manual.run().context.progress(50);
      await fixture.clock.advance(1000);
      expect(states(first.events)).toEqual(["RUNNING 2", "RUNNING 3"]);
      expect(second.events).toEqual([]);
      gate.resolve();
      await settle();
      fixture.faults.clear("get");
      expect(second.events.map(({ kind }) => kind)).toEqual(["heartbeat", "event"]);
      expect(states(second.events)).toEqual(["RUNNING 3"]);
      await manual.run().returns();
      for (const seen of [first, second]) {
        expect(states(seen.events).at(-1)).toBe("DONE 4");
        expect(seen.ended).toBe(true);
      }
    },
  );

  test("each state in order, when another watcher asks for the next while it is given one", async () => {
    // A release, then a lease while the job is read: the read sees both, or the first with the second still to come.
    for (let turns = 0; turns < 8; turns++) {
      const fixture = await started();
      const id = await fixture.create();
      const [lease] = await fixture.lease();
      const told: string[][] = [[], []];
      for (const states of told) {
        const feed = fixture.engine.watches.watchJob(id, never());
        const ready = () => {
          for (let event = feed.take(); event !== undefined; event = feed.take()) {
            if (event.kind === "event") states.push(`${event.job.status} ${event.job.revision}`);
          }
        };
        feed.reader = { ready };
        ready();
        await settle();
      }
      void fixture.backend.release([{ jobId: id, token: lease?.token ?? "" }]);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      void fixture.lease();
      await settle();
      const expected = ["RUNNING 2", "PENDING 3", "RUNNING 4"];
      expect(told).toEqual([expected, expected]);
    }
  });

  test("the end of a job that is over, and gone, while it joins", async () => {
    const { manual, fixture, id } = await oneRunning({ memory: { maxCompletedJobs: 0 } });
    const first = await watch(fixture, id);
    const gate = deferred();
    fixture.faults.set("get", async (run) => {
      await gate.promise;
      return run();
    });
    const second = await watch(fixture, id);
    manual.run().context.progress(50);
    await fixture.clock.advance(1000);
    fixture.faults.clear("get");
    await manual.run().returns();
    expect(states(first.events)).toEqual(["RUNNING 2", "RUNNING 3", "DONE 4"]);
    gate.resolve();
    await settle();
    expect(states(second.events)).toEqual(["DONE 4"]);
    expect(second).toMatchObject({ ended: true, error: undefined });
  });

  test("nothing again of what it saw, when changes are told late", async () => {
    const manual = new ManualHandler();
    const fixture = await running(manual.handler);
    fixture.faults.holdChanges();
    const id = await fixture.create();
    manual.run().context.progress(10);
    await settle();
    const seen = await watch(fixture, id);
    expect(states(seen.events)).toEqual(["RUNNING 3"]);
    fixture.faults.releaseChanges();
    await settle();
    await manual.run().returns();
    expect(states(seen.events)).toEqual(["RUNNING 3", "DONE 4"]);
  });

  test.each(["told by its change", "read"])(
    "nothing again of what it saw, when another watcher is behind and the state is %s",
    async (how) => {
      const { manual, fixture, id } = await oneRunning();
      const late = fixture.engine.watches.watchJob(id, never());
      await late.next();
      await late.next();
      if (how === "read") await manual.run(0).throws(new Error("x"));
      else {
        manual.run().context.progress(10);
        await fixture.clock.advance(1000);
      }
      const seen = await watch(fixture, id);
      const joined = states(seen.events);
      expect(joined).toEqual([how === "read" ? "PENDING 4" : "RUNNING 3"]);
      const behind = collect(late);
      await settle();
      expect(states(behind.events).at(-1)).toBe(joined[0]);
      expect(states(seen.events)).toEqual(joined);
      if (how === "read") await fixture.clock.advance(100);
      await manual.run(how === "read" ? 1 : 0).returns();
      const revisions = jobs(seen.events).map(({ revision }) => revision);
      expect(revisions).toEqual([...new Set(revisions)]);
      expect(seen.ended).toBe(true);
    },
  );

  test("a change that was told and one that was not, each once, when it is read after both", async () => {
    const fixture = await started();
    const id = await fixture.create();
    const [lease] = await fixture.lease();
    await settle();
    const seen = await watch(fixture, id);
    const gate = deferred();
    fixture.faults.set("get", async (run) => {
      await gate.promise;
      return run();
    });
    await fixture.backend.release([{ jobId: id, token: lease?.token ?? "" }]);
    await settle();
    fixture.faults.holdChanges();
    await fixture.lease();
    await settle();
    fixture.faults.clear("get");
    gate.resolve();
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 2", "PENDING 3", "RUNNING 4"]);
    fixture.faults.releaseChanges();
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 2", "PENDING 3", "RUNNING 4"]);
  });

  test("its own job's changes, when another job changes in the same moment", async () => {
    const { manual, fixture, id } = await oneRunning();
    await fixture.create();
    const seen = await watch(fixture, id);
    await Promise.all([manual.run(1).returns(), manual.run(0).returns()]);
    expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
  });

  test("everything, when another watcher of the job has left", async () => {
    const { manual, fixture, id } = await oneRunning();
    const reader = new AbortController();
    const left = await watch(fixture, id, reader.signal);
    const seen = await watch(fixture, id);
    reader.abort();
    await manual.run().returns();
    expect(states(left.events)).toEqual(["RUNNING 2"]);
    expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
  });

  test("the failures there were at each moment, however late it reads", async () => {
    const { manual, fixture, id } = await oneRunning();
    const stream = fixture.engine.watches.watchJob(id, never());
    await stream.next();
    await stream.next();
    await fixture.clock.advance(10);
    await manual.run(0).throws(new Error("first"));
    await fixture.clock.advance(100);
    await manual.run(1).throws(new Error("second"));
    const seen = collect(stream);
    await settle();
    expect(jobs(seen.events).map(({ status, attemptErrors }) => [status, attemptErrors.length])).toEqual([
      ["FAILED", 1],
      ["PENDING", 1],
      ["RUNNING", 1],
      ["FAILED", 2],
      ["PENDING", 2],
    ]);
  });

  test("DEAD and the end, also when the job is replayed in the same moment", async () => {
    const { manual, fixture } = await oneRunning();
    const id = await fixture.create({ maxRetries: 0 });
    const stream = fixture.engine.watches.watchJob(id, never());
    await stream.next();
    await stream.next();
    await manual.run(1).throws(new Error("x"));
    await fixture.engine.dlq.replay(id);
    const seen = collect(stream);
    await settle();
    expect(states(seen.events)).toEqual(["FAILED 3", "DEAD 4"]);
    expect(seen.ended).toBe(true);
  });
});

describe("a watch of a job", () => {
  test("is refused for a job that is not there", async () => {
    const fixture = await started();
    const seen = await watch(fixture, "1");
    expect(seen).toMatchObject({ events: [], ended: true, error: { reason: "JOB_NOT_FOUND" } });
  });

  test("gives a slow reader the latest state, and holds no more than a few changes for it", async () => {
    const { manual, fixture, id } = await oneRunning();
    const stream = fixture.engine.watches.watchJob(id, never());
    await stream.next();
    await stream.next();
    const { progress } = manual.run().context;
    for (let percent = 1; percent <= 100; percent++) {
      progress(percent / 2);
      await fixture.clock.advance(100);
    }
    const seen = collect(stream);
    await settle();
    expect(seen.events.length).toBeLessThanOrEqual(64);
    const revisions = jobs(seen.events).map(({ revision }) => revision);
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b));
    expect(jobs(seen.events).at(-1)).toMatchObject({ revision: 102, progress: { percent: 50 } });
    await manual.run().returns();
    expect(states(seen.events).at(-1)).toBe("DONE 103");
  });

  test("holds no more than a few states for a slow reader beside a fast one", async () => {
    const { manual, fixture, id } = await oneRunning();
    const slow = fixture.engine.watches.watchJob(id, never());
    await slow.next();
    await slow.next();
    const fast = await watch(fixture, id);
    for (let percent = 1; percent <= 100; percent++) {
      manual.run().context.progress(percent / 2);
      await fixture.clock.advance(1000);
      if (percent === 64) expect(slow.size).toBe(64);
    }
    expect(jobs(fast.events)).toHaveLength(101);
    // 64, which make room for the next; then the others.
    expect(slow.size).toBe(36);
    const seen = collect(slow);
    await settle();
    expect(jobs(seen.events).map(({ revision }) => revision)).toEqual(Array.from({ length: 36 }, (_, at) => 67 + at));
  });

  test("does not read the job for readers that ask for nothing", async () => {
    const { manual, fixture, id } = await oneRunning();
    const stream = fixture.engine.watches.watchJob(id, never());
    await stream.next();
    await stream.next();
    const reads = fixture.faults.calls("get");
    await manual.run().throws(new Error("x"));
    fixture.faults.resync();
    await settle();
    expect(fixture.faults.calls("get")).toBe(reads);
    expect(stream.size).toBe(0);
  });

  test("says whether other readers get the same events", async () => {
    const { manual, fixture, id } = await oneRunning();
    const [one, two] = [0, 1].map(() => fixture.engine.watches.watchJob(id, never()));
    const seen = one && collect(one);
    await settle();
    manual.run().context.progress(1);
    await fixture.clock.advance(1000);
    expect(one?.isShared).toBe(false);
    const other = two && collect(two);
    await settle();
    manual.run().context.progress(2);
    await fixture.clock.advance(1000);
    expect([one?.isShared, two?.isShared]).toEqual([true, true]);
    expect(seen?.events.at(-1)).toBe(other?.events.at(-1));
  });

  test("sends a heartbeat after every 15 s of silence", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    await fixture.clock.advance(14_999);
    expect(heartbeats(seen.events)).toBe(1);
    await fixture.clock.advance(1);
    expect(heartbeats(seen.events)).toBe(2);
    expect(seen.events.at(-1)).toEqual({ kind: "heartbeat", at: fixture.clock.now() });
    await fixture.clock.advance(10_000);
    manual.run().context.progress(1);
    await fixture.clock.advance(14_999);
    expect(heartbeats(seen.events)).toBe(2);
    await fixture.clock.advance(1);
    expect(heartbeats(seen.events)).toBe(3);
  });

  test("sends heartbeats, and goes on, when the job was read again without a change", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    fixture.faults.resync();
    await fixture.clock.advance(15_000);
    expect(heartbeats(seen.events)).toBe(2);
    await manual.run().returns();
    expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
  });

  test("sends no heartbeat to a reader that has events to read", async () => {
    const { manual, fixture, id } = await oneRunning();
    const slow = fixture.engine.watches.watchJob(id, never());
    await slow.next();
    await slow.next();
    await watch(fixture, id);
    manual.run().context.progress(1);
    await fixture.clock.advance(60_000);
    expect(slow.size).toBe(1);
  });

  test("is one of many without a warning", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    try {
      const { manual, fixture, id } = await oneRunning();
      const watches = await Promise.all(Array.from({ length: 100 }, () => watch(fixture, id)));
      await manual.run().returns();
      for (const { events } of watches) expect(states(events)).toEqual(["RUNNING 2", "DONE 3"]);
      expect(warnings).toEqual([]);
    } finally {
      process.off("warning", note);
    }
  });

  test("ends quietly when its reader leaves", async () => {
    const { fixture, id } = await oneRunning();
    const timers = fixture.clock.timers;
    const reader = new AbortController();
    const seen = await watch(fixture, id, reader.signal);
    expect(fixture.clock.timers).toBe(timers + 1);
    reader.abort();
    await settle();
    expect(seen).toMatchObject({ ended: true, error: undefined });
    expect(fixture.clock.timers).toBe(timers);
  });

  test("leaves no timer when its reader leaves while the job is read for the first time", async () => {
    const { fixture, id } = await oneRunning();
    const timers = fixture.clock.timers;
    const gate = deferred();
    fixture.faults.set("get", async (run) => {
      await gate.promise;
      return run();
    });
    const reader = new AbortController();
    const seen = await watch(fixture, id, reader.signal);
    reader.abort();
    gate.resolve();
    await settle();
    expect(seen).toMatchObject({ events: [], ended: true, error: undefined });
    expect(fixture.clock.timers).toBe(timers);
  });

  test("leaves nothing behind of a job that is gone", async () => {
    const { manual, fixture, id } = await oneRunning({ memory: { maxCompletedJobs: 0 } });
    const seen = await watch(fixture, id);
    await manual.run().returns();
    expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
    expect(await watch(fixture, id)).toMatchObject({ events: [], error: { reason: "JOB_NOT_FOUND" } });
  });

  test("needs no signal", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = collect(fixture.engine.watches.watchJob(id));
    await manual.run().returns();
    expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
  });

  test("leaves nothing behind on the signal of its reader", async () => {
    const { manual, fixture, id } = await oneRunning();
    const { signal } = new AbortController();
    await watch(fixture, id, signal);
    expect(getEventListeners(signal, "abort")).not.toEqual([]);
    await manual.run().returns();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("ends with SERVER_DRAINING when the server stops, and none begins after that", async () => {
    const fixture = await started();
    const id = await fixture.create();
    const seen = await watch(fixture, id);
    await fixture.engine.stop(0);
    await settle();
    expect(seen).toMatchObject({ ended: true, error: { reason: "SERVER_DRAINING" } });
    expect(await watch(fixture, id)).toMatchObject({ events: [], error: { reason: "SERVER_DRAINING" } });
  });

  test("shows what happens while the server drains", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    const stopping = fixture.engine.stop(1000);
    await manual.run().returns();
    await stopping;
    expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
    expect(seen.error).toBeUndefined();
  });

  test("goes on when the backend can be reached again, a second after it could not", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    fixture.faults.set("get", () => Promise.reject(backendUnavailable("away")));
    await manual.run().throws(new Error("x"));
    fixture.faults.resync();
    await fixture.clock.advance(3000);
    expect(states(seen.events)).toEqual(["RUNNING 2"]);
    const reads = fixture.faults.calls("get");
    await fixture.clock.advance(1000);
    expect(fixture.faults.calls("get")).toBe(reads + 1);
    fixture.faults.clear("get");
    await fixture.clock.advance(1000);
    expect(states(seen.events)).toEqual(["RUNNING 2", "FAILED 3", "PENDING 4", "RUNNING 5"]);
    await manual.run(1).returns();
    expect(states(seen.events).at(-1)).toBe("DONE 6");
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });

  test("leaves no timer when its reader leaves while the backend is away", async () => {
    const { fixture, id } = await oneRunning();
    const timers = fixture.clock.timers;
    const reader = new AbortController();
    await watch(fixture, id, reader.signal);
    fixture.faults.set("get", () => Promise.reject(backendUnavailable("away")));
    fixture.faults.resync();
    await settle();
    expect(fixture.clock.timers).toBe(timers + 2);
    reader.abort();
    await settle();
    expect(fixture.clock.timers).toBe(timers);
  });

  test("ends with the fault of the backend when that is broken", async () => {
    const { manual, fixture, id } = await oneRunning();
    const seen = await watch(fixture, id);
    fixture.faults.fail("get");
    await manual.run().returns();
    expect(seen.error).toEqual(new Error("get: the backend is away"));
  });
});
