import { describe, expect, test } from "vitest";
import { type ReadyNotice, ReadyNotices } from "../../../../src/backends/redis/queues/ready-notices.js";
import { FakeClock } from "../../../support/fake-clock.js";

const QUIET: ReadyNotice = {
  ...{ queue: "a", position: 0, at: 0, ready: undefined, gone: "-", from: "-" },
  ...{ sweeper: undefined, entry: undefined },
};

function setUp(self = "me", clock = new FakeClock()) {
  const told: [string, readonly string[] | undefined][] = [];
  const notices = new ReadyNotices(clock, self);
  notices.tell = (queue, types) => void told.push([queue, types]);
  const notice = (given: Partial<ReadyNotice>) => notices.noticed({ ...QUIET, ...given });
  return { notices, told, notice, clock };
}

describe("ready jobs are told once for each call", () => {
  test("with the answer of an own call, and not again when its notice comes", () => {
    const { notices, told, notice } = setUp();
    notices.answered("a", 7, "x,y");
    notice({ position: 6, ready: "z" });
    notice({ position: 7, ready: "x,y" });
    notice({ position: 8 });
    expect(told).toEqual([
      ["a", ["x", "y"]],
      ["a", ["z"]],
    ]);
  });

  test("with the notice, when that came before the answer", () => {
    const { notices, told, notice } = setUp();
    notice({ position: 7, ready: "x" });
    notices.answered("a", 7, "x");
    expect(told).toEqual([["a", ["x"]]]);
  });

  test("with the answer of an own sweep, and not again when its notice comes, before or after", () => {
    const { notices, told, notice } = setUp();
    notice({ ready: "x", sweeper: "me" });
    notices.swept("a", "x");
    notice({ ready: "x", sweeper: "me" });
    expect(told).toEqual([["a", ["x"]]]);
    notice({ ready: "x", sweeper: "other" });
    expect(told).toHaveLength(2);
  });

  test("though a call changed nothing", () => {
    const { notices, told, notice } = setUp();
    notice({ ready: "*" });
    notices.answered("a", 0, "%2A,a%20b");
    notices.answered("a", 0, "-");
    expect(told).toEqual([
      ["a", undefined],
      ["a", ["*", "a b"]],
    ]);
  });

  test("also when the log began anew, or notices were missed", () => {
    for (const forget of ["forget", "reset"] as const) {
      const { notices, told, notice } = setUp();
      notice({ position: 70, ready: "x" });
      notices.answered("a", 71, "x");
      notices[forget]("a");
      notices.answered("a", 1, "x");
      notice({ position: 71, ready: "x" });
      expect(told).toHaveLength(4);
    }
  });
});

describe("of many servers", () => {
  /** Servers that hear the same; those of `takers` have taken jobs. */
  function fleet(size: number, takers: number) {
    const clock = new FakeClock();
    const servers = Array.from({ length: size }, (_, at) => setUp(`s${at}`, clock));
    const notice = (given: Partial<ReadyNotice>) => {
      for (const server of servers) server.notice(given);
    };
    for (let at = 0; at < takers; at++) notice({ gone: "x", from: `s${at}` });
    const look = () => servers.map(({ told }) => told.splice(0).length);
    return { clock, notice, look };
  }

  test("all look when nobody has taken jobs of the queue lately", async () => {
    const { clock, notice, look } = fleet(4, 0);
    notice({ position: 1, ready: "x" });
    expect(look()).toEqual([1, 1, 1, 1]);
    notice({ gone: "x", from: "s2" });
    notice({ position: 3, ready: "x" });
    expect(look()).toEqual([0, 0, 1, 0]);
    notice({ gone: "x", from: "s2" });
    await clock.advance(10_001);
    notice({ position: 5, ready: "x" });
    expect(look()).toEqual([1, 1, 1, 1]);
  });

  test("those that take jobs take turns: as many look as there are jobs", () => {
    const { notice, look } = fleet(8, 4);
    const counts = Array(8).fill(0);
    for (let position = 1; position <= 40; position++) {
      notice({ position, ready: "x" });
      const looks = look();
      expect(looks.filter((count) => count > 0)).toHaveLength(1);
      for (const [at, count] of looks.entries()) counts[at] += count;
      notice({ gone: "x", from: `s${looks.indexOf(1)}` });
    }
    expect(counts).toEqual([10, 10, 10, 10, 0, 0, 0, 0]);
    notice({ position: 50, ready: "x", entry: { count: 3 } });
    expect(look().filter((count) => count > 0)).toHaveLength(3);
    notice({ position: 80, ready: "x", entry: { count: 30 } });
    expect(look()).toEqual(Array(8).fill(1));
  });

  test("whoever made a job ready looks too: its callers may ask at once", () => {
    const { notice, look } = fleet(3, 1);
    notice({ position: 1, ready: "x", from: "s2" });
    expect(look()).toEqual([1, 0, 1]);
  });

  test("whoever swept and takes jobs itself is left alone with what it found, for a moment", async () => {
    const { clock, notice, look } = fleet(3, 2);
    notice({ ready: "x", sweeper: "s1" });
    expect(look()).toEqual([0, 0, 0]);
    await clock.advance(10);
    expect(look()).toEqual([1, 0, 1]);
    notice({ ready: "x", sweeper: "s2" });
    expect(look()).toEqual([1, 0, 0]);
  });

  test("whoever made a job ready and takes jobs itself is left alone with it, until it leaves one", async () => {
    const { clock, notice, look } = fleet(3, 2);
    for (let position = 1; position <= 3; position++) {
      notice({ position, ready: "x", from: "s1", entry: { count: 4 } });
      expect(look()).toEqual([0, 1, 0]);
      notice({ gone: "x", from: "s1" });
    }
    notice({ position: 4, ready: "x", from: "s1" });
    await clock.advance(10);
    expect(look()).toEqual([1, 1, 1]);
    notice({ position: 5, ready: "x", from: "s1" });
    expect(look()).toEqual([1, 1, 0]);
    notice({ gone: "x", from: "s1" });
    notice({ position: 6, ready: "x", from: "s1" });
    expect(look()).toEqual([0, 1, 0]);
  });

  test("whoever takes jobs of another type only is not counted on", () => {
    const { notice, look } = fleet(3, 3);
    notice({ gone: "y", from: "s2" });
    notice({ position: 1, ready: "y", from: "s1" });
    expect(look()).toEqual([0, 1, 1]);
    notice({ gone: "y", from: "s2" });
    notice({ position: 2, ready: "x,y", from: "s0" });
    expect(look()).toEqual([1, 0, 1]);
    notice({ gone: "x,y", from: "s2" });
    notice({ position: 3, ready: "x,z", from: "s2" });
    notice({ position: 4, ready: "*", from: "s2" });
    expect(look()).toEqual([2, 2, 2]);
  });

  test("the others look a moment later when one whose turn it was is busy or gone, and not when the job was taken", async () => {
    const { clock, notice, look } = fleet(3, 1);
    notice({ position: 1, ready: "x" });
    expect(look()).toEqual([1, 0, 0]);
    await clock.advance(9);
    expect(look()).toEqual([0, 0, 0]);
    await clock.advance(1);
    expect(look()).toEqual([0, 1, 1]);
    notice({ position: 2, ready: "x" });
    notice({ position: 3, ready: "y" });
    notice({ gone: "x", from: "s0" });
    notice({ gone: "y", from: "s0" });
    look();
    await clock.advance(1000);
    expect(look()).toEqual([0, 0, 0]);
    expect(clock.timers).toBe(0);
  });
});
