import { beforeEach, describe, expect, test } from "vitest";
import { DueTimes } from "../../../../src/backends/redis/queues/due-times.js";
import { FakeClock } from "../../../support/fake-clock.js";

/** How long a server leaves a sweep to the server that swept last, ms. */
const PATIENCE_MS = 250;

let clock: FakeClock;
let times: DueTimes;

beforeEach(() => {
  clock = new FakeClock();
  times = new DueTimes(clock, "me");
});

describe("when a queue is to be swept", () => {
  test("nothing is due at first", () => {
    expect(times.due()).toEqual([]);
    expect(times.nextInMs()).toBeUndefined();
  });

  test("it is due to the ms while nobody has swept it", async () => {
    expect(times.add("a", 100)).toBe(100);
    await clock.advance(99);
    expect(times.due()).toEqual([]);
    expect(times.nextInMs()).toBe(1);
    await clock.advance(1);
    expect(times.due()).toEqual(["a"]);
    expect(times.nextInMs()).toBe(0);
  });

  test("every known queue is due at once when the time of the store has stepped", async () => {
    times.add("a", 100_000);
    times.begin("b");
    times.end("b", 200_000, 200_000);
    times.hurry();
    expect(times.due().toSorted()).toEqual(["a", "b"]);
    times.begin("a");
    times.end("a", 50, 50);
    expect(times.due()).toEqual(["b"]);
  });

  test("the earliest of what was heard counts", async () => {
    times.add("a", 100);
    times.add("a", 50);
    times.add("a", 70);
    times.add("b", 60);
    expect(times.nextInMs()).toBe(50);
    await clock.advance(60);
    expect(times.due().toSorted()).toEqual(["a", "b"]);
  });

  test("the one that swept it last does it again to the ms, another a moment later", async () => {
    times.swept("a", 100, "you");
    times.begin("b");
    times.end("b", 100, 100);
    expect(times.add("a", 100)).toBe(100 + PATIENCE_MS);
    expect(times.add("b", 100)).toBe(100);
    await clock.advance(100);
    expect(times.due()).toEqual(["b"]);
    await clock.advance(PATIENCE_MS - 1);
    expect(times.due()).toEqual(["b"]);
    await clock.advance(1);
    expect(times.due().toSorted()).toEqual(["a", "b"]);
  });

  test("its own notices tell a server nothing", async () => {
    times.begin("a");
    times.end("a", 30, 30);
    times.swept("a", undefined, "me");
    await clock.advance(30);
    expect(times.due()).toEqual(["a"]);
  });

  test("what is heard while it sweeps is not forgotten at the end of the sweep", async () => {
    times.add("a", 0);
    times.begin("a");
    expect(times.due()).toEqual([]);
    times.add("a", 20);
    times.end("a", 1000, 1000);
    expect(times.nextInMs()).toBe(20);
    await clock.advance(20);
    expect(times.due()).toEqual(["a"]);
  });

  test("a sweep may come a little later than what is due; whoever looks meanwhile does it", async () => {
    times.begin("a");
    times.end("a", 100, 40);
    expect(times.nextInMs()).toBe(100);
    await clock.advance(39);
    expect(times.due()).toEqual([]);
    await clock.advance(1);
    expect(times.due()).toEqual(["a"]);
  });

  test("one that did a full part of the work is due at once, though the next thing may be due much later", () => {
    times.begin("a");
    times.end("a", 0, 60_000);
    expect(times.nextInMs()).toBe(0);
    expect(times.due()).toEqual(["a"]);
  });

  test("after a break goes by what a look at the queue told, and by what was told meanwhile", async () => {
    times.swept("gone", 1, "you");
    times.swept("a", 1, "you");
    times.add("b", 1);
    times.add("c", 5);
    times.keep(new Set(["a", "b", "c"]));
    for (const queue of ["a", "b", "c"]) times.look(queue);
    expect(times.nextInMs()).toBeUndefined();
    times.add("c", 100);
    times.looked("a", 1000, 900);
    times.looked("b", -1, -1);
    times.looked("c", 400, 300);
    expect(times.nextInMs()).toBe(100);
    await clock.advance(100);
    expect(times.due()).toEqual(["c"]);
    // The server that swept it last does so again; this one waits a little, in case it is gone.
    await clock.advance(1000);
    expect(times.due().toSorted()).toEqual(["c"]);
    await clock.advance(50);
    expect(times.due().toSorted()).toEqual(["a", "c"]);
  });
});
