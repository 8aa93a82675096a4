import { create, type DescMessage, fromJson, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JobSchema } from "../../gen/gotaskq/v1/job_pb.js";
import { CreateJobResponseSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { JSON_OPTIONS } from "../../src/rpc/wire-options.js";
import { binaryEncoderOf } from "../../src/wire/binary/binary-encoder.js";
import { ByteSink } from "../../src/wire/binary/byte-sink.js";
import { jsonEncoderOf } from "../../src/wire/json/json-encoder.js";
import { JsonText } from "../../src/wire/json/json-text.js";
import { UnsupportedError } from "../../src/wire/unsupported-error.js";
import { json, MESSAGES, messageOf } from "../support/messages.js";

const sink = new ByteSink();

function binary(desc: DescMessage, message: Message): Buffer {
  const encode = binaryEncoderOf(desc);
  if (encode === undefined) throw new Error(`${desc} has no encoder`);
  sink.begin(0);
  encode(sink, message);
  return sink.finish();
}

describe.each(MESSAGES)("%s", (desc) => {
  test("is written as the library writes it, in binary and in JSON", () => {
    fc.assert(
      fc.property(messageOf(desc), (message) => {
        expect(binary(desc, message).toString("hex")).toBe(Buffer.from(toBinary(desc, message)).toString("hex"));
        expect(jsonEncoderOf(desc)?.(message)).toBe(toJsonString(desc, message, JSON_OPTIONS));
      }),
      { numRuns: 150 },
    );
  });
});

/** The message as somebody may write it down for `create`: without the members that are not set. */
function written(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(written);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if ("case" in value) return { case: value.case, value: written((value as { value?: unknown }).value) };
  if (!("$typeName" in value)) return value;
  const members = Object.entries(value).filter(([name, item]) => name !== "$typeName" && !isUnset(item));
  return Object.fromEntries(members.map(([name, item]) => [name, written(item)]));
}

function isUnset(item: unknown): boolean {
  if (typeof item !== "object" || item === null) return item === undefined || item === "" || Object.is(item, 0);
  if ("case" in item) return item.case === undefined;
  return !("$typeName" in item) && Object.keys(item).length === 0;
}

describe.each(MESSAGES)("%s, as `create` takes it", (desc) => {
  test("is written as the message that `create` makes of it", () => {
    fc.assert(
      fc.property(messageOf(desc), (message) => {
        const init = written(message) as Message;
        expect(binary(desc, init).toString("hex")).toBe(
          Buffer.from(toBinary(desc, create(desc, init))).toString("hex"),
        );
      }),
      { numRuns: 40 },
    );
  });
});

test.each([
  ["a text", { id: 1 }],
  ["a whole number", { priority: 1.5 }],
  ["a number of 32 bits", { priority: 2 ** 31 }],
  ["true or false", { cancelRequested: 1 }],
  ["a message", { timeout: 5 }],
  ["a number of 64 bits", { timeout: { seconds: 5, nanos: 0 } }],
  ["a list", { attemptErrors: "none" }],
  ["bytes", { payloadKind: { case: "payloadBytes", value: [1] } }],
  ["a map of texts", { metadata: { a: 1 } }],
])("a field that is not %s, as it should be, is left to the library", (_, job) => {
  expect(() => binary(JobSchema, job as never)).toThrow(UnsupportedError);
});

describe("a payload kept as JSON text", () => {
  const job = (value: Value) => create(CreateJobResponseSchema, { job: { payloadKind: { case: "payload", value } } });

  test("is written as the value that it stands for", () => {
    fc.assert(
      // The library loses a key "__proto__".
      fc.property(
        json.filter((value) => !JSON.stringify(value).includes("__proto__")),
        (value) => {
          const given = job(new JsonText(JSON.stringify(value)));
          const expected = job(fromJson(ValueSchema, value));
          const hex = Buffer.from(toBinary(CreateJobResponseSchema, expected)).toString("hex");
          const text = toJsonString(CreateJobResponseSchema, expected, JSON_OPTIONS);
          expect(binary(CreateJobResponseSchema, given).toString("hex")).toBe(hex);
          expect(Buffer.from(toBinary(CreateJobResponseSchema, given)).toString("hex")).toBe(hex);
          expect(jsonEncoderOf(CreateJobResponseSchema)?.(given)).toBe(text);
          expect(toJsonString(CreateJobResponseSchema, given, JSON_OPTIONS)).toBe(text);
        },
      ),
    );
  });

  test("is copied into JSON as it is", () => {
    const text = '{"z":1,"a":[1.5e300,"\\u0007"],"10":{"2":null}}';
    expect(
      jsonEncoderOf(JobSchema)?.(create(JobSchema, { payloadKind: { case: "payload", value: new JsonText(text) } })),
    ).toContain(`"payload":${text},`);
  });
});

test("a message larger than any before is written whole, and the next one too", () => {
  const large = create(JobSchema, { error: "\u20ac".repeat(2_000_000), worker: "w" });
  for (const message of [large, create(JobSchema, { id: "1" }), large]) {
    expect(binary(JobSchema, message).equals(toBinary(JobSchema, message))).toBe(true);
  }
});
