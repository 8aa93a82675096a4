import { Code, ConnectError } from "@connectrpc/connect";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { RequestInfoSchema } from "../../gen/google/rpc/error_details_pb.js";
import { RequestIds } from "../../src/rpc/request-ids.js";
import { recordingLogger } from "../support/logger.js";
import { PROTOCOLS } from "../support/protocols.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { TRANSPORTS } from "../support/transports.js";
import { eventually } from "../support/wait.js";
import { envelope, http1, http2, type RawRequest } from "../support/wire.js";

const REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const ORIGIN = "https://pages.example";
const logger = recordingLogger();
let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0", CORS_ORIGINS: ORIGIN }, { logger });
});

describe("an id of a request", () => {
  test.each(["a", "4bf92f3577b34da6a3ce929d0e0e4736", "web-1:7/Ab.c_d=+@", "x".repeat(128)])("may be %s", (id) => {
    expect(new RequestIds().of({ "x-request-id": id })).toBe(id);
  });

  test.each(["", " ", "two words", "two, values", 'quo"te', "line\nbreak", "\u001b[31m", "é", "x".repeat(129), "<b>"])(
    "is replaced when it is %j",
    (id) => {
      expect(new RequestIds("mine").of({ "x-request-id": id })).toBe("mine-1");
    },
  );

  test("that a server makes is its own, short, and one that it would take", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), (count) => {
        const [one, other] = [new RequestIds(), new RequestIds()];
        const ids = [one, other].flatMap((each) => Array.from({ length: count }, () => each.of({})));
        expect(new Set(ids).size).toBe(2 * count);
        for (const id of ids) expect([one.of({ "x-request-id": id }), id.length < 24]).toEqual([id, true]);
      }),
    );
  });
});

/** Requests that are answered in as many places. */
const REQUESTS: readonly (readonly [string, RawRequest])[] = [
  ["a page", { method: "GET", path: "/healthz" }],
  ["the console", { method: "GET", path: "/" }],
  ["the metrics", { method: "GET", path: "/metrics" }],
  ["no page", { method: "GET", path: "/nothing" }],
  [
    "a preflight",
    { method: "OPTIONS", path: "/x", headers: { origin: ORIGIN, "access-control-request-method": "POST" } },
  ],
  ["a call of a page", { path: "/gotaskq.v1.ServerService/GetServerInfo", headers: { origin: ORIGIN } }],
  ["a refused method of HTTP", { method: "PUT", path: "/gotaskq.v1.JobService/GetJob" }],
  ["no method", { path: "/gotaskq.v1.JobService/Nothing" }],
  ["a type of content that is none", { path: "/gotaskq.v1.JobService/GetJob", headers: { "content-type": "text/x" } }],
  ["a call", { path: "/gotaskq.v1.ServerService/GetServerInfo" }],
  ["a bad call", { path: "/gotaskq.v1.JobService/GetJob" }],
  ["a GET that is none", { method: "GET", path: "/gotaskq.v1.JobService/GetJob?encoding=json&base64=1&message=%25" }],
  ["a stream of connect", { path: REFLECTION, headers: { "content-type": "application/connect+json" } }],
];

describe.each([
  ["HTTP/1.1", http1],
  ["HTTP/2", http2],
])("over %s", (_name, send) => {
  test.each(REQUESTS)(
    "%s is answered with the id of its request, given or made",
    async (_what, { headers = {}, ...request }) => {
      const type = { "content-type": "application/json" };
      const body = request.method === undefined ? "{}" : undefined;
      const ask = (id: Record<string, string>) =>
        send(server.url, { ...request, ...(body && { body }), headers: { ...(body && type), ...headers, ...id } });
      expect((await ask({ "x-request-id": "mine-7" })).headers["x-request-id"]).toBe("mine-7");
      const made = [await ask({}), await ask({ "x-request-id": "not good" })].map(
        (each) => each.headers["x-request-id"],
      );
      expect(made).toEqual([
        expect.stringMatching(/^[a-z0-9]+-[a-z0-9]+$/),
        expect.stringMatching(/^[a-z0-9]+-[a-z0-9]+$/),
      ]);
      expect(made[0]).not.toBe(made[1]);
    },
  );

  test("pages may send the id and read it", async () => {
    const headers = { origin: ORIGIN, "access-control-request-method": "POST" };
    const preflight = await send(server.url, { method: "OPTIONS", path: "/x", headers });
    expect(preflight.headers["access-control-allow-headers"]).toContain("X-Request-Id");
    const answer = await send(server.url, { method: "GET", path: "/healthz", headers: { origin: ORIGIN } });
    expect(answer.headers["access-control-expose-headers"]).toContain("X-Request-Id");
  });
});

describe.each(TRANSPORTS)("over $name", (kind) => {
  test("an error says the id of its request, which is that of its answer and of its line in the log", async () => {
    const { jobs } = server.connect(kind);
    for (const call of [
      (headers: Record<string, string>) => jobs.getJob({ id: "" }, { headers }),
      async (headers: Record<string, string>) => {
        for await (const _each of jobs.watchJob({ id: "" }, { headers }));
      },
    ]) {
      const error = ConnectError.from(await call({ "x-request-id": "mine-8" }).catch((each) => each));
      expect(error.code).toBe(Code.InvalidArgument);
      expect(error.findDetails(RequestInfoSchema).map(({ requestId }) => requestId)).toEqual(["mine-8"]);
      const made = ConnectError.from(await call({}).catch((each) => each));
      const [{ requestId } = { requestId: "" }] = made.findDetails(RequestInfoSchema);
      const line = await eventually(
        async () => logger.lines.find(({ fields }) => fields.request_id === requestId),
        "the line of a call",
      );
      expect(line).toMatchObject({
        level: "debug",
        message: "an RPC ended",
        fields: { code: "invalid_argument", reason: "FIELD_INVALID", remote: expect.stringContaining("127.0.0.1") },
      });
    }
  });
});

test.each(PROTOCOLS.filter(({ unary }) => unary))("a call over $name has one line at debug", async (protocol) => {
  const id = `line-${protocol.name.replace(/\W/g, "-")}`;
  await protocol.send(server.url, {
    path: "/gotaskq.v1.JobService/CountJobs",
    headers: { "content-type": protocol.contentType, "x-request-id": id },
    body: protocol.frame(protocol.isJson ? "{}" : Buffer.alloc(0)),
  });
  const lines = logger.lines.filter(({ fields }) => fields.request_id === id);
  expect(lines).toEqual([
    {
      level: "debug",
      message: "an RPC ended",
      fields: {
        method: "gotaskq.v1.JobService/CountJobs",
        request_id: id,
        protocol: expect.stringMatching(/^(connect|grpc|grpc-web)$/),
        remote: expect.stringContaining("127.0.0.1"),
        code: "ok",
        duration_ms: expect.any(Number),
      },
    },
  ]);
});

test.each(["fast", "connect"])("the line of a call on the %s path says its trace", async (way) => {
  const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const isFast = way === "fast";
  const headers = {
    ...{ "content-type": isFast ? "application/json" : "application/connect+json", "x-request-id": `traced-${way}` },
    traceparent: `00-${trace}-00f067aa0ba902b7-01`,
  };
  const path = isFast ? "/gotaskq.v1.JobService/CountJobs" : REFLECTION;
  await http2(server.url, { path, headers, body: isFast ? "{}" : envelope('{"listServices":""}') });
  const lines = logger.lines.filter(({ fields }) => fields.request_id === `traced-${way}`);
  expect(lines).toMatchObject([{ message: "an RPC ended", fields: { trace_id: trace } }]);
});

test("a fault is logged with the id of its request", async () => {
  const broken = await startTestServer({}, { logger });
  const fail = async () => {
    throw new Error("the cause");
  };
  Object.assign(broken.engine.backend, { get: fail });
  await broken.jobs.getJob({ id: "1" }, { headers: { "x-request-id": "mine-9" } }).catch(() => {});
  expect(logger.lines.filter(({ fields }) => fields.request_id === "mine-9" && "err" in fields)).toMatchObject([
    { level: "error", message: "an RPC failed with an unexpected error", fields: { protocol: "grpc" } },
  ]);
});
