import { beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../src/model/common/limits.js";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { created, payload, present, toRefusal } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { TRANSPORTS } from "../support/transports.js";

const UNARY = PROTOCOLS.filter(({ unary }) => unary);
const SHAPES = ["lists", "objects"] as const;
type Shape = (typeof SHAPES)[number];

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

/** A payload nested to this depth, as JSON text. */
function nestedText(depth: number, shape: Shape): string {
  const [open, close] = shape === "lists" ? ["[", "]"] : ['{"a":', "}"];
  return `${open.repeat(depth)}1${close.repeat(depth)}`;
}

function varint(value: number): number[] {
  const bytes = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 128) return [...bytes, left];
    bytes.push((left & 127) | 128);
  }
}

/** A CreateJobRequest with a payload nested to this depth, in binary; no library writes thousands of levels. */
function nestedBinary(depth: number, shape: Shape): Buffer {
  const heads: Buffer[] = [];
  let length = 9;
  const wrap = (...before: number[]) => {
    const head = Buffer.from([...before, ...varint(length)]);
    heads.push(head);
    length += head.length;
  };
  for (let level = 0; level < depth; level++) {
    if (shape === "lists") {
      wrap(0x0a);
      wrap(0x32);
    } else {
      wrap(0x0a, 1, 0x61, 0x12);
      wrap(0x0a);
      wrap(0x2a);
    }
  }
  wrap(0x12, 1, 0x78, 0x1a);
  const one = Buffer.alloc(9);
  one[0] = 0x11;
  one.writeDoubleLE(1, 1);
  return Buffer.concat([...heads.reverse(), one]);
}

/** Creates a job with a payload nested to this depth. Resolves to the error; undefined: it was created. */
async function refused(protocol: Protocol, depth: number, shape: Shape) {
  const message = protocol.isJson
    ? `{"type":"unknown-to-all","payload":${nestedText(depth, shape)}}`
    : nestedBinary(depth, shape);
  const answer = await protocol.send(server.url, {
    path: "/gotaskq.v1.JobService/CreateJob",
    headers: { "content-type": protocol.contentType },
    body: protocol.frame(message),
  });
  const error = protocol.errorOf(answer);
  return error && toRefusal(error);
}

describe.each(UNARY)("a payload over $name", (protocol) => {
  test.each(SHAPES)("may be nested as deep as the limit, in %s", async (shape) => {
    for (const depth of [1, 10, LIMITS.payloadDepth]) {
      expect(await refused(protocol, depth, shape), `${depth} levels`).toBeUndefined();
    }
  });

  test.each(SHAPES)("may not be nested deeper, in %s", async (shape) => {
    expect(await refused(protocol, LIMITS.payloadDepth + 1, shape)).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: ["payload"],
      descriptions: [`must not be nested more than ${LIMITS.payloadDepth} deep`],
    });
  });

  test.each(SHAPES)("nested however deep gets a clear answer, in %s", async (shape) => {
    for (const depth of [200, 1000, 20_000, 60_000]) {
      expect(await refused(protocol, depth, shape), `${depth} levels`).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "FIELD_INVALID",
        fields: [expect.stringMatching(/^(payload|request)$/)],
      });
    }
  });
});

// The decoders of most languages stop at 100 nested messages, and a level of an object takes up to three of them.
test.each(TRANSPORTS)("a client over $name reads payloads that are nested as deep as the limit", async (kind) => {
  const { jobs } = server.connect(kind);
  for (const shape of SHAPES) {
    const { job } = await server.engine.jobs.create({ type: "x", payload: nestedText(LIMITS.payloadDepth, shape) });
    expect((await jobs.getJob({ id: job.id })).job?.id).toBe(job.id);
    expect((await jobs.listJobs({ pageSize: 1 })).jobs[0]?.id).toBe(job.id);
  }
});

describe("half a surrogate pair", () => {
  const half = "\\ud800";
  test.each([
    ["queue", `"queue":"${half}"`],
    ["type", `"type":"${half}"`],
    ["requestId", `"requestId":"${half}"`],
    ['metadata["a"]', `"metadata":{"a":"${half}"}`],
    ['metadata key "\ufffd"', `"metadata":{"${half}":"a"}`],
    ["payload", `"payload":"${half}"`],
    ["payload", `"payload":["\\\\","${half}\\\\"]`],
    ["payload", `"payload":{"${half}":1}`],
  ])("in %s is refused: %s", async (field, json) => {
    const text = json.includes('"type"') ? `{${json}}` : `{"type":"x",${json}}`;
    for (const protocol of UNARY.filter(({ isJson }) => isJson)) {
      const answer = await protocol.send(server.url, {
        path: "/gotaskq.v1.JobService/CreateJob",
        headers: { "content-type": protocol.contentType },
        body: protocol.frame(text),
      });
      const error = toRefusal(present(protocol.errorOf(answer)));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID", fields: [field] });
    }
  });

  test("that is whole, or only spoken of, is taken", async () => {
    const id = await created(server, { type: "x", payloadKind: payload(["\ud83d\ude00", "\\ud800", "\\\\ud800"]) });
    const { job } = await server.jobs.getJob({ id });
    expect(job?.payloadKind).toEqual(payload(["\ud83d\ude00", "\\ud800", "\\\\ud800"]));
  });
});
