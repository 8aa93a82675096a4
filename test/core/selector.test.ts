import { describe, expect, test } from "vitest";
import { createQueueSelector, QUEUE_POLICIES, type QueueSelector } from "../../src/core/selector.js";

function queues(weights: Readonly<Record<string, number>>) {
  return Object.entries(weights).map(([name, weight]) => ({ name, weight }));
}

/** Returns how often each queue came first in this many turns. */
function firsts(selector: QueueSelector, turns: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let turn = 0; turn < turns; turn++) {
    const first = turnOf(selector)[0] ?? "none";
    counts[first] = (counts[first] ?? 0) + 1;
  }
  return counts;
}

/** Returns the order of a turn in which the first queue that is not empty is served. */
function turnOf(selector: QueueSelector, empty: readonly string[] = []): readonly string[] {
  const order = selector.next();
  const first = order.find((name) => !empty.includes(name));
  if (first !== undefined) selector.served(first);
  return order;
}

describe.each(QUEUE_POLICIES)("the policy %s", (policy) => {
  test("names no queue before it was told of any", () => {
    expect(createQueueSelector(policy).next()).toEqual([]);
  });

  test("names every queue once in each turn", () => {
    const selector = createQueueSelector(policy);
    selector.update(queues({ a: 1, b: 5, c: 5, d: 2 }));
    for (let turn = 0; turn < 20; turn++) expect([...turnOf(selector)].sort()).toEqual(["a", "b", "c", "d"]);
  });

  test("serves queues that join and forgets those that leave", () => {
    const selector = createQueueSelector(policy);
    selector.update(queues({ a: 1 }));
    turnOf(selector);
    selector.update(queues({ a: 1, b: 1 }));
    expect(firsts(selector, 10)).toEqual({ a: 5, b: 5 });
    selector.update(queues({ b: 1 }));
    expect(turnOf(selector)).toEqual(["b"]);
  });

  test("does not change an order it gave before", () => {
    const selector = createQueueSelector(policy);
    selector.update(queues({ a: 1, b: 1 }));
    const order = turnOf(selector);
    const copy = [...order];
    turnOf(selector);
    selector.update(queues({ c: 1 }));
    expect(order).toEqual(copy);
  });
});

describe("round-robin", () => {
  test("starts one queue further at each turn, whatever the weights", () => {
    const selector = createQueueSelector("round-robin");
    selector.update(queues({ a: 1, b: 100, c: 7 }));
    expect([turnOf(selector), turnOf(selector), turnOf(selector), turnOf(selector)]).toEqual([
      ["a", "b", "c"],
      ["b", "c", "a"],
      ["c", "a", "b"],
      ["a", "b", "c"],
    ]);
  });

  test("goes on with its turns when the same queues are told again", () => {
    const selector = createQueueSelector("round-robin");
    selector.update(queues({ a: 1, b: 1, c: 1 }));
    turnOf(selector);
    selector.update(queues({ a: 1, b: 1, c: 1 }));
    expect(turnOf(selector)[0]).toBe("b");
  });
});

describe("an empty queue", () => {
  test.each(["round-robin", "strict"] as const)("does not give its turn to its neighbour under %s", (policy) => {
    const selector = createQueueSelector(policy);
    selector.update(queues({ a: 1, b: 1, c: 1 }));
    const served = Array.from({ length: 6 }, () => turnOf(selector, ["b"]).find((name) => name !== "b"));
    expect(served).toEqual(["a", "c", "a", "c", "a", "c"]);
  });

  test("does not starve one of two equals when a heavier queue is served in between under strict", () => {
    const selector = createQueueSelector("strict");
    selector.update(queues({ heavy: 9, a: 1, b: 1 }));
    const served = Array.from({ length: 8 }, (_, turn) => {
      const empty = turn % 2 === 0 ? [] : ["heavy"];
      return turnOf(selector, empty).find((name) => !empty.includes(name));
    });
    expect(served).toEqual(["heavy", "a", "heavy", "b", "heavy", "a", "heavy", "b"]);
  });

  test("does not save up turns without bound under weighted", () => {
    const selector = createQueueSelector("weighted");
    selector.update(queues({ a: 1, b: 1, c: 2 }));
    for (let turn = 0; turn < 1000; turn++) turnOf(selector, ["c"]);
    const counts = firsts(selector, 40);
    expect(counts.a).toBeGreaterThanOrEqual(8);
    expect(counts.b).toBeGreaterThanOrEqual(8);
  });
});

describe("weighted", () => {
  test("puts each queue first in proportion to its weight", () => {
    const selector = createQueueSelector("weighted");
    selector.update(queues({ a: 5, b: 3, c: 2 }));
    expect(firsts(selector, 10)).toEqual({ a: 5, b: 3, c: 2 });
    expect(firsts(selector, 1000)).toEqual({ a: 500, b: 300, c: 200 });
  });

  test("spreads the turns of a heavy queue instead of giving them in one go", () => {
    const selector = createQueueSelector("weighted");
    selector.update(queues({ a: 5, b: 1, c: 1 }));
    const order = Array.from({ length: 7 }, () => turnOf(selector)[0]).join("");
    expect(order).toBe("aabacaa");
  });

  test("takes a new weight from the next turn on", () => {
    const selector = createQueueSelector("weighted");
    selector.update(queues({ a: 1, b: 1 }));
    firsts(selector, 10);
    selector.update(queues({ a: 1, b: 9 }));
    expect(firsts(selector, 100)).toEqual({ a: 10, b: 90 });
  });

  test("keeps proportions when the queues are told again before every turn", () => {
    const selector = createQueueSelector("weighted");
    const counts: Record<string, number> = {};
    for (let turn = 0; turn < 60; turn++) {
      selector.update(queues({ a: 3, b: 2, c: 1 }));
      const first = turnOf(selector)[0] ?? "none";
      counts[first] = (counts[first] ?? 0) + 1;
    }
    expect(counts).toEqual({ a: 30, b: 20, c: 10 });
  });

  test("keeps proportions when a queue joins late", () => {
    const selector = createQueueSelector("weighted");
    selector.update(queues({ a: 2, b: 1 }));
    firsts(selector, 30);
    selector.update(queues({ a: 2, b: 1, c: 3 }));
    expect(firsts(selector, 600)).toEqual({ a: 200, b: 100, c: 300 });
  });
});

describe("strict", () => {
  test("puts the heaviest first in every turn", () => {
    const selector = createQueueSelector("strict");
    selector.update(queues({ low: 1, high: 10, middle: 5 }));
    for (let turn = 0; turn < 5; turn++) expect(turnOf(selector)).toEqual(["high", "middle", "low"]);
  });

  test("lets queues of one weight take turns", () => {
    const selector = createQueueSelector("strict");
    selector.update(queues({ a: 1, b: 9, c: 9 }));
    expect([turnOf(selector), turnOf(selector), turnOf(selector)]).toEqual([
      ["b", "c", "a"],
      ["c", "b", "a"],
      ["b", "c", "a"],
    ]);
  });
});
