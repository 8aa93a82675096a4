import { create, toBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import type { Job } from "../../gen/gotaskq/v1/job_pb.js";
import {
  type CreateJobRequest,
  CreateJobRequestSchema,
  CreateJobResponseSchema,
  GetJobRequestSchema,
  GetJobResponseSchema,
} from "../../gen/gotaskq/v1/job_service_pb.js";
import { createTaskQueue } from "../../src/task-queue.js";
import { readBinary } from "../../src/wire/binary/binary-decoder.js";
import { readJson } from "../../src/wire/json/json-decoder.js";
import type { JsonText } from "../../src/wire/json/json-text.js";
import { DECODE_LIMITS } from "../support/decoding.js";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { present } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { within } from "../support/wait.js";
import { type Answer, envelopes } from "../support/wire.js";

// The library that makes messages of JSON and binary drops this name, so requests and answers are looked at as bytes.

const PAYLOAD = '{"a":[{"__proto__":{"x":1}}],"__proto__":2}';
const METADATA = '{"a":"b","__proto__":"c"}';
const REQUEST = `{"type":"x","payload":${PAYLOAD},"metadata":${METADATA}}`;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** The request in binary. */
function inBinary(): Uint8Array {
  const request = readJson(CreateJobRequestSchema, Buffer.from(REQUEST), DECODE_LIMITS) as CreateJobRequest;
  return toBinary(CreateJobRequestSchema, request);
}

/** Calls a method; returns the job of its answer. */
async function call(
  protocol: Protocol,
  method: string,
  message: string | Uint8Array,
  desc: typeof CreateJobResponseSchema | typeof GetJobResponseSchema,
): Promise<Job> {
  const answer: Answer = await protocol.send(server.url, {
    path: `/gotaskq.v1.JobService/${method}`,
    headers: { "content-type": protocol.contentType },
    body: protocol.frame(message),
  });
  expect(protocol.errorOf(answer)).toBeUndefined();
  const isInEnvelope = protocol.frame("").length > 0;
  const bytes = isInEnvelope ? present(envelopes(answer.body)[0]).data : answer.body;
  const { job } = (protocol.isJson ? readJson : readBinary)(desc, bytes, DECODE_LIMITS) as { job?: Job };
  return present(job);
}

const UNARY = PROTOCOLS.filter(({ unary }) => unary);

describe.each(UNARY)("a key named __proto__, sent over $name,", (sender) => {
  test("is a key like any other, however it is read", async () => {
    const made = await call(sender, "CreateJob", sender.isJson ? REQUEST : inBinary(), CreateJobResponseSchema);
    const read = UNARY.map((reader) => {
      const request = reader.isJson
        ? JSON.stringify({ id: made.id })
        : toBinary(GetJobRequestSchema, create(GetJobRequestSchema, { id: made.id }));
      return call(reader, "GetJob", request, GetJobResponseSchema);
    });
    for (const { payloadKind, metadata } of [made, ...(await Promise.all(read))]) {
      expect((payloadKind.value as JsonText).text).toBe(PAYLOAD);
      expect(JSON.stringify(metadata)).toBe(METADATA);
      expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
    }
  });
});

test("a key named __proto__ is a key like any other to the library and its handlers", async () => {
  const queue = createTaskQueue({ handlers: { echo: (job) => ({ payload: job.payload, metadata: job.metadata }) } });
  await queue.start();
  const { job } = await queue.create({ type: "echo", payload: JSON.parse(PAYLOAD), metadata: JSON.parse(METADATA) });
  const { payload, metadata, result } = await within(queue.wait(job.id), "the end of a job");
  await queue.stop();
  expect([JSON.stringify(payload), JSON.stringify(metadata)]).toEqual([PAYLOAD, METADATA]);
  expect(JSON.stringify(result)).toBe(`{"payload":${PAYLOAD},"metadata":${METADATA}}`);
});
