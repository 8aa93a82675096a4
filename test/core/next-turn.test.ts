import { expect, test } from "vitest";
import { nextTurn } from "../../src/core/next-turn.js";

test("what waits in the event loop goes first, promises and earlier turns alike", async () => {
  const order: string[] = [];
  setImmediate(() => order.push("turn"));
  void Promise.resolve().then(() => order.push("promise"));
  await nextTurn();
  expect(order).toEqual(["promise", "turn"]);
});
