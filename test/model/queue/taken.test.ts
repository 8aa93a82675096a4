import { expect, test } from "vitest";
import { takenBy } from "../../../src/model/queue/taken.js";

test("a type is taken from every queue by who names no queues, and otherwise from those that are named", () => {
  const isTaken = takenBy([
    { queues: [], types: ["anywhere"] },
    { queues: ["mail", "print"], types: ["send"] },
    { queues: ["print"], types: ["scan"] },
    { queues: ["eu.*"], types: ["ship"] },
  ]);
  expect(isTaken("mail", "anywhere")).toBe(true);
  expect(["mail", "print", "default"].map((queue) => isTaken(queue, "send"))).toEqual([true, true, false]);
  expect(["mail", "print"].map((queue) => isTaken(queue, "scan"))).toEqual([false, true]);
  expect(["eu.mail", "eu.", "eu", "mail"].map((queue) => isTaken(queue, "ship"))).toEqual([true, true, false, false]);
  expect(isTaken("mail", "none")).toBe(false);
});
