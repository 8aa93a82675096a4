import { beforeEach, describe, expect, test } from "vitest";
import { type LargeCall, Turns } from "../../../src/rpc/fast/turns.js";
import { settle } from "../../support/fake-clock.js";

const MIB = 2 ** 20;
const [A, B, C] = [{ name: "a" }, { name: "b" }, { name: "c" }];

let now = 0;
/** What waits for the next turn of the event loop, for a turn of its own, and for a time. */
let soon: (() => void)[] = [];
let own: (() => void)[] = [];
let timers: (() => void)[] = [];
let heard: string[] = [];
let turns: Turns;

beforeEach(() => {
  now = 0;
  [soon, own, timers, heard] = [[], [], [], []];
  turns = new Turns({
    now: () => now,
    soon: (callback) => void soon.push(callback),
    inOwnTurn: (run) => void own.push(run),
    after(_ms, callback) {
      timers.push(callback);
      return () => void timers.splice(timers.indexOf(callback), 1);
    },
  });
});

/** A turn of the event loop: what waited for it, and one slice of long work. */
async function turn(): Promise<void> {
  for (const callback of soon.splice(0)) callback();
  own.shift()?.();
  await settle();
}

/** Serves an ordinary call that takes so long, as `fast-path.ts` does. */
function small(owner: object, name: string, ms = 1): void {
  const run = () => {
    heard.push(name);
    now += ms;
  };
  if (turns.isYoung()) run();
  else turns.soon(owner, run);
}

/** A large call of some steps, each of which takes so long; `end` answers it. */
function large(owner: object, name: string, { bytes = 4 * MIB, steps = 1, ms = 1 } = {}): { end(): void } {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  function* prepare(): Generator<void, void> {
    for (let step = 1; step < steps; step++) {
      now += ms;
      heard.push(`${name} ${step}`);
      yield;
    }
    now += ms;
  }
  const call: LargeCall = {
    prepare: prepare(),
    run() {
      heard.push(name);
      return ended;
    },
  };
  turns.enter(owner, bytes, call);
  return { end: () => end() };
}

describe("ordinary calls", () => {
  test("are served as they come in, and cost one callback a turn of the event loop", () => {
    for (const name of ["a1", "a2", "a3"]) small(A, name, 0.5);
    expect(heard).toEqual(["a1", "a2", "a3"]);
    expect(soon).toHaveLength(1);
  });

  test("wait when the turn has gone on for long, and then owners take turns", async () => {
    for (let index = 1; index <= 10; index++) small(A, `a${index}`, 2);
    expect(heard).toEqual(["a1", "a2"]);
    small(B, "b1");
    await turn();
    expect(heard.slice(2)).toEqual(["a3", "b1", "a4"]);
    small(C, "c1");
    await turn();
    expect(heard[5]).toBe("c1");
    for (let left = 10; left > 0; left--) await turn();
    expect(heard).toHaveLength(12);
  });

  test("are served at once again after a turn without them", async () => {
    small(A, "a1", 10);
    await turn();
    small(A, "a2");
    expect(heard).toEqual(["a1", "a2"]);
  });

  test("one that fails stops none of the others", async () => {
    small(A, "a1", 10);
    turns.soon(A, () => {
      throw new Error("fails");
    });
    small(B, "b1");
    await expect(turn()).rejects.toThrow("fails");
    await turn();
    expect(heard).toEqual(["a1", "b1"]);
  });

  test("have answers that wait only when the turn has gone on for very long", () => {
    small(A, "a1", 5);
    expect([turns.isYoung(), turns.isLong()]).toEqual([false, false]);
    now += 5;
    expect(turns.isLong()).toBe(true);
  });
});

describe("calls that ask for much", () => {
  test("are made ready in slices, and ordinary calls come in between", async () => {
    large(A, "large", { steps: 10, ms: 1 });
    await turn();
    expect(heard).toEqual(["large 1", "large 2", "large 3", "large 4"]);
    small(B, "small");
    await turn();
    await turn();
    expect(heard.slice(4)).toEqual(["small", "large 5", "large 6", "large 7", "large 8", "large 9", "large"]);
  });

  test("are begun in turns by owner: one that came later does not wait for all of another", async () => {
    for (let index = 1; index <= 5; index++) large(A, `a${index}`, { bytes: MIB });
    large(B, "b1", { bytes: MIB });
    for (let left = 6; left > 0; left--) await turn();
    expect(heard).toEqual(["a1", "b1", "a2", "a3", "a4", "a5"]);
  });

  test("are made ready one at a time", async () => {
    large(A, "a", { bytes: MIB, steps: 6, ms: 2 });
    large(B, "b", { bytes: MIB, steps: 2, ms: 2 });
    expect(own).toHaveLength(1);
    for (let left = 4; left > 0; left--) await turn();
    expect(heard.at(-1)).toBe("b");
    expect(heard.indexOf("a")).toBeLessThan(heard.indexOf("b 1"));
  });

  test("run as long as their bytes have room together; a larger one is alone", async () => {
    const first = large(A, "a1");
    const second = large(A, "a2");
    large(B, "b", { bytes: 16 * MIB });
    for (let left = 4; left > 0; left--) await turn();
    expect(heard).toEqual(["a1", "a2"]);
    first.end();
    await turn();
    expect(heard).toHaveLength(2);
    second.end();
    for (let left = 2; left > 0; left--) await turn();
    expect(heard).toEqual(["a1", "a2", "b"]);
  });

  test("are not waited for once they have gone on for long: they wait themselves", async () => {
    for (const name of ["a1", "a2", "a3"]) large(A, name);
    for (let left = 4; left > 0; left--) await turn();
    expect(heard).toEqual(["a1", "a2"]);
    expect(timers).toHaveLength(2);
    timers[0]?.();
    await turn();
    expect(heard).toEqual(["a1", "a2", "a3"]);
  });

  test("leave no timer behind, and give their room back once", async () => {
    const calls = ["a1", "a2"].map((name) => large(A, name));
    for (let left = 3; left > 0; left--) await turn();
    timers[0]?.();
    for (const { end } of calls) end();
    await settle();
    expect(timers).toHaveLength(0);
    for (const name of ["b1", "b2", "b3"]) large(B, name);
    for (let left = 4; left > 0; left--) await turn();
    expect(heard.slice(2)).toEqual(["b1", "b2"]);
  });
});
