import { expect, test } from "vitest";
import { CompletedBytes } from "../../../../src/backends/redis/queues/completed-bytes.js";

/** Figures of a store with a limit of 1600 bytes, on queues whose finished jobs have 10 bytes each, one a ms. */
function open() {
  const calls: string[] = [];
  const queues = new Map<string, { bytes: number; oldest: number }>();
  const away = new Set<string>();
  let overs = 0;
  const completed = new CompletedBytes(
    1600,
    async (queue, keepBytes) => {
      calls.push(`${queue} ${keepBytes}`);
      if (away.has(queue)) throw new Error("away");
      const found = queues.get(queue) ?? { bytes: 0, oldest: 0 };
      while (found.bytes > keepBytes) {
        found.bytes -= 10;
        found.oldest++;
      }
      return { bytes: found.bytes, oldest: found.bytes === 0 ? undefined : found.oldest };
    },
    () => overs++,
  );
  const finish = (queue: string, bytes: number, oldest: number, isOurs = true) => {
    queues.set(queue, { bytes, oldest });
    completed.note(queue, { bytes, oldest }, isOurs);
  };
  return { completed, queues, calls, away, finish, overs: () => overs };
}

test("the queues whose finished jobs are the oldest are trimmed in parts, until a sixteenth of the limit is free", async () => {
  const { completed, queues, calls, finish, overs } = open();
  finish("late", 800, 500);
  finish("early", 800, 100);
  await completed.keepLimit();
  expect([calls, overs()]).toEqual([[], 0]);
  finish("early", 820, 100);
  expect(overs()).toBe(1);
  await completed.keepLimit();
  expect(completed.total).toBe(1500);
  expect(queues.get("late")?.bytes).toBe(800);
  expect(calls.slice(0, 2)).toEqual(["early 795", "early 765"]);
});

test("a server leaves it to the one that raised the sum", () => {
  const { finish, overs } = open();
  finish("mail", 2000, 1, false);
  expect(overs()).toBe(0);
  finish("mail", 2010, 1);
  expect(overs()).toBe(1);
});

test("queues lose their oldest in turn", async () => {
  const { completed, queues, finish } = open();
  finish("one", 800, 100);
  finish("two", 1000, 100);
  await completed.keepLimit();
  const [one, two] = [queues.get("one"), queues.get("two")];
  expect((one?.bytes ?? 0) + (two?.bytes ?? 0)).toBe(1500);
  expect(Math.abs((one?.oldest ?? 0) - (two?.oldest ?? 0))).toBeLessThan(4);
});

test("a queue that cannot be trimmed does not hold up the others, and counts again when it is heard of", async () => {
  const { completed, calls, away, finish } = open();
  away.add("gone");
  finish("gone", 900, 1);
  finish("mail", 900, 2);
  await completed.keepLimit();
  expect(calls).toEqual(["gone 875"]);
  expect(completed.total).toBe(900);
  finish("gone", 900, 1);
  expect(completed.total).toBe(1800);
});

test("a queue that is gone counts no more", async () => {
  const { completed, finish, calls } = open();
  finish("gone", 1000, 1);
  completed.forget("gone");
  finish("mail", 1000, 2);
  await completed.keepLimit();
  expect([completed.total, calls]).toEqual([1000, []]);
});

test("for new results so much is made free, or all there is", async () => {
  const { completed, finish } = open();
  finish("mail", 1000, 1);
  await completed.free(300);
  expect(completed.total).toBe(700);
  await completed.free(10_000);
  expect(completed.total).toBe(0);
  await completed.free(10_000);
});
