import { getHeapStatistics } from "node:v8";
import { expect, test } from "vitest";
import { createMemoryGuard } from "../../src/server/memory-guard.js";
import { FakeClock } from "../support/fake-clock.js";

test("the memory counts as full above three quarters of the heap limit, and a look at it lasts 20 ms", async () => {
  const clock = new FakeClock();
  let used = 700;
  let looks = 0;
  const isFull = createMemoryGuard(clock, () => {
    looks++;
    return { ...getHeapStatistics(), used_heap_size: used, heap_size_limit: 1000 };
  });
  expect(isFull()).toBe(false);
  used = 800;
  expect(isFull()).toBe(false);
  await clock.advance(20);
  expect(isFull()).toBe(true);
  expect(looks).toBe(2);
  used = 700;
  await clock.advance(20);
  expect(isFull()).toBe(false);
});
