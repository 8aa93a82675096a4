import { describe, expect, test } from "vitest";
import { readPagePosition, readPageToken, writePageToken } from "../../../src/core/operations/page-token.js";

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a page token", () => {
  test("brings back the position it was made of", () => {
    const position = "1795654800000-123";
    expect(readPageToken("filter", writePageToken("filter", position))).toEqual(position);
  });

  test("is good in a URL as it is", () => {
    const token = writePageToken('["",[[">>>???"],"ÿÿÿ"]]', "1-2");
    expect(encodeURIComponent(token)).toBe(token);
  });

  test("is refused for another filter", () => {
    const token = writePageToken("one", "1");
    expect(() => readPageToken("two", token)).toThrow(
      expect.objectContaining({
        reason: "PAGE_TOKEN_INVALID",
        violations: [expect.objectContaining({ field: "pageToken" })],
      }),
    );
  });

  test.each([
    ["nonsense", "%%%"],
    ["no JSON", Buffer.from("{").toString("base64url")],
    ["no list", encode({ filter: "filter" })],
    ["null", encode(null)],
    ["too few parts", encode(["filter"])],
    ["too many parts", encode(["filter", "mail", "1"])],
    ["a part that is no text", encode(["filter", 1])],
  ])("is refused when it is %s", (_what, token) => {
    expect(() => readPageToken("filter", token)).toThrow(expect.objectContaining({ reason: "PAGE_TOKEN_INVALID" }));
  });

  test("may have a value of JSON as its position, and is refused when that is none", () => {
    expect(readPagePosition("filter", writePageToken("filter", '{"open":[]}'))).toEqual({ open: [] });
    for (const position of ["", "x", '{"open"', "undefined"]) {
      expect(() => readPagePosition("filter", writePageToken("filter", position))).toThrow(
        expect.objectContaining({ reason: "PAGE_TOKEN_INVALID" }),
      );
    }
  });
});
