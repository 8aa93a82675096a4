import { describe, expect, test } from "vitest";
import { QUEUE_POLICIES, type QueuePolicy, QueueTurns } from "../../../src/core/work/queue-turns.js";

function turnsOf(policy: QueuePolicy, weights: Readonly<Record<string, number>>): QueueTurns {
  const turns = new QueueTurns(policy);
  for (const [name, weight] of Object.entries(weights)) turns.offer(name, weight);
  return turns;
}

/** Serves so many jobs, `each` at a time; returns from which queues, in order. */
function serve(turns: QueueTurns, count: number, each = 1): string[] {
  return Array.from({ length: count }, () => {
    const name = turns.next() ?? "none";
    turns.served(name, each);
    return name;
  });
}

function counts(names: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name of names) found[name] = (found[name] ?? 0) + 1;
  return found;
}

describe.each(QUEUE_POLICIES)("the policy %s", (policy) => {
  test("names no queue before one is offered, and none that was taken out", () => {
    const turns = turnsOf(policy, {});
    expect(turns.next()).toBeUndefined();
    for (const name of ["a", "b", "c"]) turns.offer(name, 1);
    for (const name of ["b", "a", "c", "none"]) turns.remove(name);
    expect([turns.next(), turns.size]).toEqual([undefined, 0]);
  });

  test("lets equal queues take turns, those that join too", () => {
    const turns = turnsOf(policy, { a: 1 });
    serve(turns, 50);
    turns.offer("b", 1);
    expect(counts(serve(turns, 10))).toEqual({ a: 5, b: 5 });
  });

  test("passes over queues that are closed, and they keep their turn", () => {
    const turns = turnsOf(policy, { a: 1, b: 1, c: 1 });
    expect(turns.next((name) => name === "c")).toBe("c");
    expect(turns.next(() => false)).toBeUndefined();
    expect([...serve(turns, 3)].sort()).toEqual(["a", "b", "c"]);
  });

  test("counts jobs, not calls", () => {
    const turns = turnsOf(policy, { a: 1, b: 1 });
    turns.served("a", 10);
    expect(serve(turns, 10)).toEqual(Array(10).fill("b"));
  });

  test("a queue that comes and goes changes nothing between the others, and saves up no turns", () => {
    const turns = turnsOf(policy, { a: 1, b: 1 });
    const served: string[] = [];
    for (let round = 0; round < 100; round++) {
      turns.offer("limited", 1);
      served.push(...serve(turns, 3));
      turns.remove("limited");
      served.push(...serve(turns, 2));
    }
    const { a = 0, b = 0 } = counts(served);
    expect(Math.abs(a - b)).toBeLessThanOrEqual(2);
    turns.offer("late", 1);
    expect(counts(serve(turns, 30))).toEqual({ a: 10, b: 10, late: 10 });
  });

  test("finds the same order with thousands of queues as one by one", () => {
    const weights = Object.fromEntries(Array.from({ length: 5000 }, (_, at) => [`q${at}`, 1 + (at % 7)]));
    const turns = turnsOf(policy, weights);
    const served = serve(turns, 5000);
    if (policy === "round-robin") expect(new Set(served).size).toBe(5000);
    if (policy === "strict") expect(new Set(served.map((name) => weights[name]))).toEqual(new Set([7]));
    if (policy === "weighted") expect(served.filter((name) => weights[name] === 7).length).toBeGreaterThan(1200);
  });
});

describe("round-robin", () => {
  test("goes through the queues one after the other, whatever their weights", () => {
    expect(serve(turnsOf("round-robin", { a: 1, b: 100, c: 7 }), 6).join("")).toBe("abcabc");
  });
});

describe("weighted", () => {
  test("serves in proportion to the weights", () => {
    const turns = turnsOf("weighted", { a: 5, b: 3, c: 2 });
    const { a = 0, b = 0, c = 0 } = counts(serve(turns, 1000));
    for (const [count, wanted] of [
      [a, 500],
      [b, 300],
      [c, 200],
    ] as const) {
      expect(Math.abs(count - wanted)).toBeLessThanOrEqual(2);
    }
  });

  test("spreads the turns of the light queues", () => {
    const served = serve(turnsOf("weighted", { a: 5, b: 1 }), 60).join("");
    expect(served).not.toContain("b".repeat(2));
    expect(served).not.toContain("a".repeat(7));
  });
});

describe("strict", () => {
  test("serves the heaviest alone, and the turns of the others go on where they were", () => {
    const turns = turnsOf("strict", { heavy: 9, a: 1, b: 1 });
    expect(serve(turns, 3)).toEqual(["heavy", "heavy", "heavy"]);
    turns.remove("heavy");
    const first = serve(turns, 1);
    turns.offer("heavy", 9);
    expect(serve(turns, 1)).toEqual(["heavy"]);
    turns.remove("heavy");
    expect([...first, ...serve(turns, 1)].sort()).toEqual(["a", "b"]);
  });
});
