import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { describeError, errorText } from "../../../src/model/common/describe-error.js";
import { STRANGE_ERRORS } from "../../support/strange-values.js";

describe("errorText", () => {
  test.each([
    [new Error("broken"), "broken"],
    [new TypeError(""), "TypeError"],
    ["text", "text"],
    [42, "42"],
    [null, "null"],
    [undefined, "undefined"],
    [{ toString: () => "own text" }, "own text"],
  ])("of %s is the message", (error, text) => {
    expect(errorText(error)).toBe(text);
  });

  test("is found for what has no text", () => {
    expect(errorText(Object.create(null))).toBe("what was thrown has no text");
  });

  test("is found for an error whose message is no text", () => {
    expect(errorText(Object.assign(new Error("x"), { message: 42 }))).toBe("42");
    expect(errorText(Object.assign(new Error("x"), { message: Object.create(null) }))).toBe(
      "what was thrown has no text",
    );
  });

  test("is cut at 4096 characters and stays well-formed", () => {
    expect(errorText(new Error("x".repeat(9000)))).toBe("x".repeat(4096));
    expect(errorText(new Error(`${"x".repeat(4095)}🧾`))).toBe(`${"x".repeat(4095)}\ufffd`);
    expect(errorText("a\udc00")).toBe("a\ufffd");
  });
});

describe("describeError", () => {
  test.each(Object.entries(STRANGE_ERRORS))("describes %s in bounded text", (_what, make) => {
    const description = describeError(make());
    expect(description).toMatchObject({ type: expect.any(String), message: expect.any(String) });
    expect(JSON.stringify(description).length).toBeLessThan(100_000);
  });

  test("tells type, message, stack, causes and plain fields", () => {
    const cause = new RangeError("the cause", { cause: "its own cause" });
    const error = Object.assign(new TypeError("broken", { cause }), { code: "E_X", config: { secret: 1 } });
    const { type, message, stack, code, config } = describeError(error);
    expect({ type, message, code, config }).toEqual({
      type: "TypeError",
      message: "broken",
      code: "E_X",
      config: undefined,
    });
    expect(stack).toContain(error.stack);
    expect(stack).toContain(`\ncaused by: ${cause.stack}\ncaused by: its own cause`);
    expect(describeError(new AggregateError([cause, new Error("other")], "all")).stack).toContain(
      `\nerror 1 of 2: ${cause.stack}\nerror 2 of 2: Error: other`,
    );
  });

  test("tells of a long chain of causes the first five", () => {
    const { stack } = describeError(STRANGE_ERRORS["20,000 causes"]?.());
    expect(stack?.match(/caused by/g)).toHaveLength(5);
    expect(stack).toMatch(/\nand more causes$/);
  });

  test("describes what is no error, and a description as it is", () => {
    expect({ ...describeError("text") }).toEqual({ type: "string", message: "text" });
    expect({ ...describeError(undefined) }).toEqual({ type: "undefined", message: "undefined" });
    const description = describeError(new PermanentProblem("x"));
    expect({ ...describeError(description) }).toEqual({ ...description });
  });

  test.each([
    ["with its own serializer", {}],
    ["with this as its serializer", { serializers: { err: describeError } }],
  ])("comes out of pino whole, %s", (_how, options) => {
    const lines: string[] = [];
    const logger = pino(options, { write: (text: string) => void lines.push(text) });
    const error = new PermanentProblem("x");
    logger.warn({ err: describeError(error) }, "failed");
    expect(JSON.parse(lines.join("")).err).toEqual({ type: "PermanentProblem", message: "x", stack: error.stack });
  });
});

class PermanentProblem extends Error {}
