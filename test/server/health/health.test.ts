import { expect, test } from "vitest";
import { HealthState } from "../../../src/server/health/health.js";

test("the health of a server follows its backend, until it drains", () => {
  const health = new HealthState();
  const told: boolean[] = [];
  const stop = health.watch(() => told.push(health.isServing));
  expect(health.isServing).toBe(true);
  health.set(true);
  health.set(false);
  health.set(false);
  health.set(true);
  health.drain();
  health.drain();
  health.set(false);
  health.set(true);
  expect(told).toEqual([false, true, false, false, false]);
  expect([health.isDraining, health.isClosed]).toEqual([true, false]);
  health.close();
  expect(health.isClosed).toBe(true);
  stop();
  const before = told.length;
  health.set(false);
  expect(told).toHaveLength(before);
});
