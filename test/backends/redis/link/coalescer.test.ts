import { describe, expect, test } from "vitest";
import { Coalescers } from "../../../../src/backends/redis/link/coalescer.js";
import { settle } from "../../../support/fake-clock.js";

/** A coalescer whose calls are answered one at a time, when the test says so. */
function coalescing(size = 100, bytes = 1000) {
  const calls: string[][] = [];
  const open: { answer(): void; fail(error: Error): void }[] = [];
  const coalescers = new Coalescers<string, string>({ size, bytes });
  const run = (items: readonly string[]) => {
    calls.push([...items]);
    return new Promise<string[]>((resolve, reject) => {
      open.push({ answer: () => resolve(items.map((item) => item.toUpperCase())), fail: reject });
    });
  };
  return {
    calls,
    coalescers,
    coalescer: { add: (item: string, size: number, bytes = 1) => coalescers.add("key", run, item, size, bytes) },
    async answer() {
      open.shift()?.answer();
      await settle();
    },
    async fail(error: Error) {
      open.shift()?.fail(error);
      await settle();
    },
  };
}

/** Two calls of which the later one is shared: those that come next may have company too. */
async function haveCompany({ coalescer, calls, answer }: ReturnType<typeof coalescing>): Promise<void> {
  const all = Promise.all(["x", "y", "z"].map((item) => coalescer.add(item, 1)));
  await settle();
  await answer();
  await answer();
  await all;
  calls.splice(0);
}

describe("a call without company", () => {
  test("is sent at once, also the next one", async () => {
    const { coalescer, calls, answer } = coalescing();
    for (const item of ["a", "b"]) {
      const answered = coalescer.add(item, 1);
      expect(calls.at(-1)).toEqual([item]);
      await answer();
      expect(await answered).toBe(item.toUpperCase());
    }
  });

  test("waits for the turn of the event loop after one that had company, and the next one does not", async () => {
    const all = coalescing();
    await haveCompany(all);
    const { coalescer, calls, answer } = all;
    const first = coalescer.add("a", 1);
    expect(calls).toEqual([]);
    await settle();
    expect(calls).toEqual([["a"]]);
    await answer();
    await first;
    void coalescer.add("b", 1);
    expect(calls).toEqual([["a"], ["b"]]);
  });

  test("waits for nobody under another key", async () => {
    const all = coalescing();
    await haveCompany(all);
    const calls: string[][] = [];
    const run = async (items: readonly string[]) => {
      calls.push([...items]);
      return items;
    };
    void all.coalescers.add("other", run, "b", 1, 1);
    expect(calls).toEqual([["b"]]);
  });
});

describe("calls that are under way at the same time", () => {
  test("share one, each with its own answer", async () => {
    const all = coalescing();
    await haveCompany(all);
    const { coalescer, calls, answer } = all;
    const answers = Promise.all(["a", "b", "c"].map((item) => coalescer.add(item, 1)));
    await settle();
    await answer();
    expect(await answers).toEqual(["A", "B", "C"]);
    expect(calls).toEqual([["a", "b", "c"]]);
  });

  test("share one from the second on, when the first had no company before", async () => {
    const { coalescer, calls, answer } = coalescing();
    const all = Promise.all(["a", "b", "c"].map((item) => coalescer.add(item, 1)));
    await settle();
    await answer();
    await answer();
    expect(await all).toEqual(["A", "B", "C"]);
    expect(calls).toEqual([["a"], ["b", "c"]]);
  });

  test("are of no more bytes than fit into one, and one that is larger goes alone", async () => {
    const gathering = coalescing();
    await haveCompany(gathering);
    const { coalescer, calls, answer } = gathering;
    const all = Promise.all([400, 600, 1, 5000, 1000].map((bytes, at) => coalescer.add("abcde"[at] ?? "", 1, bytes)));
    await settle();
    for (let count = 0; count < 4; count++) await answer();
    expect(await all).toEqual(["A", "B", "C", "D", "E"]);
    expect(calls).toEqual([["a", "b"], ["c"], ["d"], ["e"]]);
  });

  test("those that come while two are answered go with the next one", async () => {
    const { coalescer, calls, answer } = coalescing();
    const first = coalescer.add("a", 1);
    await settle();
    const second = coalescer.add("b", 1);
    await settle();
    const later = ["c", "d"].map((item) => coalescer.add(item, 1));
    await settle();
    expect(calls).toEqual([["a"], ["b"]]);
    await answer();
    expect(await first).toBe("A");
    expect(calls).toEqual([["a"], ["b"], ["c", "d"]]);
    await answer();
    expect(await second).toBe("B");
    await answer();
    expect(await Promise.all(later)).toEqual(["C", "D"]);
  });

  test("are parted by size, in order; one that is too large goes alone", async () => {
    const gathering = coalescing(10);
    await haveCompany(gathering);
    const { coalescer, calls, answer } = gathering;
    const sizes = { a: 4, b: 6, c: 1, d: 50, e: 10, f: 1 };
    const all = Promise.all(Object.entries(sizes).map(([item, size]) => coalescer.add(item, size)));
    await settle();
    for (let turn = 0; turn < 5; turn++) await answer();
    expect(await all).toEqual(["A", "B", "C", "D", "E", "F"]);
    expect(calls).toEqual([["a", "b"], ["c"], ["d"], ["e"], ["f"]]);
  });

  test("fail together, and the next ones go on", async () => {
    const gathering = coalescing();
    await haveCompany(gathering);
    const { coalescer, answer, fail } = gathering;
    const failed = ["a", "b"].map((item) => coalescer.add(item, 1).catch((error: Error) => error.message));
    await settle();
    const later = coalescer.add("c", 1);
    await fail(new Error("away"));
    expect(await Promise.all(failed)).toEqual(["away", "away"]);
    await answer();
    expect(await later).toBe("C");
  });
});

test("not more than so many are kept without work", async () => {
  const { coalescers } = coalescing();
  const run = async (items: readonly string[]) => items;
  for (let key = 0; key < 1200; key++) await coalescers.add(String(key), run, "a", 1, 1);
  expect(coalescers.size).toBe(1000);
  const all = Array.from({ length: 1200 }, (_, key) => coalescers.add(`other ${key}`, run, "a", 1, 1));
  expect(await Promise.all(all)).toEqual(all.map(() => "a"));
  expect(coalescers.size).toBe(1000);
});
