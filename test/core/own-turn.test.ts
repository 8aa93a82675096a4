import { expect, test } from "vitest";
import { inOwnTurn } from "../../src/core/own-turn.js";

test("what asks for much is done in order, each in a turn of the event loop of its own", async () => {
  const seen: string[] = [];
  let turn = 0;
  const count = () => {
    turn++;
    if (seen.length < 5) setImmediate(count);
  };
  setImmediate(count);
  await new Promise<void>((resolve) => {
    for (let index = 0; index < 4; index++) inOwnTurn(() => seen.push(`${index} ${turn}`));
    inOwnTurn(() => {
      seen.push(`4 ${turn}`);
      resolve();
    });
    expect(seen).toEqual([]);
  });
  expect(seen.map((line) => line.split(" ")[0])).toEqual(["0", "1", "2", "3", "4"]);
  expect(new Set(seen.map((line) => line.split(" ")[1])).size).toBe(5);
});
