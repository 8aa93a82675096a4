import { describe, expect, test } from "vitest";
import {
  cutText,
  hasLoneSurrogate,
  isDeeper,
  jsonDepth,
  mayBeDeeper,
  utf8Length,
} from "../../../src/model/common/text.js";

describe("the depth of a JSON text", () => {
  test.each([
    ["1", 0],
    ["[]", 1],
    ["{}", 1],
    ['[[],[],{"a":[1]}]', 3],
    ['{"a":{},"b":{"c":{}},"d":[]}', 3],
    // Brackets and quotes within a text are text.
    ['"[{"', 0],
    ['["\\"[[","{{\\\\"]', 1],
    ['{"[[[":"]]]"}', 1],
  ])("of %s is %i", (json, depth) => {
    expect(jsonDepth(json)).toBe(depth);
    expect(isDeeper(json, depth)).toBe(false);
    if (depth > 0) expect(isDeeper(json, depth - 1)).toBe(true);
  });

  test("is not exceeded by many values side by side", () => {
    const json = JSON.stringify(Array.from({ length: 100 }, () => ({ a: [] })));
    expect(mayBeDeeper(json, 3)).toBe(true);
    expect(isDeeper(json, 3)).toBe(false);
    expect(isDeeper(json, 2)).toBe(true);
  });

  test.each(["[[[", "{{{", "[{["])("may be more than the number of brackets in %s only when there are more", (json) => {
    expect([2, 3, 4].map((max) => mayBeDeeper(json, max))).toEqual([true, false, false]);
  });
});

describe("a text", () => {
  test("is measured in bytes of UTF-8", () => {
    expect(["", "a", "\u00fc", "\u20ac", "\u{1f600}"].map(utf8Length)).toEqual([0, 1, 2, 3, 4]);
  });

  test("is cut only when it is longer", () => {
    expect([4, 5, 6].map((length) => cutText("hello", length))).toEqual(["hell", "hello", "hello"]);
    // What is whole stays as it is, a lone surrogate too.
    expect(cutText("\ud800", 1)).toBe("\ud800");
    expect(cutText("\ud800", 2)).toBe("\ud800");
  });

  test.each([
    [JSON.stringify("\ud800"), true],
    ["\\ud800", true],
    [JSON.stringify("a\udfff"), true],
    [JSON.stringify("\u{1f600}"), false],
    [JSON.stringify("\\ud800"), false],
    [JSON.stringify("\u0001"), false],
    // Other programs escape whole pairs too.
    ['"\\ud83d\\ude00"', false],
    ['"\\uD83D\\uDE00\\ud83d\\ude00"', false],
    ['"\\ude00\\ud83d"', true],
    ['"\\ud83d\\ud83d\\ude00"', true],
    ['"\\ud83d\\ude00\\ude00"', true],
    ['"\\ud83dx\\ude00"', true],
    ['"\\ud83d\\n\\ude00"', true],
    ['"\\ud83d\\u0041"', true],
    ['"\\\\ud83d\\ude00"', true],
    ['"\\\\ud83d \\\\ude00 \\u0041"', false],
  ])("in JSON, as in %s, has a lone surrogate: %s", (json, expected) => {
    expect(hasLoneSurrogate(json)).toBe(expected);
  });
});
