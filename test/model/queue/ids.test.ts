import { describe, expect, test } from "vitest";
import {
  compareNumbers,
  createIdGenerator,
  ID_EPOCH_MS,
  isId,
  jobIdOf,
  numberOf,
  queueOf,
} from "../../../src/model/queue/ids.js";

/** A generator whose wall clock is set by the test. */
function generatorAt(start: number, node = 5) {
  const clock = { at: start, now: () => clock.at };
  return { clock, ids: createIdGenerator(clock, node) };
}

function decode(id: string) {
  const value = BigInt(id);
  return {
    time: Number(value >> 22n) + ID_EPOCH_MS,
    node: Number((value >> 12n) & 1023n),
    sequence: Number(value & 4095n),
  };
}

function take(ids: { next(): string }, count: number): string[] {
  return Array.from({ length: count }, () => ids.next());
}

function expectIncreasing(ids: readonly string[]): void {
  for (let at = 1; at < ids.length; at++) {
    if (!(BigInt(ids[at] ?? "") > BigInt(ids[at - 1] ?? ""))) {
      throw new Error(`${ids[at]} does not come after ${ids[at - 1]}`);
    }
  }
}

const NOW = Date.UTC(2026, 5, 1, 12, 0, 0, 123);

describe("createIdGenerator", () => {
  test("writes a decimal Snowflake of the time, the node and a sequence", () => {
    const { ids } = generatorAt(NOW, 777);
    expect(decode(ids.next())).toEqual({ time: NOW, node: 777, sequence: 0 });
    expect(decode(ids.next())).toEqual({ time: NOW, node: 777, sequence: 1 });
  });

  test("begins the sequence again in each millisecond", () => {
    const { clock, ids } = generatorAt(NOW);
    take(ids, 10);
    clock.at++;
    expect(decode(ids.next())).toEqual({ time: NOW + 1, node: 5, sequence: 0 });
  });

  test("goes on strictly increasing while the clock stands still, also past 4096 ids a millisecond", () => {
    const { ids } = generatorAt(NOW);
    const made = take(ids, 10_000);
    expectIncreasing(made);
    expect(decode(made[4095] ?? "")).toEqual({ time: NOW, node: 5, sequence: 4095 });
    expect(decode(made[4096] ?? "")).toEqual({ time: NOW + 1, node: 5, sequence: 0 });
  });

  test("stays ahead of what it borrowed when the clock moves on by less", () => {
    const { clock, ids } = generatorAt(NOW);
    const made = take(ids, 3 * 4096);
    clock.at++;
    made.push(...take(ids, 5000));
    clock.at += 10;
    made.push(...take(ids, 10));
    expectIncreasing(made);
    expect(decode(made.at(-1) ?? "").time).toBe(NOW + 11);
  });

  test("goes on strictly increasing when the clock steps back", () => {
    const { clock, ids } = generatorAt(NOW);
    const made = take(ids, 10);
    clock.at -= 3_600_000;
    made.push(...take(ids, 5000));
    clock.at += 3_600_001;
    made.push(...take(ids, 10));
    expectIncreasing(made);
    expect(new Set(made).size).toBe(5020);
  });

  test("never clashes with another node, whatever their clocks do", () => {
    const one = generatorAt(NOW, 1);
    const two = generatorAt(NOW, 2);
    const made = new Set<string>();
    for (let step = 0; step < 20; step++) {
      for (const id of [...take(one.ids, 1000), ...take(two.ids, 1500)]) made.add(id);
      one.clock.at += step % 3;
      two.clock.at -= step % 2;
    }
    expect(made.size).toBe(20 * 2500);
  });

  test("agrees with big number arithmetic, also where the sequence carries into the tenth digit", () => {
    const isCarry = (millis: number) => (millis * 4_194_304) % 1e9 > 1e9 - 4096;
    let millis = 1000;
    while (!isCarry(millis)) millis++;
    for (const at of [0, 1, 238, 239, 5_000_000, millis]) {
      const { ids } = generatorAt(ID_EPOCH_MS + at, 0);
      const base = BigInt(at) << 22n;
      expect(take(ids, 4096)).toEqual(Array.from({ length: 4096 }, (_, sequence) => String(base + BigInt(sequence))));
    }
  });

  test("begins at 0 at the epoch and holds still before it", () => {
    const { clock, ids } = generatorAt(ID_EPOCH_MS - 86_400_000, 0);
    expect(ids.next()).toBe("0");
    clock.at = ID_EPOCH_MS;
    expect(ids.next()).toBe("1");
  });

  test.each([-1, 1024, 1.5, Number.NaN])("refuses node %d", (node) => {
    expect(() => createIdGenerator({ now: () => NOW }, node)).toThrow(RangeError);
  });

  test.each([0, 1023])("takes node %i", (node) => {
    expect(decode(createIdGenerator({ now: () => NOW }, node).next()).node).toBe(node);
  });
});

describe("compareNumbers", () => {
  test.each([
    ["1", "2", -1],
    ["2", "1", 1],
    ["9", "10", -1],
    ["100", "99", 1],
    ["7", "7", 0],
    ["9007199254740992", "9007199254740993", -1],
  ])("orders %s and %s as numbers", (a, b, sign) => {
    expect(Math.sign(compareNumbers(a, b))).toBe(sign);
  });
});

describe("isId", () => {
  test.each(["0", "1", "42", "18446744073709551615", "1@mail", "7@a.b-c_d"])("takes %s", (text) => {
    expect(isId(text)).toBe(true);
  });
  test.each([
    ...["", "-1", "01", "1.0", "1e3", "abc", " 1", "1\n", "184467440737095516150"],
    ...["@", "1@", "@mail", "1@default", "1@Mail", "1@mail ", "1@mail@mail", "01@mail", `1@${"a".repeat(65)}`],
  ])("refuses %j", (text) => {
    expect(isId(text)).toBe(false);
  });
});

describe("an id", () => {
  test("is the number alone in the default queue, and names every other one", () => {
    expect(jobIdOf("default", "12")).toBe("12");
    expect(jobIdOf("mail", "12")).toBe("12@mail");
  });

  test.each(["default", "mail", "a.b-c_d"])("tells its queue and number: %s", (queue) => {
    const id = jobIdOf(queue, "119173640645246976");
    expect([queueOf(id), numberOf(id), isId(id)]).toEqual([queue, "119173640645246976", true]);
  });
});
