import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { backendUnavailable } from "../../../src/model/common/errors.js";
import { settle } from "../../support/fake-clock.js";
import { collect } from "../support/async.js";
import { type Fixture, running, started } from "../support/fixture.js";

const never = (): AbortSignal => new AbortController().signal;

/** Reads a watch of queues, from now on, and records in short what it sends. */
async function watch(fixture: Fixture, names?: readonly string[], minIntervalMs = 1000, signal = never()) {
  const seen = collect(fixture.engine.watches.watchQueues({ names, minIntervalMs }, signal));
  await settle();
  return {
    seen,
    /** What it has sent since the last call. */
    news() {
      return seen.events.splice(0).map((event) => {
        if (event.kind === "heartbeat") return "heartbeat";
        return event.queues
          .map(({ name, paused, stats }) => `${name}${paused ? " paused" : ""} ${stats.ready}`)
          .join(", ");
      });
    },
  };
}

describe("a watch of queues", () => {
  test("begins with a heartbeat and the queues as they are", async () => {
    const fixture = await started();
    await fixture.engine.queues.create("mail");
    await fixture.create();
    const { seen, news } = await watch(fixture);
    expect(seen.events[1]).toMatchObject({ kind: "event", at: fixture.clock.now() });
    expect(news()).toEqual(["heartbeat", "default 1, mail 0"]);
  });

  test("tells when jobs come and go", async () => {
    const fixture = await running(() => 1);
    await fixture.engine.queues.pause("default");
    const { news } = await watch(fixture);
    news();
    await fixture.clock.advance(1000);
    await fixture.create();
    expect(news()).toEqual(["default paused 1"]);
    await fixture.clock.advance(1000);
    await fixture.engine.queues.resume("default");
    await settle();
    expect(news().at(-1)).toMatch(/^default \d/);
    await fixture.clock.advance(1000);
    expect(news()).toEqual(["default 0"]);
  });

  test("tells of queues that are made, changed and deleted", async () => {
    const fixture = await started();
    const { news } = await watch(fixture);
    news();
    for (const [change, told] of [
      [() => fixture.engine.queues.create("mail"), "default 0, mail 0"],
      [() => fixture.engine.queues.pause("mail"), "default 0, mail paused 0"],
      [() => fixture.engine.queues.remove("mail", false), "default 0"],
    ] as const) {
      await fixture.clock.advance(1000);
      await change();
      await settle();
      expect(news()).toEqual([told]);
    }
  });

  test("tells when a delayed job becomes ready", async () => {
    const fixture = await started();
    await fixture.create({ delayMs: 5000 });
    const { news } = await watch(fixture);
    news();
    await fixture.clock.advance(4999);
    expect(news()).toEqual([]);
    await fixture.clock.advance(1);
    expect(news()).toEqual(["default 1"]);
  });

  test("tells no more often than asked for, and the latest at last", async () => {
    const fixture = await started();
    const { news } = await watch(fixture, undefined, 1000);
    expect(news()).toHaveLength(2);
    for (let count = 0; count < 50; count++) {
      await fixture.create();
      await fixture.clock.advance(100);
    }
    const told = news();
    expect(told).toHaveLength(5);
    await fixture.clock.advance(1000);
    expect([...told, ...news()].at(-1)).toBe("default 50");
    await fixture.clock.advance(10_000);
    expect(news()).toEqual([]);
  });

  test("tells of the named queues only, and of one that comes later", async () => {
    const fixture = await started();
    const { news } = await watch(fixture, ["mail", "later"]);
    expect(news()).toEqual(["heartbeat", ""]);
    await fixture.clock.advance(1000);
    await fixture.engine.queues.create("later");
    await settle();
    expect(news()).toEqual(["later 0"]);
  });

  test.each([0, 1000, 10_000, 15_000, 40_000])(
    "sends heartbeats 15 s apart when nothing happens, with an interval of %i ms",
    async (interval) => {
      const fixture = await started();
      const { news } = await watch(fixture, undefined, interval);
      news();
      await fixture.clock.advance(14_999);
      expect(news()).toEqual([]);
      for (let count = 0; count < 3; count++) {
        await fixture.clock.advance(1);
        expect(news()).toEqual(["heartbeat"]);
        await fixture.clock.advance(14_999);
        expect(news()).toEqual([]);
      }
    },
  );

  test("keeps to an interval longer than that between heartbeats", async () => {
    const fixture = await started();
    const { news } = await watch(fixture, undefined, 40_000);
    news();
    await fixture.create();
    await fixture.clock.advance(39_999);
    expect(news()).toEqual(["heartbeat", "heartbeat"]);
    await fixture.clock.advance(1);
    expect(news()).toEqual(["default 1"]);
  });

  test("ends quietly when its reader leaves, between two messages or at once after one", async () => {
    for (const wait of [0, 5000]) {
      const fixture = await started();
      const timers = fixture.clock.timers;
      const reader = new AbortController();
      const { seen } = await watch(fixture, undefined, 1000, reader.signal);
      await fixture.clock.advance(wait);
      reader.abort();
      await settle();
      expect(seen).toMatchObject({ ended: true, error: undefined });
      expect(fixture.clock.timers).toBe(timers);
    }
  });

  test("ends at once for a reader that has left already", async () => {
    const fixture = await started();
    const timers = fixture.clock.timers;
    const { seen } = await watch(fixture, undefined, 1000, AbortSignal.abort());
    expect(seen).toMatchObject({ ended: true, error: undefined });
    expect(fixture.clock.timers).toBe(timers);
  });

  test("leaves nothing behind on the signal of its reader", async () => {
    const fixture = await started();
    const { signal } = new AbortController();
    const stream = fixture.engine.watches.watchQueues({ minIntervalMs: 1000 }, signal);
    await stream.next();
    expect(getEventListeners(signal, "abort")).not.toEqual([]);
    await stream.return();
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("is refused when the backend cannot be reached", async () => {
    const fixture = await started();
    fixture.faults.set("queues", () => Promise.reject(backendUnavailable("away")));
    expect((await watch(fixture)).seen).toMatchObject({ events: [], error: { reason: "BACKEND_UNAVAILABLE" } });
  });

  test("sends heartbeats while the backend cannot be reached, asks it every second, and goes on", async () => {
    const fixture = await started();
    const { seen, news } = await watch(fixture, undefined, 0);
    news();
    await fixture.clock.advance(5500);
    fixture.faults.set("queues", () => Promise.reject(backendUnavailable("away")));
    await fixture.create();
    const asked = fixture.faults.calls("queues");
    await fixture.clock.advance(9499);
    expect(news()).toEqual([]);
    expect(fixture.faults.calls("queues")).toBe(asked + 9);
    await fixture.clock.advance(1);
    expect(news()).toEqual(["heartbeat"]);
    await fixture.clock.advance(14_999);
    expect(news()).toEqual([]);
    await fixture.clock.advance(1);
    expect(news()).toEqual(["heartbeat"]);
    await fixture.create();
    fixture.faults.clear("queues");
    await fixture.clock.advance(1000);
    expect(news()).toEqual(["default 2"]);
    expect(seen.ended).toBe(false);
  });

  test("ends with the fault of the backend when that is broken", async () => {
    const fixture = await started();
    const { seen } = await watch(fixture);
    await fixture.clock.advance(1000);
    fixture.faults.fail("queues");
    await fixture.create();
    expect(seen).toMatchObject({ ended: true, error: new Error("queues: the backend is away") });
  });

  test("ends with SERVER_DRAINING when the server stops, and none begins after that", async () => {
    const fixture = await started();
    const { seen } = await watch(fixture);
    await fixture.engine.stop(0);
    await settle();
    expect(seen).toMatchObject({ ended: true, error: { reason: "SERVER_DRAINING" } });
    expect((await watch(fixture)).seen).toMatchObject({ events: [], error: { reason: "SERVER_DRAINING" } });
  });

  test("gives watchers of the same the same event objects, in step from the second on", async () => {
    const fixture = await started();
    const first = await watch(fixture);
    await fixture.clock.advance(300);
    const second = await watch(fixture);
    for (const { seen } of [first, second]) seen.events.length = 0;
    const asked = fixture.faults.calls("queues");
    for (let count = 0; count < 30; count++) {
      await fixture.create();
      await fixture.clock.advance(100);
    }
    const events = second.seen.events;
    expect(events.length).toBeGreaterThan(1);
    for (const event of events) expect(first.seen.events).toContain(event);
    expect(fixture.faults.calls("queues") - asked).toBe(first.seen.events.length);
  });

  test("tells changes only, if asked for", async () => {
    const fixture = await started();
    for (const name of ["a", "b"]) await fixture.engine.queues.create(name);
    const stream = fixture.engine.watches.watchQueues({ minIntervalMs: 100, changesOnly: true });
    const { events } = collect(stream);
    const news = () =>
      events.splice(0).map((event) => {
        if (event.kind === "heartbeat") return event.kind;
        return [...event.queues.map(({ name }) => name), ...event.gone.map((name) => `-${name}`)].join(" ");
      });
    await settle();
    expect(news()).toEqual(["heartbeat", "a b default"]);
    await fixture.clock.advance(100);
    await fixture.create({ queue: "b" });
    expect(news()).toEqual(["b"]);
    await fixture.clock.advance(100);
    await fixture.engine.queues.remove("a", false);
    await fixture.engine.queues.create("c");
    await settle();
    await fixture.clock.advance(100);
    expect(news().join(" ")).toBe("-a c");
    await fixture.clock.advance(15_000);
    expect(news()).toEqual(["heartbeat"]);
    stream.close();
  });

  test("gives a reader that was slow the latest figures", async () => {
    const fixture = await started();
    const stream = fixture.engine.watches.watchQueues({ minIntervalMs: 100 });
    await stream.next();
    await stream.next();
    const asked = fixture.faults.calls("queues");
    for (let count = 0; count < 5; count++) {
      await fixture.create();
      await fixture.clock.advance(1000);
    }
    expect(fixture.faults.calls("queues")).toBe(asked);
    const { value } = await stream.next();
    expect(value).toMatchObject({ kind: "event", queues: [{ stats: { ready: 5 } }] });
    stream.close();
  });
});
