import { type DescMessage, fromBinary, fromJsonString, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BatchCreateJobsRequestSchema,
  type CreateJobRequest,
  CreateJobRequestSchema,
} from "../../gen/gotaskq/v1/job_service_pb.js";
import { BINARY_OPTIONS, JSON_OPTIONS } from "../../src/rpc/wire-options.js";
import { readBinary, readBinaryInSteps } from "../../src/wire/binary/binary-decoder.js";
import { ERROR_DETAILS } from "../../src/wire/error-details.js";
import { readJson, readJsonInSteps } from "../../src/wire/json/json-decoder.js";
import type { JsonText } from "../../src/wire/json/json-text.js";
import { binaryBatch, DECODE_LIMITS, field, inSteps, jsonBatch, orUndefined, refused } from "../support/decoding.js";
import { MESSAGES, messageOf } from "../support/messages.js";
import { runs } from "../support/runs.js";

/** Reads a message at once and in steps, which must come to the same. */
function decode(desc: DescMessage, bytes: Uint8Array): Message | undefined {
  const message = orUndefined(() => readBinary(desc, bytes, DECODE_LIMITS));
  expect(orUndefined(() => inSteps(readBinaryInSteps(desc, bytes, DECODE_LIMITS, 1)).message)).toEqual(message);
  return message;
}

function decodeJson(desc: DescMessage, text: string): Message | undefined {
  const bytes = Buffer.from(text);
  const message = orUndefined(() => readJson(desc, bytes, DECODE_LIMITS));
  expect(orUndefined(() => inSteps(readJsonInSteps(desc, bytes, DECODE_LIMITS)).message)).toEqual(message);
  return message;
}

/** What the library makes of the same; undefined when it refuses. */
function byLibrary(read: () => Message): Message | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** What a message says, independent of its representation. */
function contents(desc: DescMessage, message: Message): string {
  return Buffer.from(toBinary(desc, message)).toString("hex");
}

/** Whether messages of a type may have a google.protobuf.Value somewhere. */
function hasValue(desc: DescMessage): boolean {
  return desc.typeName === "google.protobuf.Value" || desc.fields.some(({ message }) => message && hasValue(message));
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

  test("is read of JSON as the library reads it", () => {
    const member = fc.record({ name: fc.constantFrom(...names), value: fc.constantFrom(...PARTS) });
    fc.assert(
      fc.property(messageOf(desc), fc.array(member, { maxLength: 3 }), fc.option(damage), (message, more, harm) => {
        const members = [
          toJsonString(desc, message, { registry: ERROR_DETAILS }).slice(1, -1),
          ...more.map((one) => `"${one.name}":${one.value}`),
        ];
        let text = `{${members.filter((one) => one !== "").join(",")}}`;
        if (harm?.kind === "set") {
          const at = harm.at % text.length;
          text = text.slice(0, at) + String.fromCharCode(harm.to) + text.slice(at + 1);
        }
        if (harm?.kind === "cut") text = text.slice(0, harm.at % (text.length + 1));
        const given = decodeJson(desc, text);
        const expected = byLibrary(() => fromJsonString(desc, text, JSON_OPTIONS));
        // The library drops this name and keeps the sign of a zero, which JSON has not.
        const isAlike = !/__proto__|-0\b/.test(text);
        if (isAlike && given !== undefined && expected !== undefined) {
          expect(contents(desc, given)).toBe(contents(desc, expected));
        }
        if (harm === null && more.length === 0) expect(given).toBeDefined();
      }),
      { numRuns: runs(75) },
    );
  });

  test("is read as the library reads it", () => {
    fc.assert(
      fc.property(messageOf(desc), fc.option(damage), (message, harm) => {
        let bytes = Buffer.from(toBinary(desc, message));
        if (harm?.kind === "set" && bytes.length > 0) bytes[harm.at % bytes.length] = harm.to;
        if (harm?.kind === "cut") bytes = bytes.subarray(0, harm.at % (bytes.length + 1));
        if (harm?.kind === "double") bytes = Buffer.concat([bytes, bytes]);
        const given = decode(desc, bytes);
        const expected = byLibrary(() => fromBinary(desc, bytes, { ...BINARY_OPTIONS, readUnknownFields: false }));
        // Of two JSON values the last one wins; the library appends the one to the other. A field of another kind than it
        // should be is unknown; the library reads it all the same.
        const isAlike = harm?.kind !== "set" && (harm?.kind !== "double" || !hasValue(desc));
        if (isAlike && given !== undefined && expected !== undefined) {
          expect(contents(desc, given)).toBe(contents(desc, expected));
        }
        if (harm === null) expect(given).toBeDefined();
      }),
      { numRuns: runs(75) },
    );
  });
});

const TEXT =
  '{"type":"echo","payload":{"a":[1,null,"x",true,{"b":{}}]},"priority":3,"delay":"1s","metadata":{"k":"v"}}';

const request = (text: string) => () => readJson(CreateJobRequestSchema, Buffer.from(text), DECODE_LIMITS);
const batch = (text: string) => () => readJson(BatchCreateJobsRequestSchema, Buffer.from(text), DECODE_LIMITS);

test.each([
  ["as it is", TEXT],
  ["with spaces", JSON.stringify(JSON.parse(TEXT), null, 1).replaceAll("\n", "")],
  ["with lines", JSON.stringify(JSON.parse(TEXT), null, "\t")],
  ["with escapes", TEXT.replace("echo", "\\u0065cho")],
  ["with the names of the protos", TEXT.replace('"priority":3', '"max_retries":null,"priority":"3"')],
])("a request in JSON %s is read", (_, text) => {
  const given = decodeJson(CreateJobRequestSchema, text);
  expect(given && toJsonString(CreateJobRequestSchema, given as CreateJobRequest)).toBe(TEXT);
});

test("__proto__ is a name like any other, in payload and metadata, in JSON and binary", () => {
  const text = '{"type":"a","payload":{"__proto__":{"x":1}},"metadata":{"__proto__":"y"}}';
  const given = request(text)() as CreateJobRequest;
  expect((given.payloadKind.value as JsonText).text).toBe('{"__proto__":{"x":1}}');
  expect(Object.entries(given.metadata)).toEqual([["__proto__", "y"]]);
  const again = decode(CreateJobRequestSchema, toBinary(CreateJobRequestSchema, given)) as CreateJobRequest;
  expect((again.payloadKind.value as JsonText).text).toBe('{"__proto__":{"x":1}}');
  expect(Object.entries(again.metadata)).toEqual([["__proto__", "y"]]);
});

test.each([
  ['{"type":"a","type":"b"}', "type", "is set twice"],
  ['{"type":"a","payload":{"x":1,"x":1}}', "payload", 'has the name "x" twice in one object'],
  ['{"type":"a","payload":[{"x":1,"x" :1}]}', "payload[0]", 'has the name "x" twice in one object'],
  // One name stands twice, and a text or a lonely colon makes up for it.
  ['{"type":"a","payload":{"x":"\\":","x":1}}', "payload", 'has the name "x" twice in one object'],
  ['{"type" :"a","payload":{"x":1,"x":2}}', "payload", 'has the name "x" twice in one object'],
  ['{"type":"a\\":","type":"b"}', "type", "is set twice"],
  ['{"type":"a","payload":{"a":1,"\\u0061":2} }', "request", undefined],
  ['{"type":"a","payload":1e400}', "payload", "has a number that is out of range"],
  ['{"type":"a"}{}', "request", undefined],
  ["{", "request", undefined],
  ["[]", "request", "must be a JSON object"],
  ['{"type":1}', "type", "must be text"],
  ['{"type":"\\ud800"}', "type", "is not well-formed Unicode"],
  ['{"nope":1}', "nope", "is not a field of CreateJobRequest"],
  ['{"priority":1.5}', "priority", "must be a whole number from -2147483648 to 2147483647"],
  ['{"maxRetries":1,"max_retries":1}', "maxRetries", "is set twice"],
  ['{"delay":"1 hour"}', "delay", 'must be a duration in seconds, like "3600s" or "0.5s"'],
  ['{"delay":"1s\\n"}', "delay", 'must be a duration in seconds, like "3600s" or "0.5s"'],
  ['{"delay":"1.0000000001s"}', "delay", 'must be a duration in seconds, like "3600s" or "0.5s"'],
  ['{"runAfter":"2027-02-29T00:00:00Z"}', "runAfter", 'must be a time, like "2027-01-31T12:00:00Z"'],
  ['{"runAfter":"2027-02-01T24:00:00Z"}', "runAfter", 'must be a time, like "2027-01-31T12:00:00Z"'],
  ['{"delay":"1s","runAfter":"2027-02-01T00:00:00Z"}', "runAfter", "must not be set together with delay"],
  ['{"payload":1,"payloadBytes":"AA=="}', "payloadBytes", "must not be set together with payload"],
  ['{"payloadBytes":"?"}', "payloadBytes", "must be base64"],
  ['{"metadata":{"a":1}}', 'metadata["a"]', "must be text"],
  [`{"payload":${"[".repeat(40)}${"]".repeat(40)}}`, "payload", "must not be nested more than 32 deep"],
  [`{"payload":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, "payload", "must not be nested more than 32 deep"],
  [`{"payload":[${"{},".repeat(100_000)}{}]}`, "payload", "must have at most 100000 values"],
])("a request in JSON that is wrong is refused, and the field named: %.60s", (text, field, description) => {
  const bad = refused(request(text.replace('"\\u0061"', '"\\u0061"')));
  if (text.includes("u0061")) expect(bad).toEqual({ payload: 'has the name "a" twice in one object' });
  else if (description === undefined) expect(Object.keys(bad)).toEqual([field]);
  else expect(bad).toEqual({ [field]: description });
});

test("every bad field of a request in JSON is named, and of very many the first thirty", () => {
  expect(refused(request('{"type":1,"priority":"x","nope":1,"delay":5}'))).toMatchObject({
    type: "must be text",
    priority: expect.stringMatching(/^must be a whole number/),
    nope: "is not a field of CreateJobRequest",
    delay: expect.stringMatching(/^must be a duration/),
  });
  expect(refused(batch('{"requests":[{},{"type":1},{"backoff":{"maxDelay":1}}]}'))).toMatchObject({
    "requests[1].type": "must be text",
    "requests[2].backoff.maxDelay": expect.stringMatching(/^must be a duration/),
  });
  const many = `{"requests":[${Array.from({ length: 100 }, () => '{"type":1}').join(",")}]}`;
  expect(batch(many)).toThrow(expect.objectContaining({ fields: expect.objectContaining({ length: 30 }), more: 70 }));
});

const nested = (levels: number): number[] => {
  let value: number[] = [0x08, 0];
  for (let level = 0; level < levels; level++) value = field(6, field(1, value));
  return value;
};

test.each([
  ["an unset value", field(3, []), "payload", "must be a JSON value: no unset value"],
  ["an unset value in a list", field(3, field(6, field(1, []))), "payload", "must be a JSON value: no unset value"],
  [
    "a number that is none",
    field(3, [0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]),
    "payload",
    "must be a JSON value: no NaN, no infinity",
  ],
  ["bytes that are no UTF-8", field(2, [0xff]), "type", "is not valid UTF-8"],
  ["a length beyond its end", [0x12, 9, 0x61], "type", "is cut off"],
  ["an entry longer than its list", field(3, [(6 << 3) | 2, 2, ...field(1, [0x20, 1])]), "payload", "is cut off"],
  ["too deep a value", field(3, nested(33)), "payload", "must not be nested more than 32 deep"],
  [
    "too many values",
    field(3, field(6, Array.from({ length: 100_001 }, () => field(1, [0x08, 0])).flat())),
    "payload",
    "must have at most 100000 values",
  ],
  ["a field without a number", [0x00, 0x00], "request", "is not a valid message: it has a field with the number 0"],
])("a binary request with %s is refused, and the field named", (_, bytes, path, description) => {
  expect(refused(() => readBinary(CreateJobRequestSchema, Uint8Array.from(bytes), DECODE_LIMITS))).toEqual({
    [path]: description,
  });
});

test("unknown fields of a binary request are passed over, also groups", () => {
  const unknown = [...field(100, [1, 2]), ((99 << 3) & 0x7f) | 0x80, 99 >> 4, 7, 0xa3, 0x06, 0x08, 1, 0xa4, 0x06];
  const bytes = Uint8Array.from([...field(2, [0x61]), ...unknown, 0x28, 3]);
  const given = decode(CreateJobRequestSchema, bytes) as CreateJobRequest | undefined;
  expect(given).toMatchObject({ type: "a", priority: 3 });
});

test("a byte order mark in a text is kept", () => {
  const bytes = Uint8Array.from([...field(2, [0x61]), ...field(3, field(3, [...Buffer.from("\ufeffabc")]))]);
  const given = decode(CreateJobRequestSchema, bytes) as CreateJobRequest;
  expect((given.payloadKind.value as JsonText).text).toBe('"\ufeffabc"');
});

describe("a large message is read in steps", () => {
  const payloads = Array.from({ length: 1000 }, (_, index) => JSON.stringify({ text: "x".repeat(500), index }));

  test("of JSON: of the text, and of each entry of a list", () => {
    const reading = readJsonInSteps(BatchCreateJobsRequestSchema, jsonBatch(payloads), DECODE_LIMITS);
    expect(inSteps(reading).steps).toBeGreaterThan(1000);
  });

  test("of bytes: of some 32 KiB each", () => {
    const bytes = binaryBatch(payloads);
    const reading = readBinaryInSteps(BatchCreateJobsRequestSchema, bytes, DECODE_LIMITS);
    expect(inSteps(reading).steps).toBeGreaterThan(bytes.byteLength / 2 ** 15 / 1.2);
  });

  test("and a fault in it is told with its place", () => {
    const text = `{"requests":[${'{"type":"a"},'.repeat(500)}{"type":1}]}`;
    const json = () => inSteps(readJsonInSteps(BatchCreateJobsRequestSchema, Buffer.from(text), DECODE_LIMITS)).message;
    expect(Object.keys(refused(json))).toEqual(["requests[500].type"]);
    const bytes = Buffer.concat([binaryBatch(payloads), Buffer.from(field(1, field(2, [0xff])))]);
    const read = () => inSteps(readBinaryInSteps(BatchCreateJobsRequestSchema, bytes, DECODE_LIMITS)).message;
    expect(refused(read)).toEqual(refused(() => readBinary(BatchCreateJobsRequestSchema, bytes, DECODE_LIMITS)));
    expect(Object.keys(refused(read))[0]).toMatch(/^requests\[1000\]/);
  });
});
