import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SortedIndex } from "../../../../src/backends/memory/indexes/sorted-index.js";

interface Item {
  readonly key: number;
  live: boolean;
}

const byKey = (a: Item, b: Item) => a.key - b.key;
const live = (items: Iterable<Item>) => [...items].filter((item) => item.live);

const makeIndex = () => new SortedIndex<Item>(byKey, (item) => item.live);

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("insert" as const), key: fc.integer({ min: 0, max: 500 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("burst" as const), count: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("discard" as const), nth: fc.nat(1000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("sweep" as const), share: fc.integer({ min: 1, max: 10 }) }) },
);

describe("SortedIndex", () => {
  test("reads as a sorted array does, from either end and from any key, whatever is inserted and discarded", () => {
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 60, size: "max" }),
        fc.array(fc.integer({ min: -1, max: 600 }), { minLength: 1, maxLength: 8 }),
        (commands, keys) => {
          const index = makeIndex();
          const plain: Item[] = [];
          let highest = 500;
          const insert = (key: number) => {
            const item = { key, live: true };
            index.insert(item);
            plain.push(item);
            // A stable sort: items with the same key keep the order in which they were inserted.
            plain.sort(byKey);
          };
          const discard = (nth: number) => {
            const [item] = plain.splice(nth % Math.max(1, plain.length), 1);
            if (item === undefined) return;
            item.live = false;
            index.discard();
          };
          for (const given of commands) {
            if (given.kind === "insert") insert(given.key);
            else if (given.kind === "discard") discard(given.nth);
            else if (given.kind === "burst") for (let at = 0; at < given.count; at++) insert(++highest);
            else for (let left = Math.floor((plain.length * given.share) / 10); left > 0; left--) discard(left * 7);
            expect(index.size).toBe(plain.length);
          }
          expect(live(index.ascending())).toEqual(plain);
          expect(live(index.descending())).toEqual(plain.toReversed());
          for (const key of keys) {
            expect(live(index.ascending((item) => item.key <= key))).toEqual(plain.filter((item) => item.key > key));
            expect(live(index.descending((item) => item.key < key))).toEqual(
              plain.filter((item) => item.key < key).toReversed(),
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("an empty index reads as nothing", () => {
    const index = makeIndex();
    expect(live(index.ascending())).toEqual([]);
    expect(live(index.descending(() => true))).toEqual([]);
    expect(index.size).toBe(0);
  });

  test("an item that is not live is still read until it is swept out", () => {
    const index = makeIndex();
    const items = [1, 2, 3].map((key) => ({ key, live: true }));
    for (const item of items) index.insert(item);
    const [, middle] = items;
    if (middle === undefined) throw new Error("no item");
    middle.live = false;
    index.discard();
    expect(live(index.ascending()).map(({ key }) => key)).toEqual([1, 3]);
    expect(live(index.descending((item) => item.key < 3)).map(({ key }) => key)).toEqual([1]);
    expect(index.size).toBe(2);
  });

  test("discarded items are swept out when they outnumber the rest", () => {
    const index = makeIndex();
    const items = Array.from({ length: 1000 }, (_, key) => ({ key, live: true }));
    for (const item of items) index.insert(item);
    for (const item of items.slice(100)) {
      item.live = false;
      index.discard();
    }
    const left = [...index.ascending()];
    expect(live(left)).toEqual(items.slice(0, 100));
    // Had none been swept out, all 1000 would be there.
    expect(left.length).toBeLessThan(300);
    expect(index.size).toBe(100);
  });

  test("no call looks at many of a great number of items", () => {
    let looks = 0;
    const index = new SortedIndex<Item>(
      (a, b) => {
        looks++;
        return a.key - b.key;
      },
      (item) => {
        looks++;
        return item.live;
      },
    );
    let most = 0;
    const count = (act: () => void) => {
      looks = 0;
      act();
      most = Math.max(most, looks);
    };
    const items = Array.from({ length: 100_000 }, (_, at) => ({ key: at, live: true }));
    // One in a hundred comes late, by much.
    for (const [at, item] of items.entries()) {
      const given = at % 100 === 99 ? { ...item, key: at / 3 } : item;
      items[at] = given;
      count(() => index.insert(given));
    }
    for (let at = 0; at < items.length; at++) {
      const item = items[(at * 7919) % items.length] as Item;
      item.live = false;
      count(() => index.discard());
    }
    expect(most).toBeLessThan(1200);
    expect(index.size).toBe(0);
    expect([...index.ascending()].length).toBeLessThan(200);
  });

  test("drained, it gives everything in order", () => {
    const index = makeIndex();
    const items = Array.from({ length: 2000 }, (_, at) => ({ key: (at * 77) % 2003, live: true }));
    for (const item of items) index.insert(item);
    expect([...index.drain()]).toEqual(items.toSorted(byKey));
    expect([...index.ascending()]).toEqual([]);
  });
});
