import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Latencies } from "../../src/cli/bench/latencies.js";
import { hasColors } from "../../src/cli/io.js";
import { indentJson, memberText } from "../../src/cli/json-text.js";
import { createStyle, fitted, fittedLine, inLine } from "../../src/cli/output/style.js";
import { tableText } from "../../src/cli/output/table.js";
import { distanceText, durationText } from "../../src/cli/output/times.js";
import { frameOf } from "../../src/cli/top/frame.js";
import { createRates } from "../../src/cli/top/rates.js";
import type { ServerInfo } from "../../src/client/index.js";
import { runs } from "../support/runs.js";

describe("times", () => {
  test.each([
    [0, "0ms"],
    [999, "999ms"],
    [1000, "1s"],
    [2549, "2.5s"],
    [61_000, "1m01s"],
    [3_660_000, "1h01m"],
    [172_800_000, "2d0h"],
    [-5000, "-5s"],
  ])("%i ms is written %s", (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });

  test.each([
    [0, "now"],
    [-1500, "2s ago"],
    [300_000, "in 5m00s"],
  ])("%i ms from now is %s", (ms, text) => {
    expect(distanceText(1_000_000 + ms, 1_000_000)).toBe(text);
  });
});

describe("text", () => {
  test("of others breaks no line and steers no terminal", () => {
    expect(inLine("a\nb\u001B[31m\u202E")).toBe("a\\nb\\u001b[31m\\u202e");
  });

  test("is cut to a width, which colours do not count for", () => {
    expect([fitted("abcdef", 4), fitted("abc", 3)]).toEqual(["abc…", "abc"]);
    const style = createStyle(true);
    const line = `${style("red", "abc")}${style("dim", "def")}`;
    expect(fittedLine(line, 6)).toBe(line);
    for (const width of [1, 2, 3, 4, 5]) {
      const cut = fittedLine(line, width);
      expect(stripVTControlCharacters(cut)).toBe(`${"abcdef".slice(0, width - 1)}…`);
      expect(cut.endsWith("\u001B[0m")).toBe(true);
    }
    expect(fittedLine("plain text", 6)).toBe("plain…");
  });

  test("has colours on terminals, by NO_COLOR and FORCE_COLOR", () => {
    const terminal = { isTTY: true } as NodeJS.WriteStream;
    const pipe = {} as NodeJS.WriteStream;
    expect([hasColors(terminal, {}), hasColors(pipe, {})]).toEqual([true, false]);
    expect([hasColors(terminal, { NO_COLOR: "1" }), hasColors(terminal, { TERM: "dumb" })]).toEqual([false, false]);
    expect([hasColors(pipe, { FORCE_COLOR: "1" }), hasColors(pipe, { FORCE_COLOR: "0" })]).toEqual([true, false]);
  });

  test("of a table keeps to the width by the column that may be cut", () => {
    const columns = [{ title: "N", isRight: true }, { title: "TEXT", isElastic: true }, { title: "END" }];
    const rows = [
      [1, "short", "x"],
      [20, "a text that is too long", "yy"],
    ];
    const text = tableText(columns, rows, { style: createStyle(false), width: 22 });
    expect(text).toBe(" N  TEXT           END\n 1  short          x\n20  a text that …  yy\n");
  });

  test("lets the last of several columns be cut first, and ends no line with spaces", () => {
    const columns = [
      { title: "A", isElastic: true },
      { title: "N", isRight: true },
      { title: "B", isElastic: true },
      { title: "" },
    ];
    const long = "x".repeat(20);
    const rows = [
      [long, 1, long, ""],
      ["a", "", "", ""],
      ["a", "", "", "end"],
    ];
    const text = (width: number) => tableText(columns, rows, { style: createStyle(false), width });
    expect(text(42).split("\n").slice(1)).toEqual([`${long}  1  ${"x".repeat(11)}…`, "a", `a${" ".repeat(38)}end`, ""]);
    expect(text(30).split("\n")[1]).toBe(`${"x".repeat(9)}…  1  ${"x".repeat(9)}…`);
    const colored = tableText(columns, [["a", { text: "", look: "red" }, "", ""]], {
      style: createStyle(true),
      width: 80,
    });
    expect(colored.split("\n")[1]).toBe("a");
  });
});

test("the screen of top is steered by nothing that a server tells", () => {
  const info = { store: "memory", version: "1\u001b[2J", uptimeMs: 0, draining: false } as ServerInfo;
  const view = { info, queues: [], rates: createRates(), running: [], workers: undefined, problem: "\u009bx", at: 0 };
  const lines = frameOf(view, { style: createStyle(false), width: 200, height: 10, url: "http://a" });
  expect(lines.join("\n")).toMatch(/version 1\\u001b\[2J[\s\S]*away: \\u009bx/);
});

test("rates are over the last seconds, and begin anew with a queue that was made anew", () => {
  const rates = createRates();
  const queues = (completed: number) =>
    [{ name: "a", stats: { completed } }] as unknown as Parameters<typeof rates.add>[0];
  rates.add(queues(100), 0);
  expect(rates.of("a")).toBeUndefined();
  rates.add(queues(110), 1000);
  expect([rates.of("a"), rates.of("b")]).toEqual([10, undefined]);
  for (let second = 2; second <= 10; second++) rates.add(queues(110), second * 1000);
  expect(rates.of("a")).toBe(0);
  rates.add(queues(5), 11_000);
  expect(rates.of("a")).toBeUndefined();
});

test("latencies are told by percentiles, in bounded memory", () => {
  const latencies = new Latencies(() => 0.5);
  expect(latencies.summary()).toBeUndefined();
  for (let ms = 1; ms <= 100; ms++) latencies.add(ms);
  expect(latencies.summary()).toEqual({ count: 100, p50: 51, p90: 91, p99: 100, max: 100 });
  for (let n = 0; n < 200_000; n++) latencies.add(7.123);
  latencies.add(5000);
  expect(latencies.summary()).toMatchObject({ count: 200_101, p50: 7.12, max: 5000 });
});

describe("JSON texts", () => {
  test("are written on several lines as any JSON is, but for the letters", () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(indentJson(json)).toBe(JSON.stringify(JSON.parse(json), null, 2));
      }),
      { numRuns: runs(200) },
    );
    expect(indentJson('{"a" :[ ],"b":{ "c":1.50e3}, "a":"\\"{,"}')).toBe(
      '{\n  "a": [],\n  "b": {\n    "c": 1.50e3\n  },\n  "a": "\\"{,"\n}',
    );
  });

  test.each([
    ['{"type":"a","payload":{"payload":1},"x":2}', '{"payload":1}'],
    ['{"payload" : "a,}\\"b" }', '"a,}\\"b"'],
    ['{"x":["payload",{"payload":1}],"payload":[1,{"a":2}]}', '[1,{"a":2}]'],
    [String.raw`{"payloa\u0064": 12345678901234567890}`, "12345678901234567890"],
    ['{"payload":1,"payload":2}', "2"],
    ['{"x":"payload"}', undefined],
    ["{}", undefined],
  ])("of %s the payload is %s", (json, payload) => {
    expect(memberText(json, "payload")).toBe(payload);
  });
});
