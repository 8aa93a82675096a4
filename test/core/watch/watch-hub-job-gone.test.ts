import { describe, expect, test } from "vitest";
import { settle } from "../../support/fake-clock.js";
import { collect, deferred } from "../support/async.js";
import { started } from "../support/fixture.js";
import { never, oneRunning, states, watch } from "../support/watch-job.js";

describe("a job that goes away", () => {
  test("ends the watch when it is purged", async () => {
    const fixture = await started();
    const id = await fixture.create();
    const seen = await watch(fixture, id);
    await fixture.engine.queues.purge("default");
    await settle();
    expect(states(seen.events)).toEqual(["PENDING 1"]);
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });

  test("ends the watch when its queue is deleted under it", async () => {
    const { fixture } = await oneRunning();
    await fixture.engine.queues.create("gone");
    const id = await fixture.create({ queue: "gone" });
    const seen = await watch(fixture, id);
    await fixture.engine.queues.remove("gone", true);
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 2"]);
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });

  test("right after it was done is shown as DONE all the same", async () => {
    for (const maxCompletedJobs of [0, 1]) {
      const { manual, fixture, id } = await oneRunning({ memory: { maxCompletedJobs } });
      await fixture.create();
      const seen = await watch(fixture, id);
      await Promise.all([manual.run(0).returns(), manual.run(1).returns()]);
      expect(states(seen.events)).toEqual(["RUNNING 2", "DONE 3"]);
      expect(seen).toMatchObject({ ended: true, error: undefined });
    }
  });

  test("before a late reader asks is shown as it was, to the end", async () => {
    const { manual, fixture, id } = await oneRunning({ memory: { maxCompletedJobs: 0 } });
    const stream = fixture.engine.watches.watchJob(id, never());
    await stream.next();
    await stream.next();
    manual.run().context.progress(50);
    await settle();
    await manual.run().returns();
    const seen = collect(stream);
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 3", "DONE 4"]);
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });

  test("while the watcher is asking for it is shown as DONE all the same", async () => {
    const { manual, fixture, id } = await oneRunning({ memory: { maxCompletedJobs: 0 } });
    const seen = await watch(fixture, id);
    const gate = deferred();
    fixture.faults.set("get", async (run) => {
      await gate.promise;
      return run();
    });
    manual.run().context.progress(50);
    fixture.faults.resync();
    await settle();
    await manual.run().returns();
    fixture.faults.clear("get");
    gate.resolve();
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 2", "RUNNING 3", "DONE 4"]);
    expect(seen.ended).toBe(true);
  });

  /** A job that is done and deleted while the watcher reads it, and whose last changes are not reported. */
  async function goneBeforeTold() {
    const { manual, fixture, id } = await oneRunning({ memory: { maxCompletedJobs: 0 } });
    const seen = await watch(fixture, id);
    const gate = deferred();
    fixture.faults.set("get", async (run) => {
      await gate.promise;
      return run();
    });
    manual.run().context.progress(50);
    fixture.faults.resync();
    await settle();
    fixture.faults.holdChanges();
    await manual.run().returns();
    gate.resolve();
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 2", "RUNNING 3"]);
    expect(seen.ended).toBe(false);
    return { fixture, seen };
  }

  test("before its last changes are told is shown as DONE all the same", async () => {
    const { fixture, seen } = await goneBeforeTold();
    fixture.faults.releaseChanges();
    await settle();
    expect(states(seen.events)).toEqual(["RUNNING 2", "RUNNING 3", "DONE 4"]);
    expect(seen.ended).toBe(true);
  });

  test("without a word ends the watch after a while", async () => {
    const { fixture, seen } = await goneBeforeTold();
    await fixture.clock.advance(15_000);
    expect(states(seen.events)).toEqual(["RUNNING 2", "RUNNING 3"]);
    expect(seen).toMatchObject({ ended: true, error: undefined });
  });
});
