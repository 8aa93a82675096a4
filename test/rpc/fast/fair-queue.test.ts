import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairQueue } from "../../../src/rpc/fast/fair-queue.js";

const [A, B, C] = [{ name: "a" }, { name: "b" }, { name: "c" }];

/** Takes everything, or so many. */
function taken<T>(queue: FairQueue<T>, count = Number.POSITIVE_INFINITY): T[] {
  const items: T[] = [];
  while (items.length < count) {
    const item = queue.take();
    if (item === undefined) break;
    items.push(item);
  }
  return items;
}

describe("owners take turns", () => {
  test("one by one, whoever has more items and came first", () => {
    const queue = new FairQueue<string>();
    for (let index = 1; index <= 4; index++) queue.add(A, 1, `a${index}`);
    for (let index = 1; index <= 2; index++) queue.add(B, 1, `b${index}`);
    expect(taken(queue)).toEqual(["a1", "b1", "a2", "b2", "a3", "a4"]);
  });

  test("by what their items cost", () => {
    const queue = new FairQueue<string>();
    for (let index = 1; index <= 2; index++) queue.add(A, 30, `a${index}`);
    for (let index = 1; index <= 5; index++) queue.add(B, 10, `b${index}`);
    expect(taken(queue)).toEqual(["b1", "b2", "a1", "b3", "b4", "b5", "a2"]);
  });

  test("and a small item that comes later is before the large ones of others, but for one", () => {
    const queue = new FairQueue<string>();
    for (const owner of [A, B]) for (let index = 1; index <= 3; index++) queue.add(owner, 100, `large${index}`);
    expect(taken(queue, 3)).toHaveLength(3);
    queue.add(C, 1, "small");
    expect(queue.first).toBe("small");
    expect(queue.take()).toBe("small");
    // Again and again, as long as it asks for little.
    queue.add(C, 1, "another");
    expect(queue.take()).toBe("another");
  });

  test("and small items without end do not keep a large one from its turn", () => {
    const queue = new FairQueue<string>();
    queue.add(A, 100, "large");
    let small = 0;
    for (; ; small++) {
      // Each from somebody who was never there before.
      queue.add({}, 1, "small");
      if (queue.take() === "large") break;
      expect(small).toBeLessThan(1000);
    }
    expect(small).toBeGreaterThan(50);
  });

  test("and who was away has saved up nothing", () => {
    const queue = new FairQueue<string>();
    for (let index = 0; index < 100; index++) queue.add(A, 1, "a");
    expect(taken(queue, 50)).toHaveLength(50);
    for (let index = 0; index < 50; index++) queue.add(B, 1, "b");
    expect(taken(queue, 20).filter((item) => item === "b")).toHaveLength(10);
  });

  test("and what an item has cost beyond its estimate counts from the next one on", () => {
    const queue = new FairQueue<string>();
    queue.add(A, 1, "a");
    queue.add(B, 1, "b");
    expect(queue.take()).toBe("a");
    queue.charge(5);
    expect(queue.take()).toBe("b");
    for (let index = 1; index <= 4; index++) {
      queue.add(A, 1, `a${index}`);
      queue.add(B, 1, `b${index}`);
    }
    expect(taken(queue).slice(0, 5)).toEqual(["b1", "b2", "b3", "b4", "a1"]);
  });
});

test("everything that is put in comes out once, and the items of one owner in order", () => {
  const item = fc.record({
    owner: fc.nat({ max: 9 }),
    cost: fc.integer({ min: 1, max: 20 }),
    takes: fc.nat({ max: 2 }),
  });
  fc.assert(
    fc.property(fc.array(item, { maxLength: 200 }), (items) => {
      const owners = Array.from({ length: 10 }, () => ({}));
      const queue = new FairQueue<{ owner: number; index: number }>();
      const out: { owner: number; index: number }[] = [];
      for (const [index, { owner, cost, takes }] of items.entries()) {
        queue.add(owners[owner] as object, cost, { owner, index });
        out.push(...taken(queue, takes));
      }
      out.push(...taken(queue));
      expect(queue.size).toBe(0);
      expect(out.map(({ index }) => index).sort((a, b) => a - b)).toEqual(items.map((_, index) => index));
      for (const owner of owners.keys()) {
        const indexes = out.filter((one) => one.owner === owner).map(({ index }) => index);
        expect(indexes).toEqual([...indexes].sort((a, b) => a - b));
      }
    }),
  );
});
