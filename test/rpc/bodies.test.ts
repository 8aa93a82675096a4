import { Agent, request as httpRequest, type OutgoingHttpHeaders } from "node:http";
import { connect as http2Connect } from "node:http2";
import type { Writable } from "node:stream";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import { errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { afterEach, describe, expect, test } from "vitest";
import { Health, type HealthCheckRequest } from "../../gen/health/v1/health_pb.js";
import { silentLogger } from "../../src/model/log/logger.js";
import { createServiceHandler } from "../../src/rpc/http-handler.js";
import { spec } from "../../src/rpc/services/services.js";
import { createListener } from "../../src/server/http/listener.js";
import { toRefusal } from "../support/rpc.js";
import { within } from "../support/wait.js";

/** Bytes of a message, and of all bodies under way. */
const LIMIT = 20_000;
const ALL = 50_000;

/** Short enough for a test that waits for it, ms. */
const SHORT_MS = 200;

const PATH = "/grpc.health.v1.Health/Check";
const HEADERS = { "content-type": "application/json" };
const BODY = '{"service":""}';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server whose one method says that all is well. */
async function serve(requestTimeoutMs: number): Promise<string> {
  const impl = { check: (_request: HealthCheckRequest, _context: HandlerContext) => ({ status: 1 }) };
  const handler = createServiceHandler([spec(Health, impl)], {
    ...{ logger: silentLogger, observer: { rpcEnded() {}, itemsRefused() {}, streams() {} }, maxStreams: 10 },
    ...{ readMaxBytes: LIMIT, maxBodyBytes: ALL, requestTimeoutMs },
    otherwise: (_request, response) => void response.end(),
  });
  const listener = createListener(handler, { requestTimeoutMs: 60_000 });
  closing.push(() => listener.close());
  const { port } = await listener.listen(0, "127.0.0.1");
  return `http://127.0.0.1:${port}`;
}

/** A request whose body is written by the test. */
interface Begun {
  readonly body: Writable;
  /** Resolves when its headers and first bytes are sent. */
  readonly sent: Promise<void>;
  /** Resolves to the answer: the name of the error, or OK. */
  readonly answer: () => Promise<unknown>;
  /** Resolves when the server has ended what carried the request: the stream, or the connection of HTTP/1.1. */
  readonly over: () => Promise<void>;
}

type Begin = (url: string, part: Uint8Array | string, headers?: OutgoingHttpHeaders) => Begun;

function outcome(status: number, body: Buffer): unknown {
  if (status === 200) return "OK";
  const { code, reason, retryMs } = toRefusal(errorFromJsonBytes(body, undefined, new ConnectError(String(body))));
  return { code, reason, retryMs };
}

const begin1: Begin = (url, part, headers) => {
  const { hostname, port } = new URL(url);
  // One that keeps its connections: others ask the server to close them.
  const agent = new Agent({ keepAlive: true });
  closing.push(() => agent.destroy());
  const request = httpRequest({
    hostname,
    port,
    path: PATH,
    method: "POST",
    headers: { ...HEADERS, ...headers },
    agent,
  });
  closing.push(() => request.destroy());
  request.on("error", () => {});
  const answer = new Promise<unknown>((resolve) => {
    request.on("response", (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => resolve(outcome(response.statusCode ?? 0, Buffer.concat(parts))));
    });
  });
  const over = new Promise<void>((resolve) => {
    request.on("socket", (socket) => socket.on("close", () => resolve()));
  });
  const sent = new Promise<void>((resolve) => void request.write(part, () => resolve()));
  return {
    body: request,
    sent,
    answer: () => within(answer, "an answer"),
    over: () => within(over, "the end of a connection"),
  };
};

const begin2: Begin = (url, part, headers) => {
  const session = http2Connect(url);
  session.on("error", () => {});
  closing.push(() => session.destroy());
  const stream = session.request({ ":path": PATH, ":method": "POST", ...HEADERS, ...headers });
  stream.on("error", () => {});
  let status = 0;
  const parts: Buffer[] = [];
  stream.on("response", (head) => {
    status = Number(head[":status"]);
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  const answer = new Promise<unknown>((resolve) => {
    stream.on("end", () => status > 0 && resolve(outcome(status, Buffer.concat(parts))));
  });
  const over = new Promise<void>((resolve) => stream.on("close", () => resolve()));
  const sent = new Promise<void>((resolve) => void stream.write(part, () => resolve()));
  return {
    body: stream,
    sent,
    answer: () => within(answer, "an answer"),
    over: () => within(over, "the end of a stream"),
  };
};

/** Over HTTP/2, but by the interface that resembles node:http. */
const beginExpecting: Begin = (url, part, headers) => begin2(url, part, { ...headers, expect: "100-continue" });

const LATE = { code: "DEADLINE_EXCEEDED", reason: undefined, retryMs: undefined };
const TOO_LARGE = { code: "RESOURCE_EXHAUSTED", reason: "MESSAGE_TOO_LARGE", retryMs: undefined };
const CROWDED = { code: "RESOURCE_EXHAUSTED", reason: "TOO_MANY_STREAMS", retryMs: 1000 };

describe.each<[string, Begin]>([
  ["HTTP/1.1", begin1],
  ["HTTP/2", begin2],
  ["HTTP/2, with Expect", beginExpecting],
])("over %s", (_version, begin) => {
  /** Checks that as many bodies as all may have bytes are read, so that no others are counted. */
  async function expectRoom(url: string): Promise<void> {
    const two = [begin(url, " ".repeat(LIMIT - 100)), begin(url, " ".repeat(LIMIT - 100))];
    await Promise.all(two.map(({ sent }) => sent));
    for (const { body } of two) body.end(BODY);
    expect(await Promise.all(two.map(({ answer }) => answer()))).toEqual(["OK", "OK"]);
  }

  test("a body that does not end in time is refused, and what carries it is ended", async () => {
    const url = await serve(SHORT_MS);
    const late = begin(url, " ".repeat(LIMIT));
    expect(await late.answer()).toEqual(LATE);
    await late.over();
    await expectRoom(url);
  });

  test("a body that is too large is refused at once, and ended when its end does not come in time", async () => {
    const url = await serve(SHORT_MS);
    const large = begin(url, " ".repeat(LIMIT + 100));
    expect(await large.answer()).toEqual(TOO_LARGE);
    await large.over();
    await expectRoom(url);
  });

  test.each<[string, OutgoingHttpHeaders, string]>([
    ["deadline is none", { "connect-timeout-ms": "soon" }, "INVALID_ARGUMENT"],
    ["deadline has passed", { "connect-timeout-ms": "0" }, "DEADLINE_EXCEEDED"],
    ["compression is unknown", { "content-encoding": "br" }, "UNIMPLEMENTED"],
  ])("a request whose %s is refused at once, and ended when its end does not come in time", async (_what, h, code) => {
    const refused = begin(await serve(SHORT_MS), "{", h);
    expect(await refused.answer()).toMatchObject({ code });
    await refused.over();
  });

  test("of too many bytes under way one body is refused, to come again, and the others are served", async () => {
    const url = await serve(60_000);
    const bodies = Array.from({ length: 3 }, () => begin(url, " ".repeat(LIMIT - 100)));
    const given = bodies.map(async (body) => ({ body, answer: await body.answer() }));
    const refused = await Promise.race(given);
    expect(refused.answer).toEqual(CROWDED);
    await refused.body.over();
    const others = bodies.filter((body) => body !== refused.body);
    for (const { body } of others) body.end(BODY);
    expect(await Promise.all(others.map(({ answer }) => answer()))).toEqual(["OK", "OK"]);
    await expectRoom(url);
  });
});
