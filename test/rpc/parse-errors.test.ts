import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import type { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import {
  CreateJobRequestSchema,
  ListJobsRequestSchema,
  WatchJobRequestSchema,
} from "../../gen/gotaskq/v1/job_service_pb.js";
import { UpdateQueueRequestSchema } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { type Refusal, toRefusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { envelope } from "../support/wire.js";

const MIB = 1024 * 1024;
const UNARY = PROTOCOLS.filter(({ unary }) => unary);
const STREAMS = PROTOCOLS.filter(({ streams }) => streams);
const JSON_UNARY = UNARY.filter(({ isJson }) => isJson);
const BINARY_UNARY = UNARY.filter(({ isJson }) => !isJson);

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

/** What the server answers to a body that is sent as it is. */
async function refusedBody(
  { contentType, send, errorOf }: Protocol,
  method: string,
  body: Buffer,
  headers = {},
): Promise<Refusal> {
  const path = `/gotaskq.v1.${method}`;
  const answer = await send(server.url, { path, body, headers: { "content-type": contentType, ...headers } });
  const error = errorOf(answer);
  if (error === undefined) throw new Error(`expected ${method} to be refused: ${answer.body}`);
  return toRefusal(error);
}

/** What the server answers to a message in a proper frame. */
function refused(protocol: Protocol, method: string, message: Uint8Array | string, headers = {}): Promise<Refusal> {
  return refusedBody(protocol, method, protocol.frame(message), headers);
}

const bad = (field: string, description: unknown = expect.any(String)) => ({
  code: "INVALID_ARGUMENT",
  reason: "FIELD_INVALID",
  domain: "gotaskq",
  fields: [field],
  descriptions: [description],
});

/** The field of CreateJob whose head, with a wrong type or no end, such a message is in binary. */
const IN_BINARY: Readonly<Record<string, string>> = { "{": "expires_at", "\x0a\xff": "queue" };

const TOO_LARGE = {
  code: "RESOURCE_EXHAUSTED",
  reason: "MESSAGE_TOO_LARGE",
  domain: "gotaskq",
  message: "a message may have at most 4194304 bytes",
  metadata: { max_bytes: "4194304" },
};

describe.each(UNARY)("a call over $name", (protocol) => {
  test("whose message cannot be read is refused as a bad request", async () => {
    for (const message of ["{", "\x0a\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]) {
      const seen = await refused(protocol, "JobService/CreateJob", Buffer.from(message, "latin1"));
      const field = protocol.isJson ? "request" : (IN_BINARY[message] ?? "request");
      expect(seen).toMatchObject(bad(field));
      expect(seen.message).toBe(`${field}: ${seen.descriptions[0]}`);
    }
  });

  test("whose message is larger than 4 MiB is refused as too large", async () => {
    const seen = await refused(protocol, "JobService/CreateJob", Buffer.alloc(4 * MIB + 1, " "));
    expect(seen).toMatchObject(TOO_LARGE);
    expect(seen.retryMs).toBeUndefined();
  });

  test("whose text is no UTF-8 is refused as a bad request", async () => {
    const text = Buffer.from([0x78, 0xff, 0xc0]);
    const message = protocol.isJson
      ? Buffer.concat([Buffer.from('{"type":"'), text, Buffer.from('"}')])
      : Buffer.concat([Buffer.from([0x12, text.length]), text]);
    const field = protocol.isJson ? "request" : "type";
    expect(await refused(protocol, "JobService/CreateJob", message)).toMatchObject(bad(field));
  });

  test("whose compressed message is broken is refused as a bad request, and one that is too large as that", async () => {
    const whole = gzipSync(Buffer.alloc(64 * MIB));
    const name = protocol.contentType.startsWith("application/grpc") ? "grpc-encoding" : "content-encoding";
    const frame = (data: Buffer) => (protocol.frame === PROTOCOLS[0]?.frame ? data : envelope(data, 1));
    const send = (data: Buffer) => refusedBody(protocol, "JobService/CreateJob", frame(data), { [name]: "gzip" });
    expect(await send(whole)).toMatchObject(TOO_LARGE);
    for (const broken of [Buffer.from("no gzip"), gzipSync("{}").subarray(0, -6)]) {
      expect(await send(broken)).toMatchObject(bad("request"));
    }
  });

  test("whose deadline is none is refused as a bad request", async () => {
    const message = protocol.isJson ? "{}" : "";
    const headers = { "grpc-timeout": "soon", "connect-timeout-ms": "soon" };
    expect(await refused(protocol, "QueueService/ListQueues", message, headers)).toMatchObject(bad("request"));
  });
});

describe.each(STREAMS)("a stream over $name", (protocol) => {
  test("whose message cannot be read is refused as a bad request", async () => {
    for (const message of ["{", "\x0a\xff"]) {
      const seen = await refused(protocol, "JobService/WatchJob", Buffer.from(message, "latin1"));
      expect(seen).toMatchObject(bad(message === "{" || protocol.isJson ? "request" : "id"));
    }
  });

  test("whose message is larger than 4 MiB is refused as too large", async () => {
    const seen = await refused(protocol, "JobService/WatchJob", Buffer.alloc(4 * MIB + 1, " "));
    expect(seen).toMatchObject(TOO_LARGE);
  });

  test("whose frame, or its head, is cut off is refused as a bad request, without details", async () => {
    for (const length of [-1, 3]) {
      const body = envelope("{}      ").subarray(0, length);
      const seen = await refusedBody(protocol, "JobService/WatchJob", body);
      expect(seen).toMatchObject({ code: "INVALID_ARGUMENT", reason: undefined, fields: [] });
    }
  });

  test("whose frame is compressed, although nothing says how, is refused as a fault, without details", async () => {
    const body = envelope(gzipSync("{}"), 1);
    const seen = await refusedBody(protocol, "JobService/WatchJob", body);
    expect(seen).toMatchObject({ code: "INTERNAL", reason: undefined, fields: [] });
  });

  test("that fails later fails as all others do", async () => {
    const message = protocol.isJson
      ? '{"id":"1"}'
      : toBinary(WatchJobRequestSchema, create(WatchJobRequestSchema, { id: "1" }));
    expect(await refused(protocol, "JobService/WatchJob", message)).toMatchObject({
      code: "NOT_FOUND",
      reason: "JOB_NOT_FOUND",
    });
  });
});

describe.each(JSON_UNARY)("a message over $name", (protocol) => {
  test.each([
    ["a field of another type", "JobService/CreateJob", '{"type":5}', "type"],
    ["a number that is none", "JobService/CreateJob", '{"type":"x","priority":"high"}', "priority"],
    ["a number with a fraction", "JobService/CreateJob", '{"type":"x","maxRetries":1.5}', "maxRetries"],
    ["a number too large for its field", "JobService/CreateJob", '{"type":"x","priority":4294967296}', "priority"],
    ["bytes that are no base64", "JobService/CreateJob", '{"type":"x","payloadBytes":"*"}', "payloadBytes"],
    ["half a surrogate pair in a name", "JobService/CreateJob", '{"type":"\\ud800"}', "type"],
    [
      "half a surrogate pair in the payload",
      "JobService/CreateJob",
      '{"type":"x","payload":{"a":"\\udc00"}}',
      "payload",
    ],
    ["a number that JSON cannot carry", "JobService/CreateJob", '{"type":"x","payload":1e999}', "payload"],
    ["a field that is unknown", "JobService/CreateJob", '{"type":"x","payloads":1}', "payloads"],
    ["a field that is misspelt", "JobService/CreateJob", '{"type":"x","maxretries":1}', "maxretries"],
    ["an unknown field further in", "JobService/CreateJob", '{"type":"x","backoff":{"base":"1s"}}', "backoff.base"],
    ["a field given twice", "JobService/CreateJob", '{"type":"x","maxRetries":1,"max_retries":2}', "maxRetries"],
    [
      "two of which one may be set",
      "JobService/CreateJob",
      '{"type":"x","payload":1,"payloadBytes":""}',
      "payloadBytes",
    ],
    ["a duration that is none", "JobService/CreateJob", '{"type":"x","delay":"soon"}', "delay"],
    ["a duration in minutes", "JobService/CreateJob", '{"type":"x","timeout":"5m"}', "timeout"],
    ["a time that is none", "JobService/CreateJob", '{"type":"x","runAfter":"tomorrow"}', "runAfter"],
    ["an unknown status by name", "JobService/ListJobs", '{"statuses":["JOB_STATUS_LOST"]}', "statuses[0]"],
    ["an unknown status by number", "JobService/ListJobs", '{"statuses":[99]}', "statuses[0]"],
    [
      "an unknown ordering by name",
      "QueueService/CreateQueue",
      '{"name":"a","settings":{"ordering":"X"}}',
      "settings.ordering",
    ],
    ["a list", "JobService/CreateJob", "[]", "request"],
    ["null", "JobService/CreateJob", "null", "request"],
    ["nothing", "JobService/CreateJob", "", "request"],
    ["something after the end", "JobService/CreateJob", '{"type":"x"} x', "request"],
  ])("with %s is refused, and the field named", async (_what, method, message, field) => {
    expect(await refused(protocol, method, message)).toMatchObject(bad(field));
  });
});

describe.each(BINARY_UNARY)("a message over $name", (protocol) => {
  test("with an unknown enum number is refused, and the field named", async () => {
    const list = toBinary(ListJobsRequestSchema, create(ListJobsRequestSchema, { statuses: [1, 99 as JobStatus] }));
    expect(await refused(protocol, "JobService/ListJobs", list)).toMatchObject(bad("statuses[1]"));
    const queue = { name: "default", settings: { ordering: 99 } };
    const update = toBinary(UpdateQueueRequestSchema, create(UpdateQueueRequestSchema, { queue }));
    expect(await refused(protocol, "QueueService/UpdateQueue", update)).toMatchObject(bad("queue.settings.ordering"));
  });

  test("with an unknown field is taken, as binary messages of newer clients are", async () => {
    const known = toBinary(CreateJobRequestSchema, create(CreateJobRequestSchema, { type: "" }));
    const unknown = Buffer.concat([known, Buffer.from([0xf8, 0x07, 0x01])]);
    expect(await refused(protocol, "JobService/CreateJob", unknown)).toMatchObject(bad("type"));
  });
});

describe("an error about a name of 4,000 characters", () => {
  test.each(UNARY.filter(({ isJson }) => isJson))(
    "has less than 4 KiB over $name, also to a client that takes gzip",
    async (protocol) => {
      const headers = { "accept-encoding": "gzip", "grpc-accept-encoding": "gzip" };
      const seen = await refused(protocol, "JobService/CreateJob", `{"type":"x","${"long".repeat(1000)}":1}`, headers);
      const name = expect.stringMatching(/^(long)+\.\.\.$/);
      expect(seen).toMatchObject(bad(name as unknown as string));
      expect(Buffer.byteLength(JSON.stringify(seen))).toBeLessThan(4096);
    },
  );
});
