import { createHash } from "node:crypto";
import { connect as http2Connect } from "node:http2";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { created, finished, reading } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { CONNECT_JSON, GRPC } from "../support/transports.js";
import { within } from "../support/wait.js";
import { envelope, http1, http2, open, talk } from "../support/wire.js";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const BODY = '{"type":"nobody-runs-this"}';
const REQUEST = [
  "POST /gotaskq.v1.JobService/CreateJob HTTP/1.1",
  "host: localhost",
  "content-type: application/json",
  `content-length: ${BODY.length}`,
  "connection: close",
  "",
  BODY,
].join("\r\n");

/** Bytes of no protocol, the same in every run. */
const NOISE = Buffer.alloc(4096, createHash("sha512").update("noise").digest());

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

/** A connection that sends each byte separately. */
function slowly(socket: Socket): Duplex {
  const slow = new Duplex({
    read: () => void socket.resume(),
    write(chunk: Buffer, _encoding, done) {
      const next = (at: number) => {
        if (at === chunk.length) done();
        // The turn of the event loop lets the server read one byte before the next is sent.
        else socket.write(chunk.subarray(at, at + 1), () => setImmediate(next, at + 1));
      };
      next(0);
    },
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  socket.on("data", (chunk) => {
    if (!slow.push(chunk)) socket.pause();
  });
  socket.on("end", () => slow.push(null));
  return slow;
}

describe("one port", () => {
  test("answers calls that are sent ahead on one connection, in order", async () => {
    const types = Array.from({ length: 20 }, (_, index) => `pipelined-${index}`);
    const requests = types.map((type, index) => {
      const body = JSON.stringify({ type });
      const isLast = index === types.length - 1;
      return REQUEST.replace(BODY, body)
        .replace(`content-length: ${BODY.length}`, `content-length: ${body.length}`)
        .replace("connection: close", `connection: ${isLast ? "close" : "keep-alive"}`);
    });
    const answer = String(await talk(server.port, requests.join("")));
    expect([...answer.matchAll(/"type":"([^"]+)"/g)].map(([, type]) => type)).toEqual(types);
    expect(answer.match(/HTTP\/1.1 200 OK/g)).toHaveLength(types.length);
  });

  test("serves HTTP/1.1 and HTTP/2 side by side", async () => {
    const page = { method: "GET", path: "/healthz" };
    const answers = await Promise.all([http1(server.url, page), http2(server.url, page), http1(server.url, page)]);
    expect(answers.map(({ status, body }) => [status, String(body)])).toEqual(
      answers.map(() => [200, '{"status":"SERVING"}']),
    );
    const both = [server.connect(GRPC), server.connect(CONNECT_JSON)];
    const ids = await Promise.all(both.map((clients) => created(clients, { type: "echo" })));
    for (const id of ids) expect((await finished(server, id)).deliveries).toBe(1);
  });

  test("knows HTTP/2 when its first bytes come one by one", async () => {
    const socket = await open(server.port);
    const session = http2Connect(server.url, { createConnection: () => slowly(socket) });
    const stream = session.request({ ":path": "/healthz" });
    const status = new Promise<unknown>((resolve, reject) => {
      stream.on("response", (headers) => resolve(headers[":status"]));
      stream.on("error", reject);
      session.on("error", reject);
    });
    expect(await within(status, "the answer over HTTP/2")).toBe(200);
    session.destroy();
  });

  test("knows HTTP/1.1 when its first bytes come one by one", async () => {
    const socket = await open(server.port);
    const slow = slowly(socket);
    slow.end(REQUEST);
    const chunks = await reading<Buffer>(slow).rest();
    expect(String(Buffer.concat(chunks))).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"nobody-runs-this"/s);
  });

  test("answers an HTTP/1.1 client that closed its half after the request", async () => {
    expect(String(await talk(server.port, REQUEST))).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"nobody-runs-this"/s);
  });

  test("answers such a client when that takes several turns of the event loop, too", async () => {
    const body = JSON.stringify({ type: "nobody-runs-this", payload: "x".repeat(100_000) });
    const request = REQUEST.replace(BODY, body).replace(
      `content-length: ${BODY.length}`,
      `content-length: ${body.length}`,
    );
    expect(String(await talk(server.port, request))).toMatch(/^HTTP\/1\.1 200 OK\r\n.*"nobody-runs-this"/s);
  });

  test.each([
    ["a long poll", "WorkerService/LeaseJobs", "application/json", Buffer.from('{"types":["none"],"wait":"60s"}')],
    ["a stream", "JobService/WatchJobs", "application/connect+json", envelope("{}")],
  ])("ends %s whose HTTP/1.1 client closed its half: that client has left", async (_what, method, type, body) => {
    const head = `POST /gotaskq.v1.${method} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n`;
    const request = Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]);
    // Resolves when the server has closed the connection.
    expect(String(await talk(server.port, request))).not.toContain("error");
  });

  test("answers requests that are sent ahead on one connection, in order", async () => {
    const page = (path: string, connection: string) =>
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: ${connection}\r\n\r\n`;
    const text = String(await talk(server.port, page("/healthz", "keep-alive") + page("/nothing", "close")));
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 404"]);
  });
});

describe("a client that breaks the protocol", () => {
  afterEach(async () => {
    const id = await created(server, { type: "echo" });
    expect((await finished(server, id)).deliveries).toBe(1);
    expect((await http1(server.url, { method: "GET", path: "/healthz" })).status).toBe(200);
  });

  test.each<[string, Uint8Array | string]>([
    ["random bytes", NOISE],
    ["zeros", Buffer.alloc(64)],
    ["one letter", "x"],
    ["a TLS greeting", Buffer.from("16030100a5010000a10303", "hex")],
    ["a text that is no request", "hello?\r\n\r\n"],
    ["a request without a host", "POST /gotaskq.v1.JobService/GetJob HTTP/1.1\r\ncontent-length: 0\r\n\r\n"],
    ["a host that is none", "GET /gotaskq.v1.JobService/GetJob HTTP/1.1\r\nhost: a b:c\r\nconnection: close\r\n\r\n"],
    ["a body that is shorter than said", REQUEST.slice(0, -5)],
    ["a header that never ends", `GET / HTTP/1.1\r\nx: ${"a".repeat(100_000)}`],
    ["a part of the preface", "PRI"],
    ["half a preface", PREFACE.slice(0, 12)],
    ["a preface and nothing more", PREFACE],
    ["a preface and then garbage", Buffer.concat([Buffer.from(PREFACE), NOISE])],
    ["a preface of another version", "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"],
    ["nothing", ""],
  ])("that sends %s is cut off", async (_what, bytes) => {
    const answer = String(await talk(server.port, bytes));
    expect(answer).not.toContain("200 OK");
    expect(answer).not.toContain("    at ");
  });

  test.each([
    ["nothing", ""],
    ["a part of the preface", "PRI"],
    ["a part of a request", "POST /gotaskq"],
  ])("that sends %s and waits keeps nobody else waiting", async (_what, bytes) => {
    const socket = await open(server.port);
    socket.write(bytes);
    const id = await created(server, { type: "echo" });
    expect((await finished(server, id)).status).toBe(JobStatus.DONE);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  test("that resets its connection in a request ends its own only", async () => {
    const socket = await open(server.port);
    await new Promise<void>((resolve) => socket.write(REQUEST.slice(0, -3), () => resolve()));
    socket.resetAndDestroy();
    expect((await http1(server.url, { method: "GET", path: "/healthz" })).status).toBe(200);
  });
});
