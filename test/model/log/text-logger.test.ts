import { expect, test } from "vitest";
import { createTextLogger } from "../../../src/model/log/text-logger.js";
import { STRANGE_ERRORS, STRANGE_VALUES } from "../../support/strange-values.js";

test("warnings and errors are written, with all fields of the context, and nothing below", () => {
  const entries: string[] = [];
  const logger = createTextLogger((text) => void entries.push(text)).child({ job_id: "1" });
  logger.debug({}, "debug");
  logger.info({}, "info");
  logger.warn({ text: 'with "quotes"\nand lines', list: [1] }, "careful");
  logger.error({ err: "no error" }, "broken");
  expect(entries).toEqual([
    'gotaskq warn: careful job_id=1 text="with \\"quotes\\"\\nand lines" list=[1]',
    "gotaskq error: broken job_id=1\nstring: no error",
  ]);
});

test("an entry has a bounded length, whatever is logged", () => {
  const entries: string[] = [];
  const logger = createTextLogger((text) => void entries.push(text));
  const values = [...Object.values(STRANGE_ERRORS), ...Object.values(STRANGE_VALUES), () => "x".repeat(1e6)];
  for (const make of values) logger.warn({ err: make(), value: make() }, "strange");
  logger.warn(Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`field${at}`, at])), "many");
  expect(entries).toHaveLength(values.length + 1);
  expect(Math.max(...entries.map(({ length }) => length))).toBeLessThan(100_000);
});

test("text from elsewhere breaks no line and steers no terminal", () => {
  const entries: string[] = [];
  const evil = "x\ngotaskq\u001b[2J\u009b\u202e\u2028";
  createTextLogger((text) => void entries.push(text)).warn(
    { [evil]: evil, quoted: `${evil} "`, err: new Error(evil) },
    evil,
  );
  const [entry = ""] = entries;
  expect(entry).toMatch(/^[\x20-\x7e\n]+$/);
  expect(entry.split("\n")[0]).toContain("quoted=");
});
