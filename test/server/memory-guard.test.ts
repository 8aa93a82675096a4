import { expect, test } from "vitest";
import { createMemoryGuard } from "../../src/server/memory-guard.js";
import { FakeClock } from "../support/fake-clock.js";

test("the memory is full above three quarters of the heap or of the machine, and a look at it lasts 20 ms", async () => {
  const clock = new FakeClock();
  let use = { heap: 750, resident: 7500 };
  let looks = 0;
  const isFull = createMemoryGuard(clock, () => {
    looks++;
    return { ...use, heapLimit: 1000, residentLimit: 10_000 };
  });
  expect(isFull()).toBe(false);
  use = { heap: 751, resident: 10 };
  expect(isFull()).toBe(false);
  await clock.advance(20);
  expect(isFull()).toBe(true);
  expect(looks).toBe(2);
  use = { heap: 10, resident: 7501 };
  await clock.advance(20);
  expect(isFull()).toBe(true);
  use = { heap: 10, resident: 10 };
  await clock.advance(20);
  expect(isFull()).toBe(false);
});

test("a process that has just started is not full", () => {
  expect(createMemoryGuard(new FakeClock())()).toBe(false);
});
