import { describe, expect, test } from "vitest";
import { ReadyWork } from "../../../src/core/work/ready-work.js";
import type { Lane } from "../../../src/core/work/work-lane.js";
import { FakeClock } from "../../support/fake-clock.js";

function setUp() {
  const clock = new FakeClock();
  const work = new ReadyWork(clock, "round-robin");
  const woken: string[] = [];
  const lane = (name: string, types: readonly string[], queues: readonly string[] = []) =>
    work.lane(new Set(queues), types, () => void woken.push(name));
  return { clock, work, woken, lane };
}

/** Makes one lease call. Returns the queue it asked; undefined when there was none to ask. */
function ask(lane: Lane, got: number | undefined = 0, isEmptied = got === 0): string | undefined {
  const queue = lane.next();
  if (queue !== undefined) lane.end(lane.begin(queue), { got, isEmptied });
  return queue;
}

describe("who is to ask where", () => {
  test("only those hear of a job that take its type from its queue", () => {
    const { work, woken, lane } = setUp();
    const lanes = {
      x: lane("x", ["x"]),
      y: lane("y", ["y"]),
      both: lane("both", ["x", "y"]),
      b: lane("b", ["x"], ["b"]),
    };
    work.mark("a", ["x"]);
    expect(woken).toEqual(["x", "both"]);
    expect([lanes.x.next(), lanes.y.next(), lanes.both.next(), lanes.b.next()]).toEqual([
      "a",
      undefined,
      "a",
      undefined,
    ]);
    work.mark("b");
    expect(new Set(woken.splice(2))).toEqual(new Set(["x", "y", "both", "b"]));
    expect([lanes.y.next(), lanes.b.next()]).toEqual(["b", "b"]);
  });

  test("who comes later learns what was told before", () => {
    const { work, lane } = setUp();
    work.mark("a", ["x"]);
    work.mark("b");
    const late = lane("late", ["x"]);
    expect([ask(late), ask(late), ask(late)].sort()).toEqual(["a", "b", undefined]);
    expect(lane("other", ["z"]).next()).toBe("b");
    expect(lane("named", ["x"], ["c", "a"]).hasWork).toBe(false);
  });

  test("a queue that has none is asked by nobody, until it is told of again", () => {
    const { work, lane } = setUp();
    const [one, two] = [lane("one", ["x"]), lane("two", ["x", "y"])];
    work.mark("a", ["x"]);
    expect([ask(one), one.hasWork, two.hasWork]).toEqual(["a", false, false]);
    work.mark("a", ["y"]);
    expect([one.hasWork, two.hasWork]).toEqual([false, true]);
    expect([ask(two), two.next()]).toEqual(["a", undefined]);
    work.mark("a", ["x"]);
    expect(one.next()).toBe("a");
  });

  test("what is told while a call is under way is not overlooked", () => {
    const { work, lane } = setUp();
    const one = lane("one", ["x"]);
    for (const types of [["x"], undefined]) {
      work.mark("a", types);
      const call = one.begin("a");
      work.mark("a", types);
      one.end(call, { got: 0, isEmptied: true });
      expect(ask(one)).toBe("a");
      expect(one.next()).toBeUndefined();
    }
  });

  test("of many that wait for the same job one asks; the others when there may be more", () => {
    const { work, woken, lane } = setUp();
    const lanes = Array.from({ length: 100 }, (_, at) => lane(`l${at}`, ["x", `x${at}`]));
    work.mark("a", ["x"]);
    let calls = 0;
    const begun = lanes.map((each) => {
      const queue = each.next();
      if (queue !== undefined) calls++;
      return queue === undefined ? undefined : { each, call: each.begin(queue) };
    });
    expect(calls).toBe(1);
    expect(lanes[1]?.hasWork).toBe(true);
    woken.length = 0;
    begun[0]?.each.end(begun[0].call, { got: 1, isEmptied: false });
    expect(woken).toHaveLength(99);
    expect(lanes.filter((each) => ask(each) !== undefined)).toHaveLength(1);
    expect(lanes.some((each) => each.hasWork)).toBe(false);
  });

  test("with a backlog several ask at once", () => {
    const { work, lane } = setUp();
    const one = lane("one", ["x"]);
    work.mark("a", ["x"]);
    for (let count = 0; count < 20; count++) ask(one, 10);
    let calls = 0;
    while (one.next() !== undefined) {
      one.begin("a");
      calls++;
    }
    expect(calls).toBe(8);
  });

  test("a queue that fails is left aside for a while, and told of again at once or then", async () => {
    const { clock, work, woken, lane } = setUp();
    const one = lane("one", ["x"]);
    work.mark("a", ["x"]);
    work.mark("b", ["x"]);
    const failing = one.next() as string;
    one.end(one.begin(failing), { got: undefined, isEmptied: false });
    expect(one.next()).not.toBe(failing);
    expect(ask(one)).toBeDefined();
    expect(one.hasWork).toBe(false);
    woken.length = 0;
    await clock.advance(250);
    expect([woken, one.next()]).toEqual([["one"], failing]);
  });

  test("one that does not answer is left aside longer each time, until it answers or the backend is back", async () => {
    const { clock, work, lane } = setUp();
    const one = lane("one", ["x"]);
    work.mark("a", ["x"]);
    for (const wait of [500, 1000, 2000, 4000, 5000]) {
      const call = one.begin("a");
      one.late(call);
      expect(one.hasWork).toBe(false);
      one.end(call, { got: undefined, isEmptied: false });
      work.mark("a", ["x"]);
      await clock.advance(wait - 1);
      expect(one.hasWork).toBe(false);
      await clock.advance(1);
      expect(one.hasWork).toBe(true);
    }
    const call = one.begin("a");
    one.late(call);
    one.end(call, { got: 3, isEmptied: false });
    expect(one.hasWork).toBe(true);
    one.end(one.begin("a"), { got: undefined, isEmptied: false });
    work.reachable();
    expect(one.hasWork).toBe(true);
  });

  test("queues that are deleted are forgotten, and a new weight counts from then on", () => {
    const { work, lane } = setUp();
    work.update([
      { name: "a", weight: 1 },
      { name: "b", weight: 1 },
    ]);
    const one = lane("one", ["x"]);
    work.mark("a", ["x"]);
    work.mark("b");
    work.update([{ name: "b", weight: 5 }]);
    expect([work.knows("a"), work.knows("b")]).toEqual([false, true]);
    expect([ask(one), one.next()]).toEqual(["b", undefined]);
  });

  test("however many types there are, few are kept, and no job is overlooked", () => {
    const { work, lane } = setUp();
    for (let at = 0; at < 5000; at++) work.mark("a", [`type-${at}`]);
    for (let at = 0; at < 5000; at += 499) {
      const one = lane("one", [`type-${at}`]);
      expect([ask(one), one.next()]).toEqual(["a", undefined]);
      one.close();
    }
  });
});
