import { describe, expect, test } from "vitest";
import { PermanentError, RetryAfterError, SnoozeError } from "../../../src/model/handler/handler-errors.js";
import { retryDecision, snoozeDelay, toResult, writeResult } from "../../../src/model/handler/handler-outcome.js";
import { STRANGE_ERRORS } from "../../support/strange-values.js";

const YEAR_MS = 366 * 24 * 3600 * 1000;

describe("toResult", () => {
  test.each([
    [{ a: [1, "b", null] }, '{"a":[1,"b",null]}'],
    [null, "null"],
    [0, "0"],
    [false, "false"],
    ["", '""'],
    [Number.NaN, "null"],
    [new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ])("writes %j as JSON text", (value, text) => {
    expect(toResult(value)).toBe(text);
  });

  test("keeps bytes as bytes, even when the handler uses them again", () => {
    const bytes = new Uint8Array([1, 2, 255]);
    const result = toResult(bytes);
    bytes.fill(0);
    expect(result).toEqual(new Uint8Array([1, 2, 255]));
    expect(toResult(Buffer.from("ab"))).toEqual(Uint8Array.from(Buffer.from("ab")));
  });

  test.each([[undefined], [() => 1], [Symbol("s")], [{ toJSON: () => undefined }]])(
    "takes %s for no result",
    (value) => {
      expect(toResult(value)).toBeUndefined();
    },
  );

  test("replaces half a surrogate pair, which no client could read", () => {
    expect(toResult("a\ud800b")).toBe('"a\\ufffdb"');
  });

  test("says why a value cannot be written", () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(() => toResult(circle)).toThrow(/^the result cannot be written as JSON: .*circular/);
    expect(() => toResult({ n: 1n })).toThrow(/^the result cannot be written as JSON: .*BigInt/);
    const broken = {
      toJSON() {
        throw new Error("no");
      },
    };
    expect(() => toResult(broken)).toThrow("the result cannot be written as JSON: no");
  });

  test.each([
    [new Map([[1, 2]]), "it is a Map"],
    [{ items: new Map() }, "it has a Map (at result.items)"],
    [[0, { a: [new Set([1])] }], "it has a Set (at result[1].a[0])"],
    [{ "a key": { b: new WeakMap() } }, 'it has a WeakMap (at result["a key"].b)'],
    [{ at: /x/ }, "it has a RegExp (at result.at)"],
    [[Promise.resolve(1)], "it has a Promise (at result[0])"],
    [new Error("x"), "it is an Error"],
    [{ error: Object.assign(new TypeError("x"), { code: "E_X" }) }, "it has an Error (at result.error)"],
    [Object.assign(new Map(), { extra: 1 }), "it is a Map"],
    [new (class extends Set {})(), "it is a Set"],
    [{ bytes: new ArrayBuffer(1) }, "it has an ArrayBuffer (at result.bytes)"],
    [{ list: [Uint8Array.of(7)] }, "it has a Uint8Array (at result.list[0])"],
    [{ part: Buffer.of(7) }, "it has a Uint8Array (at result.part)"],
    [new URLSearchParams("a=b"), "it is a URLSearchParams"],
    [[1, 2].values(), "it is an Array Iterator"],
    [{ toJSON: () => ({ inside: new Map() }) }, "it has a Map (at result.inside)"],
    [{ a: [{ n: 1n }] }, "it has a BigInt (at result.a[0].n)"],
    [1n, "it is a BigInt"],
    [{ toJSON: () => [2n] }, "it has a BigInt (at result[0])"],
  ])("says where something is that JSON leaves out or refuses: %o", (value, problem) => {
    expect(() => toResult(value)).toThrow(`the result cannot be written as JSON: ${problem}`);
  });

  test.each([
    [{ a: undefined, b: () => 1, c: Symbol("c"), d: 1 }, '{"d":1}'],
    [[undefined, () => 1, Symbol("c"), Number.NaN, Number.POSITIVE_INFINITY], "[null,null,null,null,null]"],
    [{ at: [new Date(0)] }, '{"at":["1970-01-01T00:00:00.000Z"]}'],
    [{ none: {}, list: [{}, [], null], own: Object.create(null) }, '{"none":{},"list":[{},[],null],"own":{}}'],
    [new (class Empty {})(), "{}"],
    [
      new (class Point {
        x = 1;
      })(),
      '{"x":1}',
    ],
    [{ text: "{}" }, '{"text":"{}"}'],
    [Object.assign(new Map([[1, 2]]), { toJSON: () => "a map" }), '"a map"'],
    [Object.assign(new Error("x"), { toJSON: () => ({ message: "x" }) }), '{"message":"x"}'],
    [{ boxed: new String("s") }, '{"boxed":"s"}'],
  ])("writes %o as JSON.stringify does", (value, text) => {
    expect(toResult(value)).toBe(text);
  });

  test("looks through a large result once", () => {
    const value = Array.from({ length: 100_000 }, (_, n) => ({ n }));
    expect(typeof writeResult(value)).toBe("string");
    expect(() => writeResult([...value, { last: new Set() }])).toThrow("(at result[100000].last)");
  });

  test("refuses a result over 1 MiB", () => {
    expect(() => toResult("x".repeat(1024 * 1024))).toThrow(/^result: must be at most 1048576 bytes/);
    expect(() => toResult(new Uint8Array(1024 * 1024 + 1))).toThrow(/^resultBytes: must be at most 1048576 bytes/);
  });

  test("refuses a result nested too deep to be read", () => {
    let value: unknown = 1;
    for (let depth = 0; depth < 101; depth++) value = [value];
    expect(() => toResult(value)).toThrow(/nested more than 32 deep/);
  });
});

describe("retryDecision", () => {
  test.each([[new Error("x")], ["PermanentError"], [undefined], [{ name: "PermanentError" }]])(
    "leaves the retry after %s to the backoff",
    (error) => {
      expect(retryDecision(error)).toBe("DEFAULT");
    },
  );

  test("never retries after a PermanentError, ours or one of that name", () => {
    expect(retryDecision(new PermanentError("x"))).toBe("NEVER");
    expect(retryDecision(Object.assign(new Error("x"), { name: "PermanentError" }))).toBe("NEVER");
    expect(retryDecision(new (class Own extends PermanentError {})("x"))).toBe("NEVER");
  });

  test("retries after the time that a RetryAfterError says, rounded up to whole ms, and at most a year", () => {
    expect(retryDecision(new RetryAfterError("x", 1500.1))).toEqual({ afterMs: 1501 });
    expect(retryDecision(new RetryAfterError("x", 0))).toEqual({ afterMs: 0 });
    expect(retryDecision(new RetryAfterError("x", Number.POSITIVE_INFINITY))).toEqual({ afterMs: YEAR_MS });
    const named = Object.assign(new Error("x"), { name: "RetryAfterError", retryAfterMs: 20 });
    expect(retryDecision(named)).toEqual({ afterMs: 20 });
  });

  test.each(Object.entries(STRANGE_ERRORS))("is made after %s", (_what, make) => {
    expect(retryDecision(make())).toBe("DEFAULT");
  });

  test.each([-1, Number.NaN])("takes the backoff when a RetryAfterError says %d", (ms) => {
    expect(retryDecision(new RetryAfterError("x", ms))).toBe("DEFAULT");
  });
});

describe("a snooze", () => {
  test("lasts as long as a SnoozeError says, ours or one of that name: whole ms, and at most a year", () => {
    expect(snoozeDelay(new SnoozeError("x", 1500.1))).toBe(1501);
    expect(snoozeDelay(new SnoozeError("x", 0))).toBe(0);
    expect(snoozeDelay(new SnoozeError("x", Number.POSITIVE_INFINITY))).toBe(YEAR_MS);
    expect(snoozeDelay(Object.assign(new Error("x"), { name: "SnoozeError", delayMs: 20 }))).toBe(20);
  });

  test.each(Object.entries(STRANGE_ERRORS))("is not what %s means", (_what, make) => {
    expect(snoozeDelay(make())).toBeUndefined();
  });

  test.each([-1, Number.NaN])("of %d ms is a failure, which has the backoff", (ms) => {
    expect(snoozeDelay(new SnoozeError("x", ms))).toBeUndefined();
    expect(retryDecision(new SnoozeError("x", ms))).toBe("DEFAULT");
  });
});
