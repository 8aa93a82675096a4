import { describe, expect, test } from "vitest";
import { ReadyNotices } from "../../../../src/backends/redis/queues/ready-notices.js";

function setUp() {
  const told: [string, readonly string[] | undefined][] = [];
  const notices = new ReadyNotices();
  notices.tell = (queue, types) => void told.push([queue, types]);
  return { notices, told };
}

describe("ready jobs are told once for each call", () => {
  test("with the answer of an own call, and not again when its notice comes", () => {
    const { notices, told } = setUp();
    notices.answered("a", 7, "x,y");
    notices.noticed("a", 6, "z");
    notices.noticed("a", 7, "x,y");
    notices.noticed("a", 8, undefined);
    expect(told).toEqual([
      ["a", ["x", "y"]],
      ["a", ["z"]],
    ]);
  });

  test("with the notice, when that came before the answer", () => {
    const { notices, told } = setUp();
    notices.noticed("a", 7, "x");
    notices.answered("a", 7, "x");
    expect(told).toEqual([["a", ["x"]]]);
  });

  test("though a call changed nothing", () => {
    const { notices, told } = setUp();
    notices.noticed("a", 0, "*");
    notices.answered("a", 0, "%2A,a%20b");
    notices.answered("a", 0, "-");
    expect(told).toEqual([
      ["a", undefined],
      ["a", ["*", "a b"]],
    ]);
  });

  test("also when the log began anew, or notices were missed", () => {
    for (const forget of ["forget", "reset"] as const) {
      const { notices, told } = setUp();
      notices.noticed("a", 70, "x");
      notices.answered("a", 71, "x");
      notices[forget]("a");
      notices.answered("a", 1, "x");
      notices.noticed("a", 71, "x");
      expect(told).toHaveLength(4);
    }
  });
});
