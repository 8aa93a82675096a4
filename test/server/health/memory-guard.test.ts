import { expect, test } from "vitest";
import { createMemoryGuard, memoryOfProcess } from "../../../src/server/health/memory-guard.js";

const MIB = 1024 * 1024;

/** A guard of a process of 1000 MiB of heap on a machine of 4000 MiB, and how it stands with its heap. */
function open() {
  const process = { heap: 20 * MIB, collected: () => {}, isStopped: false };
  const guard = createMemoryGuard({
    heapLimit: 1000 * MIB,
    residentLimit: 4000 * MIB,
    base: 50 * MIB,
    heap: () => process.heap,
    onCollected(collected) {
      process.collected = collected;
      return () => {
        process.isStopped = true;
      };
    },
  });
  const kept = { heap: 0, external: 0 };
  return { process, guard, kept, isFull: () => guard.isFull(kept) };
}

test("the memory is full once the jobs that came make three quarters of the heap, and free at once when they go", () => {
  const { kept, isFull } = open();
  expect(isFull()).toBe(false);
  kept.heap = 730 * MIB;
  expect(isFull()).toBe(false);
  kept.heap += 1;
  expect(isFull()).toBe(true);
  kept.heap = 0;
  expect(isFull()).toBe(false);
});

test("the memory is full when jobs outside of the heap make three quarters of the machine, and free when they go", () => {
  const { kept, isFull } = open();
  expect(isFull()).toBe(false);
  kept.heap = 500 * MIB;
  kept.external = 2430 * MIB;
  expect(isFull()).toBe(false);
  kept.external += 1;
  expect(isFull()).toBe(true);
  kept.external = 0;
  expect(isFull()).toBe(false);
});

test("what was found after a full collection counts, not what was there before it", () => {
  const { process, kept, isFull } = open();
  expect(isFull()).toBe(false);
  kept.heap = 500 * MIB;
  // Much of it is garbage.
  process.heap = 990 * MIB;
  expect(isFull()).toBe(false);
  // The jobs take more than they count as.
  process.heap = 750 * MIB;
  process.collected();
  expect(isFull()).toBe(false);
  process.heap += 1;
  process.collected();
  expect(isFull()).toBe(true);
  kept.heap -= 1;
  expect(isFull()).toBe(false);
});

test("jobs that went between a collection and the look at it are not taken for something else", () => {
  const { process, kept, isFull } = open();
  expect(isFull()).toBe(false);
  kept.heap = 740 * MIB;
  process.heap = 765 * MIB;
  expect(isFull()).toBe(true);
  kept.heap = 0;
  process.collected();
  expect(isFull()).toBe(false);
  // At the next collection they are gone.
  process.heap = 30 * MIB;
  process.collected();
  kept.heap = 720 * MIB;
  expect(isFull()).toBe(false);
  kept.heap += 1;
  expect(isFull()).toBe(true);
});

test("jobs that came before the guard looked for the first time are not counted twice", () => {
  const { process, kept, isFull } = open();
  kept.heap = 500 * MIB;
  process.heap = 520 * MIB;
  process.collected();
  expect(isFull()).toBe(false);
  kept.heap += 230 * MIB + 1;
  expect(isFull()).toBe(true);
});

test("a guard that is stopped looks no more", () => {
  const { process, guard } = open();
  expect(process.isStopped).toBe(false);
  guard.stop();
  expect(process.isStopped).toBe(true);
});

test("a process that has just started is not full", () => {
  const guard = createMemoryGuard();
  expect(guard.isFull({ heap: 0, external: 0 })).toBe(false);
  expect(guard.isFull({ heap: 0, external: 1e15 })).toBe(true);
  guard.stop();
});

test("other processes of the server have their part of the machine, which is half of it at the most", () => {
  const alone = memoryOfProcess().residentLimit;
  const few = Math.floor(alone / 2 / (200 * MIB));
  expect(memoryOfProcess(1).residentLimit).toBe(alone - Math.min(alone / 2, 200 * MIB));
  expect(memoryOfProcess(few + 100).residentLimit).toBe(alone / 2);
});
