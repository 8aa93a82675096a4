import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BatchCreateJobsRequestSchema,
  CreateJobRequestSchema,
  ListJobsRequestSchema,
} from "../../../gen/gotaskq/v1/job_service_pb.js";
import { CompleteJobsRequestSchema } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { readBinary } from "../../../src/wire/binary/binary-decoder.js";
import { jsonProblem } from "../../../src/wire/json/check-json.js";
import { readJson } from "../../../src/wire/json/json-decoder.js";
import { checkJsonFields, memberProblem } from "../../../src/wire/json/json-fields.js";
import { isOrdinary } from "../../../src/wire/json/ordinary-json.js";
import { DECODE_LIMITS, listOf } from "../../support/decoding.js";
import { json } from "../../support/messages.js";

const problem = (text: string) => jsonProblem(text, DECODE_LIMITS);

describe("a text that is JSON", () => {
  test("can be a payload, however it is written", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        expect(problem(JSON.stringify(value, null, space))).toBeUndefined();
      }),
    );
  });

  test.each([
    "null",
    " 1 ",
    "12345678901234567890",
    "-0",
    "1.50",
    "1e-400",
    '""',
    '{"a" : 1, "b" :\n2}',
    '{"a\\\\":1,"b":2}',
    '{"a":"\\"b\\":","c":"\\"a\\":"}',
    '"\\ud83d\\ude00"',
    '{"__proto__":1,"constructor":2}',
    listOf(DECODE_LIMITS.values, "null"),
    `${"[".repeat(32)}${"]".repeat(32)}`,
    JSON.stringify(",".repeat(500_000)),
  ])("can be one: %.40s", (text) => {
    expect(problem(text)).toBeUndefined();
  });

  test.each([
    ["", /^is not valid JSON: /],
    ["{", /^is not valid JSON: /],
    ["1 2", /^is not valid JSON: /],
    ["{'a':1}", /^is not valid JSON: /],
    ["NaN", /^is not valid JSON: /],
    ["\ufeff1", /^is not valid JSON: /],
    ['"\n"', /^is not valid JSON: /],
    ["[".repeat(900_000), /^(is not valid JSON: |must )/],
    ["1e400", /^has a number that is out of range$/],
    ['{"a":1,"a":2}', /^has the name "a" twice in one object$/],
    ['{"a":1,"\\u0061":2}', /^has the name "a" twice in one object$/],
    ['{"a":1,"a" :2}', /^has the name "a" twice in one object$/],
    ['[{"a\\\\":1,"b":2,"b":3}]', /^has the name "b" twice in one object$/],
    ['{"a":"\\":","b":1,"b":2}', /^has the name "b" twice in one object$/],
    [listOf(DECODE_LIMITS.values + 1, "null"), /^must have at most 100000 values$/],
    [`${"[".repeat(33)}${"]".repeat(33)}`, /^must not be nested more than 32 deep$/],
  ])("can be none, and why is told: %.40s", (text, expected) => {
    expect(problem(text)).toMatch(expected);
  });
});

test("names within texts of JSON are told from its own", () => {
  const member = fc.tuple(
    fc.constantFrom("a", "b", "c", "a\\", '"', '\\"', '":'),
    fc.constantFrom(1, '":', '\\":', '{"a":1,"a":2}', "x\\"),
  );
  fc.assert(
    fc.property(fc.array(member, { maxLength: 5 }), (members) => {
      const text = `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(",")}}`;
      const isSound = new Set(members.map(([name]) => name)).size === members.length;
      if (isOrdinary(text, JSON.parse(text), DECODE_LIMITS)) expect(isSound).toBe(true);
      expect(problem(text) === undefined).toBe(isSound);
    }),
    { numRuns: 2000 },
  );
  const nested = JSON.stringify({ payloadJson: JSON.stringify({ a: [{ b: 1 }] }) });
  expect(isOrdinary(nested, JSON.parse(nested), DECODE_LIMITS)).toBe(true);
});

describe("texts of JSON in a message", () => {
  const kind = (value: string) => ({ payloadKind: { case: "payloadJson", value } as const });

  test("are looked at one by one, and what is wrong with each is remembered", () => {
    const texts = ["[1]", "[", "1e400"];
    const message = {
      $typeName: BatchCreateJobsRequestSchema.typeName,
      requests: texts.map((text) => ({ type: "a", ...kind(text) })),
    };
    const steps = [...checkJsonFields(BatchCreateJobsRequestSchema, message, DECODE_LIMITS)];
    expect(steps.length).toBeGreaterThan(2 * texts.length);
    const problems = message.requests.map(({ payloadKind }) => {
      const found = memberProblem(payloadKind, DECODE_LIMITS);
      // It is the same object: it is not looked at again.
      Object.assign(payloadKind, { value: "" });
      expect(memberProblem(payloadKind, DECODE_LIMITS)).toBe(found);
      return found;
    });
    expect(problems).toEqual([undefined, expect.stringMatching(/^is not/), "has a number that is out of range"]);
  });

  test("have 400,000 values in all at the most", () => {
    const full = listOf(DECODE_LIMITS.values, "1");
    const completions = [full, full, full, full, "1"].map((value) => ({ resultKind: { case: "resultJson", value } }));
    const message = { $typeName: CompleteJobsRequestSchema.typeName, completions };
    const steps = [...checkJsonFields(CompleteJobsRequestSchema, message, DECODE_LIMITS)];
    expect(steps.length).toBeGreaterThan(2 * completions.length);
    expect(completions.map(({ resultKind }) => memberProblem(resultKind, DECODE_LIMITS))).toEqual([
      ...[undefined, undefined, undefined, undefined],
      "must have at most 400000 JSON values in all",
    ]);
  });

  test("are looked for only where there may be some", () => {
    const message = { $typeName: ListJobsRequestSchema.typeName, type: "[" };
    expect([...checkJsonFields(ListJobsRequestSchema, message, DECODE_LIMITS)]).toEqual([]);
  });

  test("are read to the letter", () => {
    const text = ' {"id" : 12345678901234567890,\n"é": "\\ud83d\\ude00"}';
    const bytes = toBinary(CreateJobRequestSchema, create(CreateJobRequestSchema, { type: "a", ...kind(text) }));
    expect(readBinary(CreateJobRequestSchema, bytes, DECODE_LIMITS)).toMatchObject(kind(text));
    const body = Buffer.from(JSON.stringify({ type: "a", payloadJson: text }));
    expect(readJson(CreateJobRequestSchema, body, DECODE_LIMITS)).toMatchObject(kind(text));
  });
});
