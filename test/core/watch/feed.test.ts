import { describe, expect, test } from "vitest";
import { Feed } from "../../../src/core/watch/feed.js";

/** A feed, with what its source and its reader were told. `produce` runs when the reader asks and finds nothing. */
function open(produce: (feed: Feed<number>) => void = () => {}) {
  const calls: string[] = [];
  const feed: Feed<number> = new Feed<number>({
    started: () => {
      calls.push("started");
      produce(feed);
    },
    wanted: () => {
      calls.push("wanted");
      produce(feed);
    },
    ended: () => calls.push("ended"),
  });
  feed.reader = { ready: () => calls.push("ready") };
  return { feed, calls };
}

describe("a feed", () => {
  test("gives its events in order, and counts those that wait", () => {
    const { feed } = open();
    expect(feed.size).toBe(0);
    for (const event of [1, 2, 3]) feed.push(event);
    expect(feed.size).toBe(3);
    expect([feed.take(), feed.take(), feed.take(), feed.take()]).toEqual([1, 2, 3, undefined]);
    expect(feed.size).toBe(0);
  });

  test("asks its source only when the reader finds nothing", () => {
    const { feed, calls } = open();
    feed.push(1);
    feed.take();
    expect(calls).toEqual([]);
    feed.take();
    feed.take();
    expect(calls).toEqual(["started", "wanted"]);
  });

  test("tells the reader once that there is something, and only after it found nothing", () => {
    const { feed, calls } = open();
    feed.push(1);
    feed.take();
    expect(feed.isWanted).toBe(false);
    feed.take();
    expect(feed.isWanted).toBe(true);
    feed.push(2);
    feed.push(3);
    expect(calls).toEqual(["started", "ready"]);
    expect(feed.isWanted).toBe(false);
  });

  test("returns what its source brings while it is asked, without telling the reader", () => {
    const { feed, calls } = open((feed) => feed.push(7));
    expect(feed.take()).toBe(7);
    expect(feed.take()).toBe(7);
    expect(calls).toEqual(["started", "wanted"]);
    feed.push(8);
    expect(calls).toEqual(["started", "wanted"]);
  });

  test("that its source ends while it is asked is over without telling the reader", () => {
    const { feed, calls } = open((feed) => feed.end());
    expect(feed.take()).toBeUndefined();
    expect(feed.isOver).toBe(true);
    expect(calls).toEqual(["started", "ended"]);
  });

  test("is over when what it had, and its error, have been taken", () => {
    const { feed, calls } = open();
    feed.push(1);
    expect(feed.isEnded).toBe(false);
    feed.end({ cause: "broken" });
    expect([feed.isEnded, feed.isOver]).toEqual([true, false]);
    expect(feed.take()).toBe(1);
    expect(feed.isOver).toBe(false);
    expect(() => feed.take()).toThrow("broken");
    expect(feed.isOver).toBe(true);
    expect(feed.take()).toBeUndefined();
    expect(calls).toEqual(["ended"]);
  });

  test("is not over while events are left", () => {
    const { feed } = open();
    feed.push(1);
    feed.end();
    expect(feed.isOver).toBe(false);
    expect(feed.take()).toBe(1);
    expect(feed.isOver).toBe(true);
  });

  test("needs no reader, and shares its events with nobody unless it says so", () => {
    const { feed } = open();
    feed.reader = undefined;
    expect(feed.take()).toBeUndefined();
    feed.push(1);
    expect([feed.take(), feed.isShared]).toEqual([1, false]);
  });

  test("ends once: later events, ends and errors change nothing", () => {
    const { feed, calls } = open();
    feed.end();
    feed.push(1);
    feed.end({ cause: "broken" });
    expect(feed.size).toBe(0);
    expect(feed.take()).toBeUndefined();
    expect(calls).toEqual(["ended"]);
  });

  test("that is cleared has room for new events", () => {
    const { feed } = open();
    for (const event of [1, 2, 3]) feed.push(event);
    feed.clear();
    expect(feed.size).toBe(0);
    feed.push(4);
    expect([feed.take(), feed.take()]).toEqual([4, undefined]);
  });

  test("drops everything when its reader leaves a loop", async () => {
    const { feed, calls } = open();
    for (const event of [1, 2, 3]) feed.push(event);
    for await (const event of feed) if (event === 2) break;
    expect(feed.isOver).toBe(true);
    expect(await feed.next()).toEqual({ done: true, value: undefined });
    expect(calls).toEqual(["ended"]);
  });

  test("says that it is done when its reader leaves", async () => {
    const { feed } = open();
    expect(await feed.return()).toEqual({ done: true, value: undefined });
  });

  test("is over at once for a reader that has left already", () => {
    const { feed, calls } = open();
    feed.push(1);
    feed.leaveOn(AbortSignal.abort());
    expect(feed.isOver).toBe(true);
    expect(calls).toEqual(["ended"]);
  });

  test("drops an error that nobody took when its reader leaves", () => {
    const { feed } = open();
    feed.end({ cause: "broken" });
    feed.close();
    expect(feed.take()).toBeUndefined();
  });
});
