import { describe, expect, test } from "vitest";
import {
  type BatchCreateJobsRequest,
  BatchCreateJobsRequestSchema,
  type CreateJobRequest,
  CreateJobRequestSchema,
} from "../../gen/gotaskq/v1/job_service_pb.js";
import { readBinary } from "../../src/wire/binary/binary-decoder.js";
import { readJson } from "../../src/wire/json/json-decoder.js";
import { BadValue } from "../../src/wire/json/json-text.js";
import { badValues, binaryBatch, DECODE_LIMITS, field, jsonBatch, listOf, refused } from "../support/decoding.js";

const request = (text: string) => () => readJson(CreateJobRequestSchema, Buffer.from(text), DECODE_LIMITS);
const batch = (text: string) => () => readJson(BatchCreateJobsRequestSchema, Buffer.from(text), DECODE_LIMITS);

test("a bad value of a request in JSON is named with the other bad fields, or told by the message when it is the only one", () => {
  const deep = `${"[".repeat(40)}${"]".repeat(40)}`;
  expect(refused(request(`{"type":1,"payload":${deep}}`))).toEqual({
    type: "must be text",
    payload: "must not be nested more than 32 deep",
  });
  const given = request(`{"type":"","payload":${deep},"priority":11}`)() as CreateJobRequest;
  expect(given).toMatchObject({
    type: "",
    priority: 11,
    payloadKind: { case: "payload", value: expect.any(BadValue) },
  });
});

test("a bad value of a binary request is told by the message, and what comes after it is read", () => {
  const bad = field(3, [0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f]);
  const bytes = Uint8Array.from([...field(1, [...bad, ...field(2, [0x61])]), ...field(1, field(2, [0x62]))]);
  const { requests } = readBinary(BatchCreateJobsRequestSchema, bytes, DECODE_LIMITS) as BatchCreateJobsRequest;
  expect(requests.map(({ type }) => type)).toEqual(["a", "b"]);
  expect(badValues({ requests })).toEqual({ "requests[0].payload": "must be a JSON value: no NaN, no infinity" });
});

test("what is over a limit is refused before it is made into anything", () => {
  const manyValues = `{"type":"a","nope":[${"{},".repeat(600_000)}{}]}`;
  expect(refused(request(manyValues))).toEqual({ request: "must have at most 400000 JSON values in all" });
  expect(refused(batch(`{"requests":[${"{},".repeat(10_000)}{}]}`))).toEqual({
    requests: "must have at most 10000 entries, has 10001",
  });
});

/** A JSON object that has this many values, the object among them. */
function objectOf(values: number): string {
  return `{${Array.from({ length: values - 1 }, (_, index) => `"${index}":null`).join(",")}}`;
}

const ENCODINGS = [
  { name: "JSON", batchOf: jsonBatch, read: readJson },
  { name: "binary", batchOf: binaryBatch, read: readBinary },
];

describe.each(ENCODINGS)("a request in $name", ({ batchOf, read }) => {
  const { values, messageValues, entries } = DECODE_LIMITS;
  const reading = (bytes: Buffer) => () => read(BatchCreateJobsRequestSchema, bytes, DECODE_LIMITS);

  test.each([
    ["numbers", (count: number) => listOf(count, "1")],
    ["empty lists", (count: number) => listOf(count, "[]")],
    ["empty objects", (count: number) => listOf(count, "{}")],
    ["members of an object", objectOf],
  ])("may have a payload of 100,000 values, and of no more: %s", (_what, payload) => {
    expect(badValues(reading(batchOf(["1", payload(values)]))())).toEqual({});
    expect(refused(reading(batchOf(["1", payload(values + 1)])))).toEqual({
      "requests[1].payload": "must have at most 100000 values",
    });
  });

  test("may have 400,000 values in all its payloads, and no more", () => {
    const full = Array.from({ length: messageValues / values }, () => listOf(values, "[]"));
    expect(badValues(reading(batchOf(full))())).toEqual({});
    expect(refused(reading(batchOf([...full, "1"])))).toEqual({
      "requests[4].payload": "must have at most 400000 JSON values in all",
    });
  });

  test("may have 10,000 entries in a list, and no more", () => {
    const list = (count: number) => batchOf(Array.from({ length: count }, () => "1"));
    expect(reading(list(entries))()).toMatchObject({ requests: { length: entries } });
    expect(refused(reading(list(entries + 1)))).toEqual({
      requests: expect.stringMatching(/^must have at most 10000 entries/),
    });
  });
});
