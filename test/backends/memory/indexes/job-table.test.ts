import { expect, test } from "vitest";
import { JobTable } from "../../../../src/backends/memory/indexes/job-table.js";
import { createIdGenerator } from "../../../../src/model/queue/ids.js";

test("a table finds what was added and not deleted, however many there are", () => {
  const clock = { ms: Date.UTC(2026, 5, 1), now: () => clock.ms };
  const ids = createIdGenerator(clock, 5);
  const table = new JobTable<number>();
  const plain = new Map<string, number>();
  const numbers = ["1", "22", "333", "4444", "55555"];
  for (let at = 0; at < 120_000; at++) {
    // Some were created at the same moment, some alone.
    if (at % 7 !== 0) clock.ms += at % 3;
    numbers.push(ids.next());
  }
  for (const [at, number] of numbers.entries()) {
    table.add(number, at);
    plain.set(number, at);
    if (at % 5 === 0) {
      const gone = numbers[(at * 31) % (at + 1)] as string;
      if (table.delete(gone) !== plain.delete(gone)) throw new Error(`${gone} was not deleted alike`);
    }
  }
  expect(table.size).toBe(plain.size);
  const wrong = numbers.filter((number) => table.get(number) !== plain.get(number));
  expect(wrong).toEqual([]);
  expect(numbers.filter((number) => table.delete(number) !== plain.delete(number))).toEqual([]);
  expect(table.size).toBe(0);
});
