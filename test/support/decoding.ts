import { create, type Message } from "@bufbuild/protobuf";
import { BatchCreateJobsRequestSchema, CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { binaryEncoderOf } from "../../src/wire/binary/binary-encoder.js";
import { ByteSink } from "../../src/wire/binary/byte-sink.js";
import { DecodeError, type DecodeLimits, pathWithin } from "../../src/wire/decode-error.js";
import { BadValue, JsonText } from "../../src/wire/json/json-text.js";

/** What the server's decoders allow. */
export const DECODE_LIMITS: DecodeLimits = {
  depth: 32,
  values: 100_000,
  messageValues: 400_000,
  entries: 10_000,
  mapEntries: 64_000,
};

/** What is wrong with the JSON values of a message that was read all the same, by their paths. */
export function badValues(part: unknown, path = ""): Readonly<Record<string, string>> {
  if (part instanceof BadValue) return { [path]: part.problem };
  if (typeof part !== "object" || part === null || ArrayBuffer.isView(part) || part instanceof JsonText) return {};
  const { case: member, value } = part as { readonly case?: unknown; readonly value?: unknown };
  if (typeof member === "string") return badValues(value, pathWithin(path.replace(/\.?\w+$/, ""), member));
  const found = Object.entries(part).map(([name, inner]) => badValues(inner, pathWithin(path, inPart(part, name))));
  return Object.assign({}, ...found);
}

const inPart = (part: object, name: string) => (Array.isArray(part) ? `[${name}]` : name);

/** The message; undefined when it is refused, or a value in it is. */
export function orUndefined(read: () => Message): Message | undefined {
  try {
    const message = read();
    return Object.keys(badValues(message)).length === 0 ? message : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The bad fields that a request is refused with, by their paths. */
export function refused(read: () => Message): Readonly<Record<string, string>> {
  try {
    const bad = badValues(read());
    if (Object.keys(bad).length > 0) return bad;
  } catch (error) {
    if (error instanceof DecodeError)
      return Object.fromEntries(error.fields.map((bad) => [bad.field, bad.description]));
    throw error;
  }
  throw new Error("it was not refused");
}

/** Goes through all steps; `steps`: how many there were. */
export function inSteps(reading: Generator<void, Message>): { readonly message: Message; readonly steps: number } {
  for (let steps = 1; ; steps++) {
    const { done, value } = reading.next();
    if (done === true) return { message: value, steps };
  }
}

/** Field `number` of wire type 2. */
export const field = (number: number, bytes: readonly number[]): number[] => {
  const length = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    if (rest < 0x80) {
      length.push(rest);
      break;
    }
    length.push((rest & 0x7f) | 0x80);
  }
  return [(number << 3) | 2, ...length, ...bytes];
};

/** A BatchCreateJobsRequest for a job with each of these payloads, which are JSON texts, as JSON. */
export function jsonBatch(payloads: readonly string[]): Buffer {
  return Buffer.from(`{"requests":[${payloads.map((text) => `{"type":"a","payload":${text}}`).join(",")}]}`);
}

/** The same in binary. The library would take seconds for the largest. */
export function binaryBatch(payloads: readonly string[]): Buffer {
  const requests = payloads.map((text) =>
    create(CreateJobRequestSchema, { type: "a", payloadKind: { case: "payload", value: new JsonText(text) } }),
  );
  const sink = new ByteSink();
  sink.begin(0);
  binaryEncoderOf(BatchCreateJobsRequestSchema)?.(sink, create(BatchCreateJobsRequestSchema, { requests }));
  return Buffer.from(sink.finish());
}

/** A JSON list that has this many values, the list among them. */
export function listOf(values: number, item: string): string {
  return `[${Array.from({ length: values - 1 }, () => item).join(",")}]`;
}
