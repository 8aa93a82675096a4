import { expect, test } from "vitest";
import { LeanQueues } from "../../../../src/backends/redis/queues/lean-queues.js";

test("a queue that asks for more is tried again after a thousand creates, and others are not held back by it", () => {
  const queues = new LeanQueues();
  expect(queues.has("mail")).toBe(true);
  queues.leave("mail");
  const answers = Array.from({ length: 1001 }, () => queues.has("mail"));
  expect(answers.indexOf(true)).toBe(1000);
  expect(queues.has("other")).toBe(true);
});

test("only so many queues are remembered", () => {
  const queues = new LeanQueues();
  for (let at = 0; at <= 10_000; at++) queues.leave(`q${at}`);
  expect(queues.has("q0")).toBe(true);
  expect(queues.has("q10000")).toBe(false);
});
