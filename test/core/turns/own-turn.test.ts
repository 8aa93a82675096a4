import { expect, test } from "vitest";
import { hasOwnTurns, inOwnTurn, ownTurn } from "../../../src/core/turns/own-turn.js";

/** Takes so long that no other slice shares the turn. */
function work(): void {
  for (const until = performance.now() + 2; performance.now() < until; );
}

/** Counts turns of the event loop until it is told to stop. */
function countTurns() {
  let count = 0;
  let isOver = false;
  const next = () => {
    count++;
    if (!isOver) setImmediate(next);
  };
  setImmediate(next);
  return {
    now: () => count,
    stop() {
      isOver = true;
    },
  };
}

test("slices are run in order, and long ones each in a turn of the event loop of its own", async () => {
  const seen: string[] = [];
  const turns = countTurns();
  await new Promise<void>((resolve) => {
    for (let index = 0; index < 5; index++) {
      inOwnTurn(() => {
        seen.push(`${index} ${turns.now()}`);
        work();
        if (index === 4) resolve();
      });
    }
    expect(seen).toEqual([]);
  });
  turns.stop();
  expect(seen.map((line) => line.split(" ")[0])).toEqual(["0", "1", "2", "3", "4"]);
  expect(new Set(seen.map((line) => line.split(" ")[1])).size).toBe(5);
});

test("what a slice goes on with once its turn was awaited counts to it", async () => {
  const seen: number[] = [];
  const turns = countTurns();
  const slice = async () => {
    await ownTurn();
    await Promise.resolve();
    await Promise.resolve();
    seen.push(turns.now());
    work();
  };
  await Promise.all([slice(), slice(), slice()]);
  turns.stop();
  expect(new Set(seen).size).toBe(3);
});

test("a slice that throws does not hold up the next ones, and a turn that has begun is not due any more", async () => {
  await new Promise(setImmediate);
  const thrown = new Promise((resolve) => {
    const listeners = process.rawListeners("uncaughtException") as ((error: Error) => void)[];
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => {
      for (const listener of listeners) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
  inOwnTurn(() => {
    throw new Error("broken slice");
  });
  expect(hasOwnTurns()).toBe(true);
  await ownTurn();
  expect(hasOwnTurns()).toBe(false);
  expect(await thrown).toEqual(new Error("broken slice"));
});
