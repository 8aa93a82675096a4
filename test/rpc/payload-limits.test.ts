import type { JsonValue } from "@bufbuild/protobuf";
import { beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../src/model/common/limits.js";
import { binaryBatch, jsonBatch, listOf } from "../support/decoding.js";
import { PROTOCOLS } from "../support/protocols.js";
import { payload, type Refusal, refusal, toRefusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { CONNECT_JSON, GRPC } from "../support/transports.js";

const { payloadValues, messageValues, listEntries } = LIMITS;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

describe.each(PROTOCOLS.filter(({ unary }) => unary))("over $name", (protocol) => {
  /** Creates jobs with these payloads. Resolves to the error; undefined: they were created. */
  async function refused(payloads: readonly string[]): Promise<Refusal | undefined> {
    const answer = await protocol.send(server.url, {
      path: "/gotaskq.v1.JobService/BatchCreateJobs",
      headers: { "content-type": protocol.contentType },
      body: protocol.frame(protocol.isJson ? jsonBatch(payloads) : binaryBatch(payloads)),
    });
    const error = protocol.errorOf(answer);
    return error && toRefusal(error);
  }

  const bad = (field: string) => ({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID", fields: [field] });

  test("a payload may have 100,000 values, and no more", async () => {
    expect(await refused([listOf(payloadValues, "null")])).toBeUndefined();
    expect(await refused([listOf(payloadValues + 1, "null")])).toMatchObject(bad("requests[0].payload"));
  });

  test("a message may have 400,000 values in all its payloads, and no more", async () => {
    const full = Array.from({ length: messageValues / payloadValues }, () => listOf(payloadValues, "null"));
    expect(await refused(full)).toBeUndefined();
    expect(await refused([...full, "1"])).toMatchObject(bad("requests[4].payload"));
  });

  test("a list that is longer than any may be is refused by its name", async () => {
    expect(await refused(Array.from({ length: listEntries + 1 }, () => "1"))).toMatchObject(bad("requests"));
  });
});

test.each([GRPC, CONNECT_JSON])(
  "a payload that is nested too deep is named with the other bad fields: $name",
  async (kind) => {
    let deep: JsonValue = 1;
    for (let level = 0; level <= LIMITS.payloadDepth; level++) deep = [deep];
    const { jobs } = server.connect(kind);
    const request = { type: "", payloadKind: payload(deep), priority: 11 };
    expect(await refusal(jobs.createJob(request))).toMatchObject({ fields: ["payload", "type", "priority"] });
  },
);
