import { describe, expect, test } from "vitest";
import { ReadyQueues } from "../../../../src/backends/redis/queues/ready-queues.js";

function lookThatFinds(ready: ReadyQueues, queue: string, types: readonly string[]): void {
  ready.look(queue, types)?.hadNone();
}

describe("what is known of ready jobs", () => {
  test("is nothing at first: every queue is looked at", () => {
    expect(new ReadyQueues().look("a", ["x"])).toBeDefined();
  });

  test("a queue that had none is passed over for these types, until something is heard of it", () => {
    const ready = new ReadyQueues();
    lookThatFinds(ready, "a", ["x", "y"]);
    expect(ready.look("a", ["x", "y"])).toBeUndefined();
    expect(ready.look("a", ["x"])).toBeDefined();
    expect(ready.look("b", ["x", "y"])).toBeDefined();
    ready.mark("b");
    expect(ready.look("a", ["x", "y"])).toBeUndefined();
    ready.mark("a");
    expect(ready.look("a", ["x", "y"])).toBeDefined();
  });

  test("a look that found none tells nothing when something was heard while it was under way", () => {
    const ready = new ReadyQueues();
    for (const hear of [() => ready.mark("a"), () => ready.markAll()]) {
      lookThatFinds(ready, "a", ["other"]);
      const look = ready.look("a", ["x"]);
      hear();
      look?.hadNone();
      expect(ready.look("a", ["x"])).toBeDefined();
    }
  });

  test("types that could be mixed up are not", () => {
    const ready = new ReadyQueues();
    lookThatFinds(ready, "a", ["x"]);
    expect(ready.look("a", ["x", "x"])).toBeDefined();
    expect(ready.look("a", ["y"])).toBeDefined();
    // However a set of types is written as one text: another set must not read the same.
    const sets = [
      ["a\nb"],
      ["a", "b"],
      ["a b"],
      ["a,b"],
      ['a","b'],
      ['["a","b"]'],
      ["=a"],
      ["=a", "b"],
      ["a\0b"],
      [""],
      ["", ""],
      [],
    ];
    sets.forEach((types, at) => {
      const all = new ReadyQueues();
      lookThatFinds(all, "a", types);
      sets.forEach((other, index) => {
        expect(all.look("a", other) === undefined, JSON.stringify([types, other])).toBe(at === index);
      });
    });
  });

  test("callers that ask for ever new types do not fill the memory", () => {
    const ready = new ReadyQueues();
    for (let n = 0; n < 1000; n++) lookThatFinds(ready, "a", [`type-${n}`]);
    const known = Array.from({ length: 1000 }, (_, n) => ready.look("a", [`type-${n}`]) === undefined);
    expect(known.filter(Boolean).length).toBeLessThanOrEqual(64);
    expect(ready.look("a", ["type-999"])).toBeUndefined();
  });
});
