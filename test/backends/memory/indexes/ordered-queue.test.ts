import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OrderedQueue } from "../../../../src/backends/memory/indexes/ordered-queue.js";

interface Item {
  readonly key: number;
  readonly order: number;
  live: boolean;
}

const byKey = (a: Item, b: Item) => a.key - b.key;
const byKeyThenOrder = (a: Item, b: Item) => byKey(a, b) || a.order - b.order;

/** A queue, and the plainest model of it: an array that is sorted anew each time. */
function pair(compare: (a: Item, b: Item) => number) {
  const queue = new OrderedQueue<Item>(compare, (item) => item.live);
  const plain: Item[] = [];
  let order = 0;
  return {
    queue,
    plain,
    push(key: number): Item {
      const item = { key, order: order++, live: true };
      queue.push(item);
      plain.push(item);
      plain.sort(byKeyThenOrder);
      return item;
    },
    discard(nth: number): void {
      const [item] = plain.splice(nth % Math.max(1, plain.length), 1);
      if (item === undefined) return;
      item.live = false;
      queue.discard();
    },
  };
}

/** Pops everything. */
function drain(queue: OrderedQueue<Item>): Item[] {
  const items: Item[] = [];
  for (let item = queue.pop(); item !== undefined; item = queue.pop()) items.push(item);
  return items;
}

const command = fc.oneof(
  {
    weight: 6,
    // Mostly in order, as in the backend: a key is the count so far plus a random number.
    arbitrary: fc.record({ kind: fc.constant("push" as const), ahead: fc.integer({ min: -50, max: 30 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pop" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("peek" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("discard" as const), nth: fc.nat(2000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("burst" as const), count: fc.integer({ min: 1, max: 700 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("sweep" as const), share: fc.integer({ min: 1, max: 10 }) }),
  },
);

describe("OrderedQueue", () => {
  test("does what a sorted array does, whatever is pushed, popped and discarded", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 80, size: "max" }), (commands) => {
        const { queue, plain, push, discard } = pair(byKeyThenOrder);
        let pushed = 0;
        for (const given of commands) {
          if (given.kind === "push") push(pushed++ + given.ahead);
          else if (given.kind === "pop") expect(queue.pop()).toBe(plain.shift());
          else if (given.kind === "peek") expect(queue.peek()).toBe(plain[0]);
          else if (given.kind === "discard") discard(given.nth);
          else if (given.kind === "burst") for (let at = 0; at < given.count; at++) push(pushed++);
          else for (let left = Math.floor((plain.length * given.share) / 10); left > 0; left--) discard(left * 7);
          expect(queue.size).toBe(plain.length);
        }
        expect([...queue].sort(byKeyThenOrder)).toEqual(plain);
        expect(drain(queue)).toEqual(plain);
        expect(queue.size).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  test("items of one key that arrive in order come out as they came", () => {
    const { queue, push } = pair(byKey);
    const items = Array.from({ length: 2000 }, (_, at) => push(Math.floor(at / 100)));
    expect(drain(queue)).toEqual(items);
  });

  test("an empty queue has no first item, and takes new ones after it ran empty", () => {
    const { queue, push } = pair(byKey);
    expect(queue.peek()).toBeUndefined();
    expect(queue.pop()).toBeUndefined();
    for (let round = 0; round < 3; round++) {
      const items = [push(5), push(9)];
      const first = push(1);
      expect(drain(queue)).toEqual([first, ...items]);
      expect(queue.size).toBe(0);
    }
  });

  test("a smaller item than all that were popped comes first", () => {
    const { queue, push } = pair(byKey);
    const [one, two, three] = [push(10), push(20), push(30)];
    expect(queue.pop()).toBe(one);
    const late = push(5);
    expect([queue.pop(), queue.pop(), queue.pop(), queue.pop()]).toEqual([late, two, three, undefined]);
  });

  test("discarded items are swept out when they outnumber the rest", () => {
    let checks = 0;
    const queue = new OrderedQueue<Item>(byKey, (item) => {
      checks++;
      return item.live;
    });
    const items = Array.from({ length: 1000 }, (_, order) => ({ key: order, order, live: true }));
    for (const item of items) queue.push(item);
    for (const item of items.slice(0, 900)) {
      item.live = false;
      queue.discard();
    }
    checks = 0;
    expect(queue.peek()).toBe(items[900]);
    // Had none been swept out, all 900 would be checked now.
    expect(checks).toBeLessThan(300);
    expect(queue.size).toBe(100);
    expect([...queue]).toEqual(items.slice(900));
  });

  test("when all are discarded it is empty", () => {
    const { queue, plain, push, discard } = pair(byKey);
    for (let at = 0; at < 600; at++) push(at % 7 === 0 ? -at : at);
    while (plain.length > 0) discard(plain.length - 1);
    expect(queue.size).toBe(0);
    expect([...queue]).toEqual([]);
    expect(queue.peek()).toBeUndefined();
    const item = push(3);
    expect(drain(queue)).toEqual([item]);
  });

  test.each([
    ["in order", (at: number) => at],
    ["in any order", (at: number) => (at * 7919) % 100_003],
  ])("no call looks at many of a great number of items that came %s", (_order, keyOf) => {
    let looks = 0;
    const queue = new OrderedQueue<Item>(
      (a, b) => {
        looks++;
        return byKeyThenOrder(a, b);
      },
      (item) => {
        looks++;
        return item.live;
      },
    );
    const most = { push: 0, discard: 0, pop: 0 };
    const count = (kind: keyof typeof most, act: () => void) => {
      looks = 0;
      act();
      most[kind] = Math.max(most[kind], looks);
    };
    const items = Array.from({ length: 100_003 }, (_, order) => ({ key: keyOf(order), order, live: true }));
    for (const item of items) count("push", () => queue.push(item));
    const plain = items.toSorted(byKeyThenOrder);
    // Those behind the first one go, so that all of them would be passed over at the next pop but one.
    for (const item of plain.slice(1, 60_000)) {
      item.live = false;
      count("discard", () => queue.discard());
    }
    expect(queue.size).toBe(40_004);
    for (const item of [plain[0], ...plain.slice(60_000, 60_003)]) {
      count("pop", () => expect(queue.pop()).toBe(item));
    }
    // Now and then one, from all over.
    for (let at = 0; at < 40_000; at++) {
      const item = plain[60_003 + ((at * 7919) % 40_000)] as Item;
      item.live = false;
      count("discard", () => queue.discard());
    }
    expect(queue.size).toBe(0);
    expect(queue.pop()).toBeUndefined();
    expect(most.push).toBeLessThan(30);
    expect(most.discard).toBeLessThan(1000);
    // Each stale item of a heap takes some comparisons.
    expect(most.pop).toBeLessThan(10_000 * 40);
  });
});
