import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isQueuePattern, QueuePatterns } from "../../../src/model/queue/queue-patterns.js";

describe("QueuePatterns", () => {
  test("has queues by name and by how their names begin", () => {
    const queues = new QueuePatterns(["orders*", "mail"]);
    expect(["mail", "orders", "orders.eu", "mail2", "default", "xorders"].filter((name) => queues.has(name))).toEqual([
      "mail",
      "orders",
      "orders.eu",
    ]);
    expect(queues.names).toBeUndefined();
    expect(new QueuePatterns(["b", "a", "b"]).names).toEqual(new Set(["a", "b"]));
    expect(new QueuePatterns(["b", "a", "b"]).key).toBe(new QueuePatterns(["a", "b"]).key);
  });

  test("knows what a pattern is", () => {
    const patterns = ["mail", "m*", "orders.*", "a-*", "*", "", "A*", "a**", "a*b", "-a*", `${"a".repeat(64)}*`];
    expect(patterns.filter(isQueuePattern)).toEqual(["mail", "m*", "orders.*", "a-*"]);
  });

  test("overlaps with a pattern if and only if some queue is meant by both", () => {
    const word = fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 }).map((letters) => letters.join(""));
    const pattern = fc.oneof(
      word,
      word.map((start) => `${start}*`),
    );
    const names = ["a", "b"].flatMap((x) => [
      x,
      ...["a", "b"].flatMap((y) => [x + y, ...["a", "b"].map((z) => x + y + z)]),
    ]);
    fc.assert(
      fc.property(fc.array(pattern, { minLength: 1, maxLength: 3 }), pattern, (list, other) => {
        const queues = new QueuePatterns(list);
        const others = new QueuePatterns([other]);
        expect(queues.overlaps(other)).toBe(names.some((name) => queues.has(name) && others.has(name)));
      }),
    );
  });
});
