import { constants, type OutgoingHttpHeaders } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.js";
import { GetJobResponseSchema, JobService, WatchJobResponseSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { isNotBegun, toTaskQueueError } from "../../../src/client/convert/errors.js";
import { createNodeTransport } from "../../../src/client/transport/node-transport.js";
import { SessionManager } from "../../../src/client/transport/session-manager.js";
import { runs } from "../../support/runs.js";
import { within } from "../../support/wait.js";
import { SCRIPT, type Script, type ScriptedServer, startScriptedServer } from "./scripted-server.js";

// Makes the same calls, of a server that answers well and badly, over the lean transport and over Connect's own: what comes of them
// must be equal.

const RUNS = runs(60);

const closing: (() => unknown)[] = [];
afterAll(() => {
  for (const close of closing.reverse()) close();
});

let server: ScriptedServer;
let stock: Transport;
let lean: Transport;

beforeAll(async () => {
  server = await startScriptedServer((close) => closing.push(close));
  const ping = { pingIntervalMs: 10_000, pingTimeoutMs: 5000 };
  const sessionManager = new SessionManager(server.url, ping);
  const options = { baseUrl: server.url, httpVersion: "2" as const, sessionManager };
  stock = createConnectTransport({ ...options, acceptCompression: [], binaryOptions: { recursionLimit: 1000 } });
  const node = createNodeTransport(server.url, { ping });
  lean = node.transport;
  closing.push(() => sessionManager.abort(), node.close);
});

/** Fields of a newer server are kept by the library only, and nobody reads them. */
const KNOWN = { writeUnknownFields: false };

type Call = (
  transport: Transport,
  options: { headers: Record<string, string>; timeoutMs?: number },
) => Promise<unknown>;

const getJob: Call = async (transport, options) => {
  let metadata: unknown;
  const job = await createClient(JobService, transport).getJob(
    { id: "1", queue: "q" },
    {
      ...options,
      onHeader: (header) => (metadata = [...header]),
      onTrailer: (trailer) => (metadata = [metadata, [...trailer]]),
    },
  );
  return {
    metadata: JSON.stringify(metadata).replace(/"date","[^"]*"/, ""),
    bytes: toBinary(GetJobResponseSchema, job, KNOWN),
  };
};

const watchJob: Call = async (transport, options) => {
  const messages: unknown[] = [];
  let error: unknown;
  try {
    for await (const message of createClient(JobService, transport).watchJob({ id: "1" }, options)) {
      messages.push(Buffer.from(toBinary(WatchJobResponseSchema, message, KNOWN)).toString("latin1"));
    }
  } catch (thrown) {
    error = describeError(thrown);
  }
  return { messages, error };
};

function describeError(thrown: unknown) {
  const { code, reason, message, metadata, violations, retryAfterMs, requestId } = toTaskQueueError(thrown);
  const isOfServer = ConnectError.from(thrown).cause === undefined;
  const wasNotBegun = isNotBegun(toTaskQueueError(thrown));
  // How a broken stream is described is not compared: only what it means.
  const isBroken = code === "UNAVAILABLE" || /stream|session|socket/i.test(message);
  return {
    code,
    reason,
    metadata,
    violations,
    retryAfterMs,
    requestId,
    isOfServer,
    wasNotBegun,
    message: isBroken ? "" : message,
  };
}

let calls = 0;

async function outcomeOf(call: Call, transport: Transport, script: Script): Promise<unknown> {
  const name = String(calls++);
  server.play(name, script);
  const made = call(transport, { headers: { [SCRIPT]: name, "X-Other": "a, b" }, timeoutMs: 5000 });
  const outcome = await within(
    made.catch((error: unknown) => ({ error: describeError(error) })),
    `the end of a call of ${JSON.stringify(script)}`,
  );
  const seen = server.seen(name).map(({ headers, body }) => {
    const { [SCRIPT]: _, ...others } = headers;
    return { headers: Object.fromEntries(Object.entries(others).sort()), body };
  });
  return { outcome, seen };
}

async function compare(call: Call, script: Script): Promise<void> {
  const expected = await outcomeOf(call, stock, script);
  expect(await outcomeOf(call, lean, script)).toEqual(expected);
}

const job = {
  ...{ id: "123", queue: "q", type: "t", priority: 3, metadata: { a: "\u00e9", "": "x".repeat(200) } },
  payloadKind: { case: "payloadBytes" as const, value: Uint8Array.of(0, 255) },
  createdAt: { seconds: 1_780_000_000n, nanos: 5_000_000 },
};
const GOOD = toBinary(GetJobResponseSchema, create(GetJobResponseSchema, { job }));

const detail = (type: string, value: Uint8Array) => ({
  type,
  value: Buffer.from(value).toString("base64").replace(/=+$/, ""),
});
const ERROR = {
  code: "failed_precondition",
  message: "not \u00e9 now",
  details: [
    detail(
      "google.rpc.ErrorInfo",
      toBinary(
        ErrorInfoSchema,
        create(ErrorInfoSchema, { reason: "JOB_STATE_CONFLICT", domain: "gotaskq", metadata: { a: "b" } }),
      ),
    ),
    detail(
      "google.rpc.BadRequest",
      toBinary(
        BadRequestSchema,
        create(BadRequestSchema, { fieldViolations: [{ field: "max_retries", description: "is" }] }),
      ),
    ),
  ],
};
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

const errorBody = fc.constantFrom(
  json(ERROR),
  ...[{}, [], "x", { code: "nonsense" }, { code: "aborted" }, { message: 1 }, { code: "not_found", details: [1] }].map(
    json,
  ),
  ...[json({ ...ERROR, details: [{ type: "x", value: "%" }] }), Buffer.from("{"), Buffer.of()],
);

const contentType = (usual: string) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(usual) },
    fc.constantFrom("application/json", "application/json; charset=utf-8", "Application/Proto", "application/proto"),
    fc.constantFrom("application/connect+proto", "application/grpc", "text/html", undefined),
  );

const status = fc.oneof({ weight: 3, arbitrary: fc.constant(200) }, fc.constantFrom(400, 401, 404, 429, 500, 503, 599));

const encoding = (name: string) =>
  fc.oneof({ weight: 8, arbitrary: fc.constant({}) }, fc.constantFrom({ [name]: "gzip" }, { [name]: "Identity" }));

const others = fc.constantFrom<OutgoingHttpHeaders>(
  {},
  { "x-a": "1", "trailer-x-b": "2", "set-cookie": ["a=b", "c=d"] },
);

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM, NGHTTP2_ENHANCE_YOUR_CALM } = constants;

const ending = fc.oneof(
  { weight: 5, arbitrary: fc.constant("end" as const) },
  fc.constantFrom(NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_REFUSED_STREAM, NGHTTP2_ENHANCE_YOUR_CALM),
  fc.constantFrom("cut" as const, "goaway" as const, "refused" as const),
);

/** The bytes, cut at random. */
function pieces(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
}

const cuts = fc.array(fc.nat(), { maxLength: 4 });

const unaryScript: fc.Arbitrary<Script> = fc
  .record({
    status,
    type: contentType("application/proto"),
    encoding: encoding("content-encoding"),
    others,
    body: fc.oneof(
      { weight: 3, arbitrary: fc.constant(GOOD) },
      { weight: 2, arbitrary: errorBody },
      fc.constantFrom(GOOD.subarray(0, 20), gzipSync(GOOD), Buffer.concat([GOOD, GOOD])),
      fc.uint8Array({ maxLength: 20 }),
    ),
    isAnswered: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
    wrongLength: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, fc.constantFrom(0, 1, "x")),
    ending,
    cuts,
  })
  .filter(({ isAnswered, ending: how }) => isAnswered || how !== "end")
  .map(({ status: code, type, encoding: encoded, others: more, body, isAnswered, ending: how, cuts: at }) => ({
    head: isAnswered ? { ":status": code, ...(type && { "content-type": type }), ...encoded, ...more } : undefined,
    pieces: isAnswered ? pieces(body, at) : [],
    ending: how,
  }));

function envelope(flags: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(data.byteLength, 1);
  return Buffer.concat([head, data]);
}

const message = envelope(
  0,
  toBinary(WatchJobResponseSchema, create(WatchJobResponseSchema, { event: { case: "job", value: job } })),
);
const large = envelope(
  0,
  toBinary(
    WatchJobResponseSchema,
    create(WatchJobResponseSchema, { event: { case: "job", value: { ...job, error: "x".repeat(100_000) } } }),
  ),
);
const endOf = (value: unknown) => envelope(2, json(value));

const streamScript: fc.Arbitrary<Script> = fc
  .record({
    status,
    type: contentType("application/connect+proto"),
    encoding: encoding("connect-content-encoding"),
    others,
    messages: fc.array(
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom(message, large) },
        fc.constantFrom(
          envelope(1, message),
          envelope(0, Buffer.of()),
          envelope(0, Buffer.of(8)),
          envelope(4, Buffer.of()),
        ),
        fc.constantFrom(endOf({}), endOf({ error: ERROR }), Buffer.of(0, 0), Buffer.of(0, 0, 1, 0, 0, 10)),
      ),
      { maxLength: 5 },
    ),
    end: fc.oneof(
      { weight: 4, arbitrary: fc.constant(endOf({})) },
      fc.constantFrom(
        endOf({ error: ERROR, metadata: { "x-c": ["1", "2"] } }),
        endOf({ metadata: { a: 1 } }),
        endOf([]),
      ),
      fc.constantFrom(Buffer.of(), envelope(2, Buffer.from("{")), Buffer.concat([endOf({}), message])),
    ),
    ending,
    cuts,
  })
  .map(({ status: code, type, encoding: encoded, others: more, messages, end, ending: how, cuts: at }) => ({
    head: { ":status": code, ...(type && { "content-type": type }), ...encoded, ...more },
    pieces: pieces(Buffer.concat([...messages, end]), at),
    ending: how,
  }));

describe("what comes of a call is the same over the lean transport and over Connect's own", () => {
  test("with one response", async () => {
    await fc.assert(
      fc.asyncProperty(unaryScript, (script) => compare(getJob, script)),
      { numRuns: RUNS },
    );
  });

  test("with many", async () => {
    await fc.assert(
      fc.asyncProperty(streamScript, (script) => compare(watchJob, script)),
      { numRuns: RUNS },
    );
  });
});
