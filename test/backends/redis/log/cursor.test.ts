import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCursor, writeCursor } from "../../../../src/backends/redis/log/cursor.js";
import { LIMITS } from "../../../../src/model/common/limits.js";

const queueName = fc.stringMatching(/^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/);
const position = fc.record({
  epoch: fc.integer({ min: 1, max: 9_999_999_999_999 }).map(String),
  count: fc.oneof(fc.nat(), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })),
});

describe("a cursor", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(queueName, position)), (entries) => {
        const positions = new Map(entries);
        expect(readCursor(writeCursor(positions))).toEqual({ positions, low: undefined, scope: undefined });
      }),
    );
  });

  test.each([
    ["v1", {}],
    ["v1;a=1.0", { a: { epoch: "1", count: 0 } }],
    ["v1;a.b-c_d=17.5;z=2.3", { "a.b-c_d": { epoch: "17", count: 5 }, z: { epoch: "2", count: 3 } }],
  ])("%s is read", (text, positions) => {
    expect(Object.fromEntries(readCursor(text).positions)).toEqual(positions);
  });

  test.each([
    "",
    "v2",
    "v1;",
    "v1;a",
    "v1;a=",
    "v1;a=1",
    "v1;a=0.1",
    "v1;a=1.01",
    "v1;a=1.-1",
    "v1;a=1.1;",
    "v1;A=1.1",
    `v1;${"a".repeat(65)}=1.1`,
    "v1;a=1.99999999999999999",
    " v1",
    "v1\n",
    "123",
    "x".repeat(LIMITS.payloadBytes),
  ])("that nobody wrote is refused: %j", (text) => {
    expect(() => readCursor(text)).toThrow(expect.objectContaining({ reason: "FIELD_INVALID" }));
  });
});
