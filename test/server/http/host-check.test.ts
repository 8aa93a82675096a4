import { beforeAll, describe, expect, test } from "vitest";
import { hostNameOf } from "../../../src/server/http/host-name.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { envelope, http1, http2, type RawRequest } from "../../support/wire.js";

const VERSIONS = [
  { version: "HTTP/1.1", send: http1, name: (host: string) => ({ host }) },
  { version: "HTTP/2", send: http2, name: (host: string) => ({ ":authority": host }) },
];

const READ = { path: "/gotaskq.v1.QueueService/ListQueues", body: "{}" };
const JSON_TYPE = { "content-type": "application/json" };

let server: TestServer;
let open: TestServer;

beforeAll(async () => {
  const names = "jobs.example.com, *.tunnel.example";
  server = await startTestServer({ ALLOWED_HOSTS: names, CORS_ORIGINS: "https://app.example.com" });
  open = await startTestServer({ HOST: "0.0.0.0", AUTH: "none" });
});

describe.each(VERSIONS)("over $version", ({ send, name }) => {
  const call = (headers: object, request: RawRequest = READ, url = server.url) =>
    send(url, { ...request, headers: { ...JSON_TYPE, ...headers } });

  test.each([
    "localhost",
    "LOCALHOST:81",
    "localhost.",
    "127.0.0.1:8000",
    "[::1]:8000",
    "jobs.example.com",
    "a.b.tunnel.example:443",
  ])("a request to %s is served", async (host) => {
    expect((await call(name(host))).status).toBe(200);
  });

  test.each([
    "evil.example",
    "evil.example:8000",
    "tunnel.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
  ])("a request to %s is refused, and told how it may be allowed", async (host) => {
    for (const request of [READ, { method: "GET", path: "/" }, { method: "GET", path: "/metrics" }]) {
      const { status, body } = await call(name(host), request);
      expect([status, String(body)]).toEqual([403, expect.stringContaining("ALLOWED_HOSTS")]);
    }
  });

  test("no other name comes through beside a good one", async () => {
    const host = { ...name("localhost"), ...(send === http2 && { host: "evil.example" }) };
    const path = send === http1 ? "http://evil.example/metrics" : "/metrics";
    expect((await call(host, { method: "GET", path })).status).toBe(403);
  });

  test.each(["/livez", "/readyz", "/healthz"])("a probe of %s may name any host", async (path) => {
    expect((await call(name("10.1.2.3"), { method: "GET", path })).status).toBe(200);
  });

  test("a probe of the health service may name any host", async () => {
    const request = { path: "/grpc.health.v1.Health/Check", body: "{}" };
    expect((await call(name("10.1.2.3"), request)).status).toBe(200);
  });

  test.each([
    ["http://localhost:8000", "localhost:8000"],
    ["http://localhost", "localhost:80"],
    ["https://jobs.example.com", "127.0.0.1:8000"],
    ["https://app.example.com", "127.0.0.1:8000"],
  ])("a page of %s may call %s", async (origin, host) => {
    expect((await call({ ...name(host), origin })).status).toBe(200);
  });

  test.each([
    ["http://localhost:3000", "localhost:8000"],
    ["https://localhost:8000", "localhost:80"],
    ["https://evil.example", "127.0.0.1:8000"],
    ["null", "127.0.0.1:8000"],
    ["chrome-extension://abcdef", "127.0.0.1:8000"],
  ])("a page of %s may not call %s", async (origin, host) => {
    const { status, body } = await call({ ...name(host), origin });
    expect([status, String(body)]).toEqual([403, expect.stringContaining("CORS_ORIGINS")]);
  });

  test("a page of another origin may follow a link to the console", async () => {
    const { status } = await call(
      { ...name("localhost"), origin: "https://other.example" },
      { method: "GET", path: "/" },
    );
    expect(status).not.toBe(403);
  });

  test("a server that others reach is called by any name", async () => {
    const url = `http://127.0.0.1:${open.port}`;
    expect((await call(name("any.example"), READ, url)).status).toBe(200);
  });
});

test("a call of gRPC to another name is refused in gRPC", async () => {
  const { status, headers } = await http2(server.url, {
    path: READ.path,
    headers: { ":authority": "evil.example", "content-type": "application/grpc" },
    body: envelope(""),
  });
  expect([status, headers["grpc-status"]]).toEqual([200, "7"]);
  expect(headers["grpc-message"]).toContain("ALLOWED_HOSTS");
});

test.each([
  ["localhost", "localhost"],
  ["[::1]:80", "[::1]"],
  ["Example.COM.:80", "example.com"],
  ["localhost@evil.example", undefined],
  ["localhost/evil", undefined],
  ["localhost:80:80", undefined],
  ["a b", undefined],
  ["", undefined],
])("the name in the host %j is %s", (host, name) => {
  expect(hostNameOf(host)).toBe(name);
});
