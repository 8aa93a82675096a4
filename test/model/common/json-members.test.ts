import fc from "fast-check";
import { expect, test } from "vitest";
import { rawMembersOf } from "../../../src/model/common/json-members.js";

/** Blanks between the parts of a JSON text, in all of its places. */
const blank = fc.constantFrom("", " ", "\n\t", "\r\n ");

test("the members of an object are found with their values to the letter, whatever is in them", () => {
  const member = fc.tuple(
    fc.string({ unit: "binary" }),
    fc.jsonValue(),
    fc.array(blank, { minLength: 4, maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(member, { maxLength: 6 }), blank, blank, (members, before, after) => {
      const written = members.map(([name, value, [a, b, c, d]]) => ({
        name,
        text: JSON.stringify(value, null, value === null ? 0 : 1),
        blanks: [a, b, c, d],
      }));
      const text = written.map(
        ({ name, text, blanks: [a, b, c, d] }) => `${a}${JSON.stringify(name)}${b}:${c}${text}${d}`,
      );
      const found = [...rawMembersOf(`${before}{${text.join(",")}}${after}`)];
      expect(found).toEqual(written.map(({ name, text }) => ({ name, text })));
    }),
  );
});
