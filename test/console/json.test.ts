import fc from "fast-check";
import { expect, test } from "vitest";
import { pretty, readJson } from "../../src/console/lib/json.js";

test("JSON is indented as JSON.stringify indents it, however it was written", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 1, "\t"), (value, space) => {
      const json = JSON.stringify(value, null, space);
      expect(pretty(json)).toBe(JSON.stringify(JSON.parse(json), null, 2));
    }),
  );
});

test("nothing of what it says is changed, and long texts are no trouble", () => {
  expect(pretty('{"id":12345678901234567890,"rate" : 1.50,"s":"\\u00e9[{,\\""}')).toBe(
    '{\n  "id": 12345678901234567890,\n  "rate": 1.50,\n  "s": "\\u00e9[{,\\""\n}',
  );
  const long = `"${"\\n".repeat(2 ** 19)}"`;
  expect(pretty(long)).toBe(long);
});

test("JSON that was typed is taken as it is, and what is none is told with its place", () => {
  expect(readJson(' {"id": 12345678901234567890}\n')).toEqual({ text: '{"id": 12345678901234567890}' });
  expect(readJson('{"a":\n 1,}')).toMatchObject({ problem: expect.stringMatching(/line 2, column \d/) });
  expect(readJson("[1")).toHaveProperty("problem");
});
