import { type DescMessage, fromBinary, fromJsonString, type Message, toBinary, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CreateJobRequest, CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { binaryDecoderOf } from "../../../src/rpc/codec/binary-decoder.js";
import { ByteSource, OddBytes } from "../../../src/rpc/codec/byte-source.js";
import { BINARY_OPTIONS } from "../../../src/rpc/wire-options.js";
import { MESSAGES, messageOf } from "../../support/messages.js";

/** The message; undefined when the bytes are left to the library. */
function decode(desc: DescMessage, bytes: Uint8Array): Message | undefined {
  try {
    return binaryDecoderOf(desc)(new ByteSource(bytes), bytes.byteLength);
  } catch (error) {
    if (error instanceof OddBytes) return undefined;
    throw error;
  }
}

/** What a message says, whatever it is made of. */
function contents(desc: DescMessage, message: Message): string {
  return Buffer.from(toBinary(desc, message)).toString("hex");
}

const damage = fc.oneof(
  fc.record({ kind: fc.constant("set" as const), at: fc.nat(), to: fc.nat({ max: 255 }) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), to: fc.constant(0) }),
  fc.record({ kind: fc.constant("double" as const), at: fc.constant(0), to: fc.constant(0) }),
);

describe.each(MESSAGES)("%s", (desc) => {
  test("is read as the library reads it, or left to it", () => {
    fc.assert(
      fc.property(messageOf(desc), fc.option(damage), (message, harm) => {
        let bytes = Buffer.from(toBinary(desc, message));
        if (harm?.kind === "set" && bytes.length > 0) bytes[harm.at % bytes.length] = harm.to;
        if (harm?.kind === "cut") bytes = bytes.subarray(0, harm.at % (bytes.length + 1));
        if (harm?.kind === "double") bytes = Buffer.concat([bytes, bytes]);
        const given = decode(desc, bytes);
        // It is never the one to read what the library refuses.
        if (given !== undefined)
          expect(contents(desc, given)).toBe(contents(desc, fromBinary(desc, bytes, BINARY_OPTIONS)));
      }),
      { numRuns: 300 },
    );
  });
});

test("an ordinary request is not left to the library", () => {
  const text =
    '{"type":"echo","payload":{"a":[1,null,"x",true,{"b":{}}]},"metadata":{"k":"v"},"priority":3,"delay":"1s"}';
  const bytes = toBinary(CreateJobRequestSchema, fromJsonString(CreateJobRequestSchema, text));
  const given = decode(CreateJobRequestSchema, bytes);
  expect(given && toJsonString(CreateJobRequestSchema, given as CreateJobRequest)).toBe(
    toJsonString(CreateJobRequestSchema, fromBinary(CreateJobRequestSchema, bytes)),
  );
});
