import fc from "fast-check";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { DueTimes } from "../../../../src/backends/redis/queues/due-times.js";
import { PlacedHeap } from "../../../../src/core/stores/placed-heap.js";
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

/** The same rules without any index: every question walks all queues. */
class NaiveTimes {
  readonly #queues = new Map<string, { at: number; wakeAt: number; sweeper: string | undefined }>();

  constructor(readonly clock: FakeClock) {}

  hear(queue: string, inMs: number): void {
    const due = this.#of(queue);
    const at = this.clock.monotonic() + inMs;
    this.#queues.set(queue, { ...due, at: Math.min(due.at, at), wakeAt: Math.min(due.wakeAt, at) });
  }

  replace(queue: string, inMs: number, sweeper = this.#of(queue).sweeper): void {
    const at = this.clock.monotonic() + inMs;
    this.#queues.set(queue, { at, wakeAt: at, sweeper });
  }

  told(queue: string, inMs: number, exactInMs: number, sweeper = this.#of(queue).sweeper): void {
    const [due, now] = [this.#of(queue), this.clock.monotonic()];
    const at = Math.min(due.at, now + Math.min(inMs, exactInMs));
    this.#queues.set(queue, { at, wakeAt: Math.min(due.wakeAt, now + inMs), sweeper });
  }

  hurry(): void {
    for (const queue of this.#queues.keys()) this.hear(queue, 0);
  }

  keep(queues: ReadonlySet<string>): void {
    for (const queue of this.#queues.keys()) if (!queues.has(queue)) this.#queues.delete(queue);
  }

  forget(queue: string): void {
    this.#queues.delete(queue);
  }

  due(): string[] {
    const now = this.clock.monotonic();
    return [...this.#queues].filter(([, due]) => due.at + patience(due.sweeper) <= now).map(([queue]) => queue);
  }

  nextInMs(): number | undefined {
    const all = [...this.#queues.values()].map(({ wakeAt, sweeper }) => wakeAt + patience(sweeper));
    const next = Math.min(Number.POSITIVE_INFINITY, ...all);
    return next === Number.POSITIVE_INFINITY ? undefined : Math.max(0, next - this.clock.monotonic());
  }

  #of(queue: string) {
    const never = { at: Number.POSITIVE_INFINITY, wakeAt: Number.POSITIVE_INFINITY, sweeper: undefined };
    return this.#queues.get(queue) ?? never;
  }
}

const patience = (sweeper: string | undefined) => (sweeper === undefined || sweeper === "me" ? 0 : PATIENCE_MS);

describe("many queues", () => {
  test("are due as if each question walked all of them", async () => {
    const step = fc.record({
      what: fc.constantFrom(
        "add",
        "begin",
        "end",
        "swept",
        "none",
        "look",
        "looked",
        "keep",
        "hurry",
        "forget",
        "wait",
      ),
      queue: fc.constantFrom(..."abcdefghij"),
      inMs: fc.integer({ min: 0, max: 600 }),
      exact: fc.integer({ min: 0, max: 600 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
        clock = new FakeClock();
        times = new DueTimes(clock, "me");
        const naive = new NaiveTimes(clock);
        const never = Number.POSITIVE_INFINITY;
        for (const { what, queue, inMs, exact } of steps) {
          const kept = new Set([..."abcdefghij"].filter((name) => name >= queue));
          if (what === "add") {
            times.add(queue, inMs);
            naive.hear(queue, inMs);
          }
          if (what === "begin") {
            times.begin(queue);
            naive.replace(queue, never, "me");
          }
          if (what === "end") {
            times.end(queue, inMs, exact);
            naive.told(queue, inMs, exact, "me");
          }
          if (what === "swept") {
            times.swept(queue, inMs, "you");
            naive.replace(queue, inMs, "you");
          }
          if (what === "none") {
            times.swept(queue, undefined, "you");
            naive.replace(queue, never, "you");
          }
          if (what === "look") {
            times.look(queue);
            naive.replace(queue, never);
          }
          if (what === "looked") {
            times.looked(queue, inMs, exact);
            naive.told(queue, inMs, exact);
          }
          if (what === "keep") {
            times.keep(kept);
            naive.keep(kept);
          }
          if (what === "forget") {
            times.forget(queue);
            naive.forget(queue);
          }
          if (what === "hurry") {
            times.hurry();
            naive.hurry();
          }
          if (what === "wait") await clock.advance(inMs);
          expect(times.due().toSorted()).toEqual(naive.due().toSorted());
          expect(times.nextInMs()).toBe(naive.nextInMs());
        }
      }),
      { numRuns: 200 },
    );
  });

  test("cost nothing while nothing is due of them", async () => {
    for (let i = 0; i < 10_000; i++) times.add(`q${i}`, i < 3 ? 10 : 100_000 + i);
    await clock.advance(10);
    const walks = vi.spyOn(Map.prototype, Symbol.iterator);
    const values = vi.spyOn(Map.prototype, "values");
    const firstOnes = PlacedHeap.prototype.firstOnes;
    let looks = 0;
    vi.spyOn(PlacedHeap.prototype, "firstOnes").mockImplementation(function (this: PlacedHeap<never>, isFirst) {
      return firstOnes.call(this, (item: Parameters<typeof isFirst>[0]) => {
        looks++;
        return isFirst(item);
      });
    });
    try {
      const due = times.due();
      const next = times.nextInMs();
      const walked = walks.mock.calls.length + values.mock.calls.length;
      expect(due.toSorted()).toEqual(["q0", "q1", "q2"]);
      expect(next).toBe(0);
      expect(walked).toBe(0);
      expect(looks).toBeLessThanOrEqual(1 + 4 * due.length);
    } finally {
      vi.restoreAllMocks();
    }
  });
});
