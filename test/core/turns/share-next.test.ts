import { expect, test } from "vitest";
import { shareNext } from "../../../src/core/turns/share-next.js";
import { signal } from "../../support/signal.js";

test("calls that come while one runs share the next run, which begins after all of them", async () => {
  const gates = [signal(), signal(), signal()];
  let runs = 0;
  const call = shareNext(async () => {
    const run = runs++;
    await gates[run]?.fired;
    return run;
  });
  const first = call();
  await Promise.resolve();
  const others = [call(), call(), call()];
  gates[0]?.fire();
  expect(await first).toBe(0);
  gates[1]?.fire();
  expect(await Promise.all(others)).toEqual([1, 1, 1]);
  expect(runs).toBe(2);
});

test("a run that fails fails those that share it, and no later one", async () => {
  let runs = 0;
  const call = shareNext(async () => {
    if (runs++ === 0) throw new Error("broken");
    return runs;
  });
  const shared = [call(), call()];
  await expect(shared[0]).rejects.toThrow("broken");
  await expect(shared[1]).rejects.toThrow("broken");
  expect(await call()).toBe(2);
});
