import { create, type DescMessage, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { BatchCreateJobsRequestSchema, CreateJobRequestSchema } from "../../gen/gotaskq/v1/job_service_pb.js";
import { CompleteJobsRequestSchema } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { encodeGrpcMessage } from "../../src/rpc/grpc-status.js";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { present, toRefusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { envelope, http1, http2 } from "../support/wire.js";

/** What an error may take in all, bytes: clients of gRPC take 8 KiB of headers, some less. */
const MAX_BYTES = 4096;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** Sends a message; returns the error, and checks its size. */
async function refused<D extends DescMessage>(
  protocol: Protocol,
  method: string,
  desc: D,
  init: MessageInitShape<D>,
  extra: Record<string, string> = {},
) {
  const message = create(desc, init);
  const answer = await protocol.send(server.url, {
    path: `/gotaskq.v1.${method}`,
    headers: { "content-type": protocol.contentType, "x-request-id": "r".repeat(128), ...extra },
    body: protocol.frame(protocol.isJson ? toJsonString(desc, message) : toBinary(desc, message)),
  });
  const { headers, trailers, body } = answer;
  const heads = Object.entries({ ...headers, ...trailers }).map(([name, value]) => `${name}: ${value}\r\n`);
  expect(Buffer.byteLength(heads.join("")) + body.byteLength).toBeLessThan(MAX_BYTES);
  return toRefusal(present(protocol.errorOf(answer)));
}

/** Texts whose characters take one byte, three bytes, and nine where they are escaped, and those that JSON escapes. */
const LETTERS = ["k", "\u20ac", "\u{1f600}", '"', "\u0001", "%"];

const UNARY = PROTOCOLS.filter(({ unary }) => unary);

describe.each(UNARY)("an error over $name", (protocol) => {
  test.each(LETTERS)(
    "about 64 bad keys of metadata has less than 4 KiB, and counts those it does not name: %j",
    async (letter) => {
      const keys = Array.from({ length: 64 }, (_, index) => `${index}${letter.repeat(130)}`);
      const metadata = Object.fromEntries(keys.map((key) => [key, "v".repeat(1025)]));
      const seen = await refused(protocol, "JobService/CreateJob", CreateJobRequestSchema, { type: "x", metadata });
      expect(seen.fields.length).toBeGreaterThan(0);
      expect(seen.fields.length + Number(seen.metadata.more_violations)).toBe(128);
      const inText = seen.message.split("; and ")[0]?.match(/: must have/g)?.length ?? 0;
      expect(seen.message).toMatch(new RegExp(`; and ${128 - inText} more$`));
    },
  );

  test("about a batch of which everything is bad has less than 4 KiB, and counts what it does not name", async () => {
    const bad = { type: "", queue: "Bad \u20ac".repeat(100), priority: 11, maxRetries: -1, requestId: "r".repeat(200) };
    const requests = Array.from({ length: 1000 }, () => bad);
    const seen = await refused(protocol, "JobService/BatchCreateJobs", BatchCreateJobsRequestSchema, { requests });
    expect(seen.fields.length + Number(seen.metadata.more_violations)).toBe(5000);
    const completions = Array.from({ length: 1000 }, () => ({ jobId: "\u20ac".repeat(500), leaseToken: "" }));
    await refused(protocol, "WorkerService/CompleteJobs", CompleteJobsRequestSchema, { completions });
  });

  test("that repeats a header of the client has less than 4 KiB", async () => {
    const long = "x".repeat(5000);
    for (const name of ["content-encoding", "grpc-encoding", "connect-timeout-ms", "grpc-timeout"]) {
      const isOfProtocol = name.startsWith("grpc") === protocol.contentType.startsWith("application/grpc");
      if (isOfProtocol) {
        await refused(protocol, "JobService/CreateJob", CreateJobRequestSchema, { type: "x" }, { [name]: long });
      }
    }
  });

  test("about a method that is none has less than 4 KiB", async () => {
    for (const send of [http1, http2]) {
      const path = `/gotaskq.v1.JobService/${"No".repeat(3000)}`;
      const { headers, body } = await send(server.url, { path, headers: { "content-type": protocol.contentType } });
      expect(JSON.stringify(headers).length + body.byteLength).toBeLessThan(MAX_BYTES);
    }
  });
});

describe("an error of JSON that cannot be read has less than 4 KiB", () => {
  test.each(UNARY.filter(({ isJson }) => isJson))("over $name", async (protocol) => {
    for (const letter of LETTERS) {
      const text = JSON.stringify({ [letter.repeat(3000)]: letter.repeat(3000) });
      for (const body of [
        text,
        text.slice(0, -1),
        `{"metadata":${text.replace(/"}$/, '\\ud800"}')}}`,
        `{"metadata":[${text}]}`,
      ]) {
        const answer = await protocol.send(server.url, {
          path: "/gotaskq.v1.JobService/CreateJob",
          headers: { "content-type": protocol.contentType, "x-request-id": "r".repeat(128) },
          body: protocol.frame(body),
        });
        const { headers, trailers } = answer;
        expect(protocol.errorOf(answer)).toBeDefined();
        expect(JSON.stringify({ headers, trailers }).length + answer.body.byteLength).toBeLessThan(MAX_BYTES);
      }
    }
  });
});

describe("the message of a gRPC error", () => {
  test.each([
    [
      "all printable ASCII but the percent sign",
      " !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
      " !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
    ],
    ["the percent sign", "100 %", "100 %25"],
    ["control characters", "a\tb\nc\r\0\x7f", "a%09b%0Ac%0D%00%7F"],
    ["other characters, as their bytes in UTF-8", "\u00e9 \u20ac \u{1f600}", "%C3%A9 %E2%82%AC %F0%9F%98%80"],
    ["half a surrogate pair, replaced", "a\ud800b", "a%EF%BF%BDb"],
  ])("has %s as gRPC says", (_what, text, encoded) => {
    expect(encodeGrpcMessage(text)).toBe(encoded);
  });

  test.each(UNARY.filter(({ contentType }) => contentType.startsWith("application/grpc")))(
    "is written so over $name",
    async (protocol) => {
      const body = protocol.frame(protocol.isJson ? '{"queue":"a","type":""}' : Buffer.from([0x0a, 1, 0x61, 0x12, 0]));
      const headers = { "content-type": protocol.contentType };
      const answer = await protocol.send(server.url, { path: "/gotaskq.v1.JobService/CreateJob", headers, body });
      const line = "type: must have 1 to 128 characters, has 0";
      const seen = answer.trailers["grpc-message"] ?? answer.headers["grpc-message"] ?? String(answer.body);
      expect(seen).toContain(line);
    },
  );

  test.each(PROTOCOLS.filter(({ contentType }) => contentType.startsWith("application/grpc")))(
    "is written so where connect writes it, over $name",
    async ({ contentType }) => {
      const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
      const request = { path, headers: { "content-type": contentType }, body: envelope("{}").subarray(0, -1) };
      const { headers, trailers, body } = await http2(server.url, request);
      const seen = trailers["grpc-message"] ?? headers["grpc-message"] ?? String(body);
      expect(seen).toContain("protocol error: incomplete envelope");
    },
  );
});
