import { getHeapSpaceStatistics } from "node:v8";
import { expect, test } from "vitest";
import { type Linked, LinkedList } from "../../../src/model/common/linked-list.js";

class Entry implements Linked<Entry> {
  before: Entry | undefined;
  after: Entry | undefined;
  constructor(readonly value: unknown) {}
}

function listOf(count: number) {
  const entries = Array.from({ length: count }, (_, value) => new Entry(value));
  const list = new LinkedList<Entry>();
  for (const entry of entries) list.add(entry);
  return { list, entries, values: () => Array.from(list, ({ value }) => value) };
}

test("entries are in the order in which they were added, whichever are removed", () => {
  const { list, entries, values } = listOf(5);
  for (const [at, left] of [
    [2, [0, 1, 3, 4]],
    [0, [1, 3, 4]],
    [4, [1, 3]],
    [3, [1]],
    [1, []],
  ] as const) {
    expect(list.delete(entries[at] as Entry)).toBe(true);
    expect([values(), list.size]).toEqual([left, left.length]);
  }
  list.add(entries[3] as Entry);
  list.add(entries[2] as Entry);
  expect(values()).toEqual([3, 2]);
});

test("an entry is removed once, and leads to no other then", () => {
  const { list, entries, values } = listOf(3);
  const [, middle] = entries;
  list.delete(middle as Entry);
  expect(list.delete(middle as Entry)).toBe(false);
  expect(list.delete(new Entry("never added"))).toBe(false);
  expect(middle).toEqual(new Entry(1));
  expect([values(), list.size]).toEqual([[0, 2], 2]);
});

test("the entry that it came to may be removed", () => {
  const { list } = listOf(4);
  const seen: unknown[] = [];
  for (const entry of list) {
    seen.push(entry.value);
    list.delete(entry);
  }
  expect([seen, list.size]).toEqual([[0, 1, 2, 3], 0]);
});

/** Makes garbage of some KB a step, with `each` after each. Returns how many MB the old generation of the heap has more after that. */
function grown(steps: number, each: (count: number) => void): number {
  const oldBytes = () =>
    getHeapSpaceStatistics().find((space) => space.space_name === "old_space")?.space_used_size ?? 0;
  const before = oldBytes();
  for (let count = 0; count < steps; count++) each(count);
  return (oldBytes() - before) / 2 ** 20;
}

test("what was removed does not reach the old generation of the heap in the wake of what was there before", () => {
  const list = new LinkedList<Entry>();
  const open: Entry[] = [];
  const addOne = (count: number) => {
    const entry = new Entry(new Array<number>(120).fill(count));
    list.add(entry);
    open.push(entry);
    if (open.length > 16) list.delete(open.shift() as Entry);
  };
  // What is in it at first gets old.
  for (let count = 0; count < 16; count++) addOne(count);
  grown(40_000, (count) => void new Array<number>(120).fill(count));
  // 80 MB in all, of which 16 KB at a time are in the list.
  expect(grown(80_000, addOne)).toBeLessThan(8);
});
