import { create, type DescMethod, toBinary } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DlqService } from "../../gen/gotaskq/v1/dlq_service_pb.js";
import { CreateJobRequestSchema, JobService } from "../../gen/gotaskq/v1/job_service_pb.js";
import { QueueService } from "../../gen/gotaskq/v1/queue_service_pb.js";
import { ScheduleService } from "../../gen/gotaskq/v1/schedule_service_pb.js";
import { ServerService } from "../../gen/gotaskq/v1/server_service_pb.js";
import { WorkerService } from "../../gen/gotaskq/v1/worker_service_pb.js";
import { Health } from "../../gen/health/v1/health_pb.js";
import { recordingLogger } from "../support/logger.js";
import { PROTOCOLS, type Protocol } from "../support/protocols.js";
import { codeName, created, finished, payload } from "../support/rpc.js";
import { runs } from "../support/runs.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { CONNECT_JSON } from "../support/transports.js";
import { type Answer, http1, http2, poke } from "../support/wire.js";

const SERVICES = [JobService, QueueService, DlqService, ScheduleService, WorkerService, ServerService, Health];
const METHODS: readonly DescMethod[] = SERVICES.flatMap(({ methods }) => methods);
const RUNS = { numRuns: runs(75) };

/** The codes that a client may get that sends anything at all. */
const FAIR_CODES = new Set([
  ...["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "OUT_OF_RANGE", "RESOURCE_EXHAUSTED"],
  ...["UNIMPLEMENTED", "DEADLINE_EXCEEDED"],
]);

/** What the protocols want INTERNAL said of: a frame is compressed, and nothing says how. */
const UNKNOWN_COMPRESSION = /^received compressed envelope, |a compressed message, and no encoding that says how$/;

const logger = recordingLogger();
const faults: unknown[] = [];
const onFault = (error: unknown) => void faults.push(error);

let server: TestServer;

beforeAll(async () => {
  process.on("uncaughtException", onFault);
  process.on("unhandledRejection", onFault);
  server = await startTestServer({}, { logger });
});

afterAll(() => {
  process.off("uncaughtException", onFault);
  process.off("unhandledRejection", onFault);
});

beforeEach(() => async () => {
  // Fuzzing may have paused this queue.
  await server.queues.resumeQueue({ name: "default" });
  const paths = ["settings.max_concurrency", "settings.max_depth"];
  await server.queues.updateQueue({ queue: { name: "default" }, updateMask: { paths } });
  for (const clients of [server, server.connect(CONNECT_JSON)]) {
    expect(await finished(clients, await created(clients, { type: "echo" }))).toMatchObject({ deliveries: 1 });
  }
  expect(faults).toEqual([]);
  expect(logger.lines.filter(({ level }) => level === "error")).toEqual([]);
});

/** Checks what holds for every answer: it came, and reveals nothing internal. */
function expectClean({ status, body, headers, trailers }: Answer): void {
  expect(status).toBeGreaterThanOrEqual(200);
  // What Connect says of an encoding that it does not know, and of a deadline that passed.
  if (status !== 501 && status !== 504) expect(status).toBeLessThan(500);
  const text = `${body}${JSON.stringify(headers)}${JSON.stringify(trailers)}`;
  for (const trace of ["    at ", "node_modules", ".ts:", ".js:"]) expect(text).not.toContain(trace);
}

/** Sends a body to a method and checks the answer. A stream is ended by its deadline. */
async function call(protocol: Protocol, method: DescMethod, body: Uint8Array): Promise<void> {
  const headers = { "content-type": protocol.contentType, "grpc-timeout": "20m", "connect-timeout-ms": "20" };
  const path = `/${method.parent.typeName}/${method.name}`;
  const answer = await protocol.send(server.url, { path, headers, body });
  expectClean(answer);
  const error = protocol.errorOf(answer);
  if (error === undefined || UNKNOWN_COMPRESSION.test(error.rawMessage)) return;
  expect(FAIR_CODES, error.message).toContain(codeName(error.code));
}

const fitting = METHODS.flatMap((method) =>
  PROTOCOLS.filter((protocol) => (method.methodKind === "unary" ? protocol.unary : protocol.streams)).map(
    (protocol) => ({ method, protocol, toString: () => `${method.name} over ${protocol.name}` }),
  ),
);
const anyCall = fc.constantFrom(...fitting);
const jsonCall = fc.constantFrom(...fitting.filter(({ protocol }) => protocol.isJson));
const binaryCall = fc.constantFrom(...fitting.filter(({ protocol }) => !protocol.isJson));

/** Values just inside or just outside of what some field accepts. */
const strange = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    ...[
      "",
      "0",
      "-1",
      "default",
      "1e400",
      "-0.5s",
      "315576000001s",
      "9999-12-31T23:59:59.999999999Z",
      "NaN",
      "__proto__",
    ],
    ...[0, -1, 0.5, 2 ** 31, 2 ** 53, -(2 ** 63), true, null, [], {}, [[]], [null], [{}], { __proto__x: 1 }],
    ...["JOB_STATUS_DONE", "JOB_STATUS_UNSPECIFIED", "a".repeat(2000), "\u0000", "\ud83d\ude00", "\uffff", "AAAA=="],
  ),
);

/** A message of a method with its real field names and strange values. */
const nearlyRight = jsonCall.chain(({ method, protocol }) => {
  const names = method.input.fields.flatMap(({ name, jsonName }) => [name, jsonName]);
  const key = names.length === 0 ? fc.string() : fc.oneof(fc.constantFrom(...names), fc.constant("unknown"));
  return fc.tuple(fc.constant({ method, protocol }), fc.dictionary(key, strange, { maxKeys: 4 }));
});

const VALID = toBinary(
  CreateJobRequestSchema,
  create(CreateJobRequestSchema, {
    queue: "default",
    type: "unknown-to-all",
    payloadKind: payload({ a: [1, "two", null, { b: true }] }),
    priority: 3,
    schedule: { case: "runAfter", value: timestampFromMs(1) },
    maxRetries: 2,
    backoff: { baseDelay: durationFromMs(1) },
    timeout: durationFromMs(1),
    metadata: { a: "b" },
    requestId: "r",
  }),
);

/** Bytes with some of them cut off, changed or inserted. */
function mutated(bytes: Uint8Array): fc.Arbitrary<Buffer> {
  const at = fc.nat(Math.max(0, bytes.length - 1));
  return fc.oneof(
    at.map((end) => Buffer.from(bytes.subarray(0, end))),
    fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 4 }).map((changes) => {
      const copy = Buffer.from(bytes);
      for (const [index, value] of changes) copy[index] = value;
      return copy;
    }),
    fc
      .tuple(at, fc.uint8Array({ maxLength: 8 }))
      .map(([index, more]) => Buffer.concat([bytes.subarray(0, index), more, bytes.subarray(index)])),
  );
}

describe("a client gets a fair answer", () => {
  test("to random JSON", () =>
    fc.assert(
      fc.asyncProperty(jsonCall, fc.json({ maxDepth: 5 }), async ({ method, protocol }, json) => {
        await call(protocol, method, protocol.frame(json));
      }),
      RUNS,
    ));

  test("to messages with strange values in real fields", () =>
    fc.assert(
      fc.asyncProperty(nearlyRight, async ([{ method, protocol }, message]) => {
        await call(protocol, method, protocol.frame(JSON.stringify(message)));
      }),
      { numRuns: runs(150) },
    ));

  test("to random bytes in a frame", () =>
    fc.assert(
      fc.asyncProperty(anyCall, fc.uint8Array({ maxLength: 200 }), async ({ method, protocol }, bytes) => {
        await call(protocol, method, protocol.frame(bytes));
      }),
      RUNS,
    ));

  test("to random bytes instead of a frame", () =>
    fc.assert(
      fc.asyncProperty(anyCall, fc.uint8Array({ maxLength: 50 }), async ({ method, protocol }, bytes) => {
        await call(protocol, method, bytes);
      }),
      RUNS,
    ));

  test("to valid messages that were damaged", () =>
    fc.assert(
      fc.asyncProperty(binaryCall, mutated(VALID), async ({ method, protocol }, bytes) => {
        await call(protocol, method, protocol.frame(bytes));
      }),
      RUNS,
    ));

  test("to valid frames that were damaged", () =>
    fc.assert(
      fc.asyncProperty(
        binaryCall.chain((chosen) => fc.tuple(fc.constant(chosen), mutated(chosen.protocol.frame(VALID)))),
        async ([{ method, protocol }, bytes]) => {
          await call(protocol, method, bytes);
        },
      ),
      RUNS,
    ));
});

describe("a client gets an answer to", () => {
  const path = fc.oneof(
    fc.constantFrom(...METHODS.map(({ parent, name }) => `/${parent.typeName}/${name}`)),
    fc.constantFrom("/", "/metrics", "/healthz", "//", "/gotaskq.v1.JobService/", "/gotaskq.v1.JobService/X", "/%00"),
    fc.webPath(),
  );
  const httpMethod = fc.constantFrom("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST", "PROPFIND");
  const type = fc.oneof(
    fc.constantFrom(
      "",
      "text/plain",
      "application/grpc-web-text",
      "application/grpc+xml",
      "application/json;charset=x",
    ),
    fc.constantFrom(...PROTOCOLS.map(({ contentType }) => contentType)),
    fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) }),
  );
  const query = fc.oneof(
    fc.constant(""),
    fc.webQueryParameters().map((text) => `?${text}`),
  );

  test.each([
    ["HTTP/1.1", http1],
    ["HTTP/2", http2],
  ] as const)("any method, path and content type over %s", (_version, send) =>
    fc.assert(
      fc.asyncProperty(httpMethod, path, query, type, async (method, path, query, type) => {
        const headers = { "content-type": type.trim(), "grpc-timeout": "20m", "connect-timeout-ms": "20" };
        expectClean(await send(server.url, { method, path: `${path || "/"}${query}`, headers }));
      }),
      RUNS,
    ),
  );

  test("any GET of a method that takes it", () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom("GetJob", "ListJobs", "CreateJob", "WatchJob"),
        fc.record({
          connect: fc.constantFrom("v1", "v2", ""),
          encoding: fc.constantFrom("json", "proto", "xml", ""),
          base64: fc.constantFrom("1", "0", ""),
          compression: fc.constantFrom("gzip", "br", ""),
          message: fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.base64String()),
        }),
        async (name, params) => {
          const query = new URLSearchParams(params);
          expectClean(await http1(server.url, { method: "GET", path: `/gotaskq.v1.JobService/${name}?${query}` }));
        },
      ),
      RUNS,
    ));

  test.each([
    ["HTTP/1.1", http1, "application/json"],
    ["HTTP/2", http2, "application/grpc"],
  ] as const)("headers that are huge, strange or many over %s", async (_version, send, contentType) => {
    const odd = { "content-type": `${contentType}\x80\xff`, cookie: "\xff", "grpc-encoding": "\xe9" };
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`x-${index}`, "y"]));
    for (const headers of [{ "x-large": "x".repeat(8000) }, odd, many, { "connect-timeout-ms": "9".repeat(400) }]) {
      const path = "/gotaskq.v1.JobService/GetJob";
      expectClean(await send(server.url, { path, headers: { "content-type": contentType, ...headers }, body: "{}" }));
    }
  });

  test("a header that is too large, which refuses it as such", async () => {
    const path = "/gotaskq.v1.JobService/GetJob";
    const { status } = await http1(server.url, { path, headers: { "x-large": "x".repeat(1_000_000) } });
    expect(status).toBe(431);
  });
});

describe("whatever comes over a bare connection, others are served", () => {
  const request = Buffer.from(
    "POST /gotaskq.v1.JobService/GetJob HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
  );
  const settings = Buffer.from("000000040000000000", "hex");
  const headers = Buffer.from("00000a010500000001838684418a0f", "hex");
  const session = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settings, headers]);

  test.each([
    ["random bytes", fc.uint8Array({ maxLength: 500 })],
    ["damaged requests", mutated(request)],
    ["damaged HTTP/2", mutated(session)],
    ["random HTTP/2 frames", fc.uint8Array({ maxLength: 200 }).map((more) => Buffer.concat([session, more]))],
  ])("%s", (_what, bytes) =>
    fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const others = () => http1(server.url, { method: "GET", path: "/healthz" });
        expect(String(await poke(server.port, sent, others))).not.toMatch(/ {4}at |node_modules|\.[tj]s:/);
      }),
      { numRuns: runs(25) },
    ),
  );
});
