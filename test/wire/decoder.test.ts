import { type DescMessage, fromBinary, fromJsonString, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CreateJobRequest, CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { LIMITS } from "../../src/model/limits.js";
import { isDeeper } from "../../src/model/text.js";
import { BINARY_OPTIONS, JSON_OPTIONS } from "../../src/rpc/wire-options.js";
import { binaryDecoderOf, readBinary } from "../../src/wire/binary-decoder.js";
import { jsonDecoderOf, readJson } from "../../src/wire/json-decoder.js";
import { UnsupportedError } from "../../src/wire/unsupported-error.js";
import { MESSAGES, messageOf } from "../support/messages.js";

/** Returns the message; undefined when it is left to the library. */
function orUndefined(read: () => Message): Message | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

const decode = (desc: DescMessage, bytes: Uint8Array) => orUndefined(() => readBinary(binaryDecoderOf(desc), bytes));

const isTooDeep = (text: string) => isDeeper(text, LIMITS.payloadDepth);
const decodeJson = (desc: DescMessage, text: string) =>
  orUndefined(() => readJson(jsonDecoderOf(desc), Buffer.from(text), isTooDeep));

/** What a message says, independent of its representation. */
function contents(desc: DescMessage, message: Message): string {
  return Buffer.from(toBinary(desc, message)).toString("hex");
}

const damage = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at: fc.nat(), to: fc.nat({ max: 255 }) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), to: fc.constant(0) }),
  fc.record({ kind: fc.constant("double" as const), at: fc.constant(0), to: fc.constant(0) }),
);

/** Parts that say the same in other words, say nothing, or are wrong. */
const PARTS = [
  ...[
    "null",
    "0",
    "-0",
    "1",
    "1.0",
    "1.5",
    "1e400",
    "-1",
    "4294967296",
    "true",
    '""',
    '"1"',
    '"x"',
    "[]",
    "[null]",
    "{}",
  ],
  ...['"JOB_STATUS_DONE"', '"1s"', '"1970-01-01T00:00:00Z"', '"\\u0041"', '"\\ud800"', '"\ufffd"', '{"__proto__":1}'],
  ...[
    '{"a":1,"a":2}',
    '{"a":"\\":"}',
    '{"a" :1}',
    '{ "a" : [ 1 , 2 ] }',
    '{"a":1,"\\u0061":2}',
    '{"":0,"b":[{"":-0}]}',
    `${"[".repeat(40)}${"]".repeat(40)}`,
    ' "x"',
    '{"10":1,"9":2}',
    '{"case":"x"}',
    "NaN",
  ],
];

describe.each(MESSAGES)("%s", (desc) => {
  const names = desc.fields.flatMap(({ jsonName, name }) => [jsonName, name]).concat("unknown", "__proto__");

  test("is read of JSON as the library reads it, or left to it", () => {
    const member = fc.record({ name: fc.constantFrom(...names), value: fc.constantFrom(...PARTS) });
    fc.assert(
      fc.property(messageOf(desc), fc.array(member, { maxLength: 3 }), fc.option(damage), (message, more, harm) => {
        const members = [toJsonString(desc, message).slice(1, -1), ...more.map((one) => `"${one.name}":${one.value}`)];
        let text = `{${members.filter((one) => one !== "").join(",")}}`;
        if (harm?.kind === "set") {
          const at = harm.at % text.length;
          text = text.slice(0, at) + String.fromCharCode(harm.to) + text.slice(at + 1);
        }
        if (harm?.kind === "cut") text = text.slice(0, harm.at % (text.length + 1));
        const given = decodeJson(desc, text);
        if (given === undefined) return;
        expect(contents(desc, given)).toBe(contents(desc, fromJsonString(desc, text, JSON_OPTIONS)));
      }),
      { numRuns: 300 },
    );
  });

  test("is read as the library reads it, or left to it", () => {
    fc.assert(
      fc.property(messageOf(desc), fc.option(damage), (message, harm) => {
        let bytes = Buffer.from(toBinary(desc, message));
        if (harm?.kind === "set" && bytes.length > 0) bytes[harm.at % bytes.length] = harm.to;
        if (harm?.kind === "cut") bytes = bytes.subarray(0, harm.at % (bytes.length + 1));
        if (harm?.kind === "double") bytes = Buffer.concat([bytes, bytes]);
        const given = decode(desc, bytes);
        // The codec never reads what the library refuses.
        if (given !== undefined)
          expect(contents(desc, given)).toBe(contents(desc, fromBinary(desc, bytes, BINARY_OPTIONS)));
      }),
      { numRuns: 300 },
    );
  });
});

const TEXT =
  '{"type":"echo","payload":{"a":[1,null,"x",true,{"b":{}}]},"priority":3,"delay":"1s","metadata":{"k":"v"}}';

/** Field `number` of wire type 2. */
const field = (number: number, bytes: readonly number[]): number[] => [(number << 3) | 2, bytes.length, ...bytes];

test.each([
  ["a text that begins with a byte order mark", field(3, [...Buffer.from("\ufeffabc")])],
  ["a list that is shorter than its entry", [(6 << 3) | 2, 2, ...field(1, [0x20, 1])]],
  ["a zero with a sign", [0x11, 0, 0, 0, 0, 0, 0, 0, 0x80]],
])("a payload of %s is left to the library", (_, value) => {
  const bytes = Uint8Array.from([...field(2, [0x61]), ...field(3, value)]);
  expect(decode(CreateJobRequestSchema, bytes)).toBeUndefined();
});

test("an ordinary request in JSON is not left to the library", () => {
  const given = decodeJson(CreateJobRequestSchema, TEXT);
  expect(given && toJsonString(CreateJobRequestSchema, given as CreateJobRequest)).toBe(TEXT);
});

test.each([
  ["spaces", JSON.stringify(JSON.parse(TEXT), null, 1).replaceAll("\n", "")],
  ["lines", JSON.stringify(JSON.parse(TEXT), null, "\t")],
])("a request in JSON with %s is not left to the library", (_, text) => {
  expect(text.length).toBeGreaterThan(TEXT.length);
  const given = decodeJson(CreateJobRequestSchema, text);
  expect(given && toJsonString(CreateJobRequestSchema, given as CreateJobRequest)).toBe(TEXT);
});

test.each([
  ...['{"type":"a","type":"b"}', '{"type":"a","payload":{"x":1,"x":1}}', '{"type":"a","payload":[{"x":1,"x" :1}]}'],
  // One name occurs twice, and a text or a colon on its own makes up for it in the count.
  ...[
    '{"type":"a","payload":{"x":"\\":","x":1}}',
    '{"type" :"a","payload":{"x":1,"x":2}}',
    '{"type":"a\\":","type":"b"}',
  ],
  ...['{"type":"a","payload":1e400}', '{"type":"a","payload":{"x":[-1e999]}}', '{"type":"a"}{}', '{"type":"a",}', "{"],
])("a request of %s is left to the library", (text) => {
  expect(decodeJson(CreateJobRequestSchema, text)).toBeUndefined();
});

test.each(PARTS)("a request with %s somewhere in it is read as the library reads it", (part) => {
  for (const text of [
    `{"type":"a","payload":${part}}`,
    `{"type":"a","payload":{"b":[${part}]}}`,
    `{"priority":${part}}`,
  ]) {
    const given = decodeJson(CreateJobRequestSchema, text);
    if (given === undefined) continue;
    const expected = fromJsonString(CreateJobRequestSchema, text, JSON_OPTIONS);
    expect(contents(CreateJobRequestSchema, given)).toBe(contents(CreateJobRequestSchema, expected));
  }
});

test("an ordinary request is not left to the library", () => {
  const text = TEXT;
  const bytes = toBinary(CreateJobRequestSchema, fromJsonString(CreateJobRequestSchema, text));
  const given = decode(CreateJobRequestSchema, bytes);
  expect(given && toJsonString(CreateJobRequestSchema, given as CreateJobRequest)).toBe(
    toJsonString(CreateJobRequestSchema, fromBinary(CreateJobRequestSchema, bytes)),
  );
});
