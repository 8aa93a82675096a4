import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Content, contentDigest } from "../../../src/model/job/request-id.js";

const BASE: Content = { type: "mail", numbers: [1, undefined] };

function digestOf(payload: unknown, given: Partial<Content> = {}): string {
  return contentDigest({ ...BASE, payload: JSON.stringify(payload), ...given });
}

/** The same JSON value with the members of its objects in another order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, turned(inner)]),
  );
}

describe("contentDigest", () => {
  test("does not depend on the order of members", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(digestOf(turned(value))).toBe(digestOf(value));
      }),
    );
    const [a, b] = [
      { x: "1", y: "2" },
      { y: "2", x: "1" },
    ];
    expect(digestOf(1, { metadata: a })).toBe(digestOf(1, { metadata: b }));
  });

  test("does not depend on white space between the parts of JSON, and does on that within texts", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(1, "\t", " \r\n "), (value, space) => {
        const spaced = `\n ${JSON.stringify(value, null, space)} `;
        expect(digestOf(value, { payload: spaced.replaceAll('": ', '" : ') })).toBe(
          digestOf(JSON.parse(spaced.replaceAll('": ', '" : '))),
        );
      }),
    );
    expect(digestOf({ a: "b c" })).not.toBe(digestOf({ a: "bc" }));
    expect(digestOf(1, { payload: "12" })).not.toBe(digestOf(1, { payload: "1.2e1" }));
  });

  test("tells contents apart", () => {
    const contents: Content[] = [
      BASE,
      { ...BASE, type: "mai" },
      { ...BASE, numbers: [1, 0] },
      { ...BASE, numbers: [undefined, 1] },
      { ...BASE, metadata: { a: "b" } },
      { ...BASE, metadata: { b: "a" } },
      { ...BASE, metadata: { a: "b", c: "d" } },
      { ...BASE, metadata: { a: "d", c: "b" } },
      { ...BASE, metadata: { ab: "" } },
      { ...BASE, key: "a" },
      { ...BASE, key: "b" },
      { ...BASE, key: "a", metadata: { a: "b" } },
      { ...BASE, payload: new Uint8Array([1, 2]) },
      { ...BASE, payload: new Uint8Array([2, 1]) },
      { ...BASE, payload: new Uint8Array([]) },
      ...[null, true, 1, 12, 21, "1", "", [], {}, [[]], [{}], { a: [] }, [1, 2], [2, 1], [12], [[1], 2], [1, [2]]].map(
        (value) => ({ ...BASE, payload: JSON.stringify(value) }),
      ),
      ...[
        { a: 1, b: 2 },
        { a: 2, b: 1 },
        { a: { b: 2 } },
        { a: 'x","b":"y' },
        { a: "x", b: "y" },
        { a: "\\", b: '"' },
        { a: '\\","b' },
      ].map((value) => ({ ...BASE, payload: JSON.stringify(value) })),
    ];
    expect(new Set(contents.map(contentDigest)).size).toBe(contents.length);
  });

  test("tells most random values apart", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        fc.pre(JSON.stringify(sorted(a)) !== JSON.stringify(sorted(b)));
        expect(digestOf(a)).not.toBe(digestOf(b));
      }),
    );
  });

  test("stays what it was: servers of two versions may share what is remembered", () => {
    const contents: Content[] = [
      BASE,
      { type: "", numbers: [] },
      { ...BASE, metadata: { a: "b", c: "d" } },
      { ...BASE, payload: new Uint8Array([1, 2, 3]) },
      { ...BASE, payload: '{"a":[1,"x",{"b":null}],"c":-1.5e3}' },
    ];
    expect(contents.map(contentDigest)).toEqual([
      "gfqxh41xtyyxg",
      "ma0qh51alturv",
      "em42qr0dqvv9o",
      "mrgqz30866uro",
      "xnpkay1hib8vp",
    ]);
  });

  test.each(["", "{", "[", '"', "}", "x:y", '{"a"', "[1,", '{"a":"\\'])("ends for what is no JSON: %s", (payload) => {
    expect(contentDigest({ ...BASE, payload })).toEqual(expect.any(String));
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, inner]) => [key, sorted(inner)]);
}
