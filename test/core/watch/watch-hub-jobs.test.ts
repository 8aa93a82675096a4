import { describe, expect, test } from "vitest";
import type { ChangeFilter } from "../../../src/core/port/changes.js";
import type { JobsEvent } from "../../../src/core/watch/watch-events.js";
import { backendUnavailable } from "../../../src/model/common/errors.js";
import { settle } from "../../support/fake-clock.js";
import { collect, deferred } from "../support/async.js";
import { type Fixture, running, started } from "../support/fixture.js";

const never = (): AbortSignal => new AbortController().signal;

/** Reads a watch of all jobs, from now on. */
async function watch(fixture: Fixture, filter: ChangeFilter = {}, cursor?: string, signal = never()) {
  const seen = collect(fixture.engine.watches.watchJobs(filter, cursor, signal));
  await settle();
  return seen;
}

function lines(events: readonly JobsEvent[]): string[] {
  return events.flatMap((event) =>
    event.kind === "event" ? [`${event.change.jobId} ${event.change.revision} ${event.change.status}`] : [],
  );
}

function heartbeats(events: readonly JobsEvent[]): number[] {
  return events.flatMap((event) => (event.kind === "heartbeat" ? [event.at] : []));
}

/** Returns every change since a cursor, directly from the log. */
async function log(fixture: Fixture, from: string): Promise<string[]> {
  const found: string[] = [];
  let cursor = from;
  for (let more = true; more; ) {
    const page = await fixture.backend.read(cursor, 1000, {});
    found.push(...page.entries.map(({ change }) => `${change.jobId} ${change.revision} ${change.status}`));
    cursor = page.next;
    more = page.more;
  }
  return found;
}

describe("a watcher of jobs sees", () => {
  test("a heartbeat at once, then each change, a cursor with every message", async () => {
    const fixture = await running(() => 1);
    await fixture.create();
    const seen = await watch(fixture);
    const start = await fixture.backend.head();
    expect(seen.events).toEqual([{ kind: "heartbeat", at: fixture.clock.now(), cursor: start }]);
    const id = await fixture.create();
    expect(lines(seen.events)).toEqual([`${id} 1 PENDING`, `${id} 2 RUNNING`, `${id} 3 DONE`]);
    expect(seen.events.at(-1)?.cursor).toBe(await fixture.backend.head());
    expect(new Set(seen.events.map(({ cursor }) => cursor)).size).toBe(4);
  });

  test("FAILED before what follows, and deletions", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    const [id = ""] = await fixture.bury([{ maxRetries: 0 }]);
    await fixture.engine.dlq.remove(id);
    await settle();
    expect(lines(seen.events)).toEqual(
      ["1 PENDING", "2 RUNNING", "3 FAILED", "4 DEAD", "5 DEAD"].map((line) => `${id} ${line}`),
    );
    expect(seen.events.at(-1)).toMatchObject({ change: { deleted: true } });
  });

  test("every change exactly once and in order, while many are made and it reads now and then", async () => {
    const fixture = await running((job) => (job.retryCount === 0 && job.priority === 1 ? Promise.reject("x") : 1), {
      numWorkers: 7,
    });
    const start = await fixture.backend.head();
    const stream = fixture.engine.watches.watchJobs({}, undefined, never());
    const events: JobsEvent[] = [];
    const read = async () => {
      const { value } = await stream.next();
      if (value !== undefined) events.push(value);
    };
    await read();
    for (let round = 0; round < 40; round++) {
      const creating = fixture.engine.jobs.createBatch(
        Array.from({ length: 5 }, (_, index) => ({ type: "work", priority: index % 2 })),
      );
      for (let count = 0; count < (round * 3) % 11; count++) await read();
      await creating;
      await fixture.clock.advance(60);
    }
    await fixture.clock.advance(1000);
    const expected = await log(fixture, start);
    while (lines(events).length < expected.length) await read();
    expect(lines(events)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(600);
  });

  test("all of a burst larger than what is read at once", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    for (let batch = 0; batch < 3; batch++) {
      await fixture.engine.jobs.createBatch(Array.from({ length: 1000 }, () => ({ type: "work" })));
    }
    await settle();
    expect(lines(seen.events)).toHaveLength(3000);
    expect(new Set(lines(seen.events)).size).toBe(3000);
  });

  test("only what matches the filter", async () => {
    const fixture = await running(() => 1);
    await fixture.engine.queues.create("mail");
    const byQueue = await watch(fixture, { queues: new Set(["mail"]) });
    const byType = await watch(fixture, { types: new Set(["other"]) });
    const byStatus = await watch(fixture, { statuses: new Set(["DONE", "CANCELED"] as const) });
    const byAll = await watch(fixture, {
      queues: new Set(["mail"]),
      types: new Set(["work"]),
      statuses: new Set(["DONE"] as const),
    });
    const one = await fixture.create();
    const two = await fixture.create({ queue: "mail" });
    const three = await fixture.create({ queue: "mail", type: "other" });
    expect(lines(byQueue.events)).toEqual([
      `${two} 1 PENDING`,
      `${two} 2 RUNNING`,
      `${two} 3 DONE`,
      `${three} 1 PENDING`,
    ]);
    expect(lines(byType.events)).toEqual([`${three} 1 PENDING`]);
    expect(lines(byStatus.events)).toEqual([`${one} 3 DONE`, `${two} 3 DONE`]);
    expect(lines(byAll.events)).toEqual([`${two} 3 DONE`]);
  });

  test("its own part only, when others with other filters read at the same place in the same moment", async () => {
    const fixture = await started();
    await fixture.engine.queues.create("mail");
    const seen = await Promise.all(["mail", "default"].map((queue) => watch(fixture, { queues: new Set([queue]) })));
    const one = await fixture.create();
    const two = await fixture.create({ queue: "mail" });
    expect(seen.map(({ events }) => lines(events))).toEqual([[`${two} 1 PENDING`], [`${one} 1 PENDING`]]);
  });

  test("each change once, when they come after a cursor and before the log was read", async () => {
    const fixture = await started();
    const cursor = await fixture.backend.head();
    const gates = [deferred(), deferred()];
    let reads = 0;
    fixture.faults.set("read", async (run) => {
      const gate = gates[reads++];
      const page = await run();
      await gate?.promise;
      return page;
    });
    const seen = await watch(fixture, {}, cursor);
    const ids = [await fixture.create(), await fixture.create()];
    for (const gate of gates) {
      gate.resolve();
      await settle();
    }
    expect(lines(seen.events)).toEqual(ids.map((id) => `${id} 1 PENDING`));
  });

  test("a change that came before it, while the same page was being read for another", async () => {
    const fixture = await started();
    const cursor = await fixture.backend.head();
    const gate = deferred();
    fixture.faults.set("read", async (run) => {
      const page = await run();
      await gate.promise;
      return page;
    });
    const first = await watch(fixture, {}, cursor);
    const id = await fixture.create();
    const second = await watch(fixture, {}, cursor);
    gate.resolve();
    await settle();
    for (const { events } of [first, second]) expect(lines(events)).toEqual([`${id} 1 PENDING`]);
  });

  test("what matches, also behind more that does not than is looked at in one go", async () => {
    const fixture = await started();
    const seen = await watch(fixture, { types: new Set(["rare"]) });
    for (let batch = 0; batch < 12; batch++) {
      await fixture.engine.jobs.createBatch(Array.from({ length: 1000 }, () => ({ type: "work" })));
    }
    const id = await fixture.create({ type: "rare" });
    expect(lines(seen.events)).toEqual([`${id} 1 PENDING`]);
  });
});

describe("a cursor", () => {
  test("of any message goes on right behind it", async () => {
    const fixture = await running(() => 1);
    const first = await watch(fixture);
    for (let count = 0; count < 4; count++) await fixture.create();
    const all = lines(first.events);
    expect(all).toHaveLength(12);
    for (const [index, { cursor }] of first.events.entries()) {
      const resumed = await watch(fixture, {}, cursor);
      expect(resumed.events[0]).toMatchObject({ kind: "heartbeat", cursor });
      expect(lines(resumed.events)).toEqual(all.slice(index));
    }
  });

  test("of a heartbeat moves on over changes that do not match", async () => {
    const fixture = await started();
    const seen = await watch(fixture, { types: new Set(["rare"]) });
    for (let count = 0; count < 5; count++) await fixture.create();
    await fixture.clock.advance(15_000);
    expect(seen.events.at(-1)).toMatchObject({ kind: "heartbeat", cursor: await fixture.backend.head() });
  });

  test("that is older than the log ends the watch with WATCH_COMPACTED", async () => {
    const fixture = await started({ memory: { changeLogSize: 10 } });
    const cursor = await fixture.backend.head();
    for (let count = 0; count < 10; count++) await fixture.create();
    expect(lines((await watch(fixture, {}, cursor)).events)).toHaveLength(10);
    await fixture.create();
    expect(await watch(fixture, {}, cursor)).toMatchObject({ events: [], error: { reason: "WATCH_COMPACTED" } });
  });

  test("of a reader that falls off the log ends its watch with WATCH_COMPACTED, and no writer waits", async () => {
    const fixture = await started({ memory: { changeLogSize: 10 } });
    const stream = fixture.engine.watches.watchJobs({}, undefined, never());
    await stream.next();
    await fixture.create();
    await stream.next();
    for (let count = 0; count < 200; count++) await fixture.create();
    const seen = collect(stream);
    await settle();
    expect(seen).toMatchObject({ ended: true, error: { reason: "WATCH_COMPACTED" } });
    expect((await fixture.engine.queues.get("default")).stats.ready).toBe(201);
  });

  test("that is none is refused", async () => {
    const fixture = await started();
    const seen = await watch(fixture, {}, "nonsense");
    expect(seen.error).toMatchObject({ reason: "FIELD_INVALID", violations: [{ field: "cursor" }] });
  });
});

describe("a watch of jobs", () => {
  test("is one event object for all that ask for the same, and says so; the log is not read for it", async () => {
    const fixture = await started();
    const filters: ChangeFilter[] = [{ types: new Set(["a", "work"]) }, { types: new Set(["work", "a"]) }];
    const [one, two] = filters.map((filter) => fixture.engine.watches.watchJobs(filter, undefined, never()));
    const seen = [one, two].map((feed) => feed && collect(feed));
    await settle();
    const reads = fixture.faults.calls("read");
    for (const isRead of [false, true]) {
      if (isRead) fixture.faults.set("read", (run) => settle().then(run));
      if (isRead) fixture.faults.interrupt();
      await fixture.create();
      await settle();
      expect([one?.isShared, two?.isShared]).toEqual([true, true]);
      expect(seen.map((each) => each?.events.length)).toEqual(isRead ? [3, 3] : [2, 2]);
      expect(seen[0]?.events.at(-1)).toBe(seen[1]?.events.at(-1));
      // Those that have to read it read it together.
      expect(fixture.faults.calls("read") - reads).toBeLessThanOrEqual(isRead ? 3 : 0);
    }
    two?.close();
    await fixture.create();
    expect(one?.isShared).toBe(false);
  });

  test("goes on when the backend can be reached again, a second after it could not", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    fixture.faults.set("read", () => Promise.reject(backendUnavailable("away")));
    fixture.faults.interrupt();
    const id = await fixture.create();
    await fixture.clock.advance(3000);
    const reads = fixture.faults.calls("read");
    await fixture.clock.advance(1000);
    expect(fixture.faults.calls("read")).toBe(reads + 1);
    expect(lines(seen.events)).toEqual([]);
    fixture.faults.clear("read");
    await fixture.clock.advance(1000);
    expect(lines(seen.events)).toEqual([`${id} 1 PENDING`]);
    expect(seen.ended).toBe(false);
  });

  test("ends with the fault of the backend when that is broken", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    fixture.faults.fail("read");
    fixture.faults.interrupt();
    await settle();
    expect(seen).toMatchObject({ ended: true, error: new Error("read: the backend is away") });
  });

  test.each([false, true])(
    "sends no heartbeat to a reader that has events to read; it read them itself: %s",
    async (isRead) => {
      const fixture = await started();
      const stream = fixture.engine.watches.watchJobs({}, await fixture.backend.head(), never());
      await stream.next();
      if (isRead) fixture.faults.interrupt();
      await fixture.engine.jobs.createBatch([{ type: "work" }, { type: "work" }, { type: "work" }]);
      await settle();
      await stream.next();
      await fixture.clock.advance(60_000);
      const seen = collect(stream);
      await settle();
      expect(seen.events.map(({ kind }) => kind)).toEqual(["event", "event"]);
    },
  );

  test("reads nothing for a reader that left before it was let in", async () => {
    const fixture = await started();
    const timers = fixture.clock.timers;
    const gate = deferred();
    const reader = new AbortController();
    const seen = collect(fixture.engine.watches.watchJobs({}, undefined, reader.signal, () => gate.promise));
    await settle();
    reader.abort();
    gate.resolve();
    await settle();
    expect(seen).toMatchObject({ events: [], ended: true, error: undefined });
    expect([fixture.faults.calls("head"), fixture.faults.calls("read")]).toEqual([0, 0]);
    expect(fixture.clock.timers).toBe(timers);
  });

  test("is refused with what its admission says", async () => {
    const fixture = await started();
    const refusal = new Error("too many");
    const seen = collect(fixture.engine.watches.watchJobs({}, undefined, never(), () => Promise.reject(refusal)));
    await settle();
    expect(seen).toMatchObject({ events: [], error: refusal });
  });

  test("sends a heartbeat after every 15 s of silence", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    const start = fixture.clock.now();
    await fixture.clock.advance(50_000);
    expect(heartbeats(seen.events)).toEqual([start, start + 15_000, start + 30_000, start + 45_000]);
  });

  test("counts the silence from the last message", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    await fixture.clock.advance(10_000);
    await fixture.create();
    await fixture.clock.advance(14_999);
    expect(heartbeats(seen.events)).toHaveLength(1);
    await fixture.clock.advance(1);
    expect(heartbeats(seen.events)).toHaveLength(2);
  });

  test("sends heartbeats at most 15 s apart while changes that do not match stream by", async () => {
    const fixture = await started();
    const seen = await watch(fixture, { types: new Set(["rare"]) });
    for (let second = 0; second < 100; second++) {
      await fixture.clock.advance(700);
      await fixture.create();
    }
    const times = heartbeats(seen.events);
    expect(times).toHaveLength(5);
    for (const [index, at] of times.slice(1).entries()) expect(at - (times[index] ?? 0)).toBe(15_000);
  });

  test("sends no heartbeat while changes that match keep coming", async () => {
    const fixture = await started();
    const seen = await watch(fixture);
    for (let second = 0; second < 60; second++) {
      await fixture.clock.advance(1000);
      await fixture.create();
    }
    expect(heartbeats(seen.events)).toHaveLength(1);
  });

  test("ends quietly when its reader leaves, and leaves no timer", async () => {
    const fixture = await started();
    const timers = fixture.clock.timers;
    const reader = new AbortController();
    const seen = await watch(fixture, {}, undefined, reader.signal);
    expect(fixture.clock.timers).toBe(timers + 1);
    reader.abort();
    await settle();
    expect(seen).toMatchObject({ ended: true, error: undefined });
    expect(fixture.clock.timers).toBe(timers);
  });

  test("ends with SERVER_DRAINING when the server stops, after the last changes, and none begins after that", async () => {
    const fixture = await running(() => 1);
    const seen = await watch(fixture);
    const created = fixture.engine.jobs.create({ type: "work" });
    const stopping = fixture.engine.stop(1000);
    const { job } = await created;
    await stopping;
    await settle();
    expect(lines(seen.events)[0]).toBe(`${job.id} 1 PENDING`);
    expect(seen).toMatchObject({ ended: true, error: { reason: "SERVER_DRAINING" } });
    expect(await watch(fixture)).toMatchObject({ events: [], error: { reason: "SERVER_DRAINING" } });
  });
});
