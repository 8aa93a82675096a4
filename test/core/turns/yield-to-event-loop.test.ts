import { expect, test } from "vitest";
import { yieldToEventLoop } from "../../../src/core/turns/yield-to-event-loop.js";

test("what waits in the event loop goes first, promises and earlier turns alike", async () => {
  const order: string[] = [];
  setImmediate(() => order.push("turn"));
  void Promise.resolve().then(() => order.push("promise"));
  await yieldToEventLoop();
  expect(order).toEqual(["promise", "turn"]);
});
