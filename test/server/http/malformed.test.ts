import { beforeAll, describe, expect, test } from "vitest";
import { FLAG, frame, GREETING, TYPE } from "../../support/http2-frames.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { eventually } from "../../support/wait.js";
import { http1, http2, open, talk } from "../../support/wire.js";

let server: TestServer;
let path: string;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
  path = "/gotaskq.v1.JobService/CreateJob";
});

const BODY = '{"type":"good"}';
const CHUNKED = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
/** A request that must never be taken for one: it comes within the body of another. */
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** How many jobs there are. */
const jobs = async () => Number((await server.jobs.countJobs({})).count);

describe("a request of HTTP/1.1 is refused, and its connection ended,", () => {
  const length = `content-length: ${BODY.length}`;
  const chunked = "transfer-encoding: chunked";
  test.each<[string, readonly string[], string]>([
    ["with two hosts", ["host: localhost", "host: localhost", length], BODY],
    ["with two hosts of which one is foreign", ["host: evil.example", "host: localhost", length], BODY],
    ["without a host", [length], BODY],
    ["with transfer-encoding: gzip, chunked", ["host: localhost", "transfer-encoding: gzip, chunked"], CHUNKED],
    ["with transfer-encoding: identity", ["host: localhost", "transfer-encoding: identity"], BODY],
    ["with transfer-encoding twice", ["host: localhost", chunked, chunked], CHUNKED],
    ["with transfer-encoding: chunked, gzip", ["host: localhost", "transfer-encoding: chunked, gzip"], CHUNKED],
    ["with a length and chunks", ["host: localhost", length, chunked], CHUNKED + SMUGGLED],
    ["with chunks and a length", ["host: localhost", chunked, "content-length: 4"], CHUNKED + SMUGGLED],
    ["with two lengths", ["host: localhost", length, "content-length: 0"], BODY + SMUGGLED],
    ["with two equal lengths", ["host: localhost", length, length], BODY],
    ["with a length that is a sum", ["host: localhost", `content-length: +${BODY.length}`], BODY],
    ["with a length below zero", ["host: localhost", "content-length: -1"], BODY],
    ["with a length in hex", ["host: localhost", "content-length: 0xf"], BODY],
    ["with a length beyond all numbers", ["host: localhost", "content-length: 99999999999999999999999"], BODY],
    ["with a folded header", ["host: localhost", length, "x-one: a\r\n b"], BODY],
    ["with a blank before the colon", ["host: localhost", "transfer-encoding : chunked"], CHUNKED],
    ["with a blank in a header's name", ["host: localhost", length, "x one: a"], BODY],
    ["with a NUL in a header", ["host: localhost", length, "x-one: a\0b"], BODY],
    ["with a line feed alone", ["host: localhost", `${length}\nx-one: a`], BODY],
    ["with a chunk whose size is none", ["host: localhost", chunked], `xyz\r\n${BODY}\r\n0\r\n\r\n`],
    ["with a chunk whose size is below zero", ["host: localhost", chunked], `-1\r\n${BODY}\r\n0\r\n\r\n`],
    ["with a chunk whose size overflows", ["host: localhost", chunked], `ffffffffffffffffff\r\n${BODY}`],
    ["with a chunk that is longer than its size", ["host: localhost", chunked], `3\r\n${BODY}\r\n0\r\n\r\n`],
  ])("%s", async (_what, headers, body) => {
    const before = await jobs();
    const head = [`POST ${path} HTTP/1.1`, ...headers, "content-type: application/json"].join("\r\n");
    const answer = String(await talk(server.port, `${head}\r\n\r\n${body}`));
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(await jobs()).toBe(before);
  });

  test.each([
    ["headers of more than 16 KiB", `x-one: ${"a".repeat(17 << 10)}\r\n`],
    ["many headers", Array.from({ length: 3000 }, (_, index) => `x-${index}: a\r\n`).join("")],
  ])("with %s", async (_what, headers) => {
    const answer = String(await talk(server.port, `GET /livez HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`));
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });
});

describe("a request of HTTP/2 is refused", () => {
  const literal = (name: string, value: string) =>
    Buffer.concat([0, name, value].map((part) => (part === 0 ? Buffer.of(0) : text(String(part)))));
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  const GET = literal(":method", "GET");
  const HTTP = literal(":scheme", "http");
  const PATH = literal(":path", "/livez");
  const HOST = literal(":authority", "localhost");

  test.each<[string, readonly Buffer[]]>([
    ["without a method", [HTTP, PATH, HOST]],
    ["without a path", [GET, HTTP, HOST]],
    ["without a scheme", [GET, PATH, HOST]],
    ["with an empty path", [GET, HTTP, literal(":path", ""), HOST]],
    ["with two methods", [GET, GET, HTTP, PATH, HOST]],
    ["with two paths", [GET, HTTP, PATH, PATH, HOST]],
    ["with two hosts", [GET, HTTP, PATH, HOST, HOST]],
    ["with a pseudo header of an answer", [GET, HTTP, PATH, HOST, literal(":status", "200")]],
    ["with an unknown pseudo header", [GET, HTTP, PATH, HOST, literal(":other", "1")]],
    ["with a pseudo header after the others", [GET, HTTP, PATH, literal("x-one", "1"), HOST]],
    ["with capitals in a header's name", [GET, HTTP, PATH, HOST, literal("X-One", "1")]],
    ["with connection", [GET, HTTP, PATH, HOST, literal("connection", "close")]],
    ["with transfer-encoding", [GET, HTTP, PATH, HOST, literal("transfer-encoding", "chunked")]],
    ["with upgrade", [GET, HTTP, PATH, HOST, literal("upgrade", "h2c")]],
    ["with another te than trailers", [GET, HTTP, PATH, HOST, literal("te", "gzip")]],
    ["with a length that is not that of its body", [GET, HTTP, PATH, HOST, literal("content-length", "5")]],
  ])("%s", async (_what, fields) => {
    const socket = await open(server.port);
    let heard = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      heard = Buffer.concat([heard, bytes]);
    });
    const head = frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, 1, Buffer.concat(fields));
    socket.write(Buffer.concat([GREETING, head]));
    const types = () => {
      const found: number[] = [];
      for (let at = 0; at + 9 <= heard.length; at += 9 + heard.readUIntBE(at, 3)) found.push(heard[at + 3] ?? -1);
      return found;
    };
    const end = [TYPE.reset, TYPE.goaway] as readonly number[];
    await eventually(
      async () => types().some((type) => end.includes(type)) || socket.destroyed || undefined,
      "a refusal",
    );
    expect(types()).not.toContain(TYPE.data);
    socket.destroy();
  });
});

describe.each([
  { version: "HTTP/1.1", send: http1 },
  { version: "HTTP/2", send: http2 },
])("over $version", ({ send }) => {
  test.each([
    "/assets/../index.html",
    "/assets/%2e%2e/index.html",
    "/assets/..%2f..%2fpackage.json",
    "/assets/..%5c..%5cpackage.json",
    "/assets/..\\..\\package.json",
    "/assets//etc/passwd",
    "/assets/%00",
    "/assets/x%00.js",
    "/assets/....//package.json",
    "/../package.json",
    "/assets/",
  ])("no file is reached by %s", async (target) => {
    const { status } = await send(server.url, { method: "GET", path: target });
    expect([400, 404]).toContain(status);
  });

  test.each(["/", "/livez", "/metrics", "/nothing", "/assets/nothing"])(
    "%s is taken for what it says it is",
    async (page) => {
      const { headers } = await send(server.url, { method: "GET", path: page });
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
    },
  );

  test.each([
    ["an answer", "JobService/CountJobs", "application/json", "{}", 200],
    ["an error", "JobService/CreateJob", "application/json", "{}", 400],
    ["what no method is", "JobService/Nothing", "application/json", "{}", 501],
    ["a wrong type of content", "JobService/CreateJob", "text/html", "{}", 415],
    ["a stream", "JobService/WatchJob", "application/connect+json", "\0\0\0\0\x02{}", 200],
  ])("%s of an RPC is taken for what it says it is", async (_what, rpc, type, body, status) => {
    const answer = await send(server.url, { path: `/gotaskq.v1.${rpc}`, headers: { "content-type": type }, body });
    expect([answer.status, answer.headers["x-content-type-options"]]).toEqual([status, "nosniff"]);
  });
});
