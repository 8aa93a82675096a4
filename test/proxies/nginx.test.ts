import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { get as httpsGet } from "node:https";
import type { AddressInfo } from "node:net";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createClient, createWorker } from "gotaskq/client";
import { createClient as createWebClient } from "gotaskq/client/web";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Authority, createAuthority } from "../support/certificates.js";
import { freePort } from "../support/free-port.js";
import { created, reading } from "../support/rpc.js";
import { createClients, startTestServer, type TestServer } from "../support/server.js";
import { GRPC, type TransportKind } from "../support/transports.js";
import { within } from "../support/wait.js";
import { type Nginx, startNginx } from "./nginx.js";

/** What is in the location of an nginx for HTTP/1.1, after its `proxy_pass`. */
const WAYS = {
  "its default proxy_pass": "",
  "proxy_http_version 1.1": "proxy_http_version 1.1;",
  "gzip of everything": "proxy_http_version 1.1; gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;",
  "gzip of everything and its default proxy_pass": "gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;",
} as const;

type Way = keyof typeof WAYS;

let server: TestServer;
let nginx: Nginx;
const ports = {} as Record<Way, number>;
let grpcPort: number;
/** Those of `.ops/nginx.conf`: in front of the server, and of one that tells what reached it. */
let port: number;
let echoPort: number;
let authority: Authority;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
  for (const way of Object.keys(WAYS) as Way[]) ports[way] = await freePort();
  [grpcPort, port, echoPort] = [await freePort(), await freePort(), await freePort()];
  authority = createAuthority();
  const echo = createServer((request, response) => response.end(JSON.stringify(request.headers)));
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  closeEcho = () => echo.close();
  const configuration = await readFile(".ops/nginx.conf", "utf8");
  const files = authority.issue("nginx");
  /** The file as it is, but for port, certificate and server. */
  const inPlace = (at: number, upstream: string, names: string) =>
    configuration
      .replaceAll("127.0.0.1:8000", upstream)
      .replaceAll("gotaskq_", names)
      .replace("listen 443 ", `listen 127.0.0.1:${at} `)
      .replace("/etc/nginx/tls/tls.crt", files.cert)
      .replace("/etc/nginx/tls/tls.key", files.key);
  const at = `127.0.0.1:${server.port}`;
  const servers = [
    ...Object.entries(WAYS).map(
      ([way, more]) =>
        `server { listen 127.0.0.1:${ports[way as Way]}; location / { proxy_pass http://${at}; ${more} } }`,
    ),
    `server { listen 127.0.0.1:${grpcPort} http2; location / { grpc_pass grpc://${at}; } }`,
    inPlace(port, at, "gotaskq_"),
    inPlace(echoPort, `127.0.0.1:${(echo.address() as AddressInfo).port}`, "echo_"),
  ].join("\n");
  const all = [...Object.values(ports), grpcPort, port, echoPort];
  nginx = await startNginx(servers, all);
});
let closeEcho = () => {};
afterAll(async () => {
  closeEcho();
  await nginx?.end();
});

/** Creates a job that nobody runs, and watches it: what is told while it waits must come while it waits. */
async function watchOverFetch(port: number): Promise<void> {
  const client = createWebClient(`http://127.0.0.1:${port}`);
  const { job } = await within(client.create({ type: "nobody" }), "the create");
  const leave = new AbortController();
  const watch = client.watchJob(job.id, { signal: leave.signal })[Symbol.asyncIterator]();
  const first = await within(watch.next(), "the first message");
  expect(first.value).toMatchObject({ id: job.id, status: "PENDING" });
  await client.cancel(job.id);
  expect((await within(watch.next(), "the change")).value).toMatchObject({ status: "CANCELED" });
  leave.abort();
}

async function watchOver(kind: TransportKind, url: string): Promise<void> {
  const clients = createClients(kind, url);
  const id = await created(clients, { type: "nobody" });
  const watch = reading(clients.jobs.watchJob({ id }));
  await watch.until(({ event }) => event.case === "job");
  await clients.jobs.cancelJob({ id });
  await watch.rest();
}

test.each(Object.keys(WAYS) as Way[])("creates and streams come through nginx with %s", async (way) => {
  await watchOverFetch(ports[way]);
});

test("creates and streams come through nginx with grpc_pass", async () => {
  await watchOver(GRPC, `http://127.0.0.1:${grpcPort}`);
});

describe("through .ops/nginx.conf, which ends TLS,", () => {
  test.each([
    ["gRPC", (baseUrl: string, ca: string) => createGrpcTransport({ baseUrl, nodeOptions: { ca } })],
    [
      "gRPC-Web over HTTP/2",
      (baseUrl: string, ca: string) => createGrpcWebTransport({ baseUrl, httpVersion: "2", nodeOptions: { ca } }),
    ],
    [
      "Connect over HTTP/2",
      (baseUrl: string, ca: string) => createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions: { ca } }),
    ],
    [
      "Connect over HTTP/1.1",
      (baseUrl: string, ca: string) => createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions: { ca } }),
    ],
  ])("creates and streams come in %s, one after the other on connections that are kept", async (name, create) => {
    const kind = { name, create: (url: string) => create(url, authority.caText) };
    for (let times = 0; times < 3; times++) await watchOver(kind, `https://localhost:${port}`);
  });

  test("protocols share no connections to the server", async () => {
    const ca = authority.caText;
    const url = `https://localhost:${port}`;
    const grpc = { name: "gRPC", create: (baseUrl: string) => createGrpcTransport({ baseUrl, nodeOptions: { ca } }) };
    const client = createClient(url, { tls: { ca } });
    onTestFinished(() => client.close());
    for (let times = 0; times < 10; times++) {
      await created(createClients(grpc, url), { type: "nobody" });
      await within(client.create({ type: "nobody" }), "the create");
    }
  });

  test("a worker runs jobs, and bodies of nearly 4 MiB come", async () => {
    const url = `https://localhost:${port}`;
    const tls = { ca: authority.caText };
    const worker = createWorker({ url, tls, handlers: { size: (job) => String(job.payload).length } });
    onTestFinished(() => worker.stop({ timeoutMs: 0 }));
    await within(worker.start(), "the start of the worker");
    const client = createClient(url, { tls });
    onTestFinished(() => client.close());
    const text = "x".repeat(500_000);
    const batch = await within(
      client.createBatch(Array.from({ length: 6 }, () => ({ type: "size", payload: text }))),
      "the large batch",
    );
    for (const { id } of batch) expect(await client.wait(id)).toMatchObject({ status: "DONE", result: text.length });
  });

  test("the server is told who called, and how", async () => {
    const headers = await new Promise<string>((resolve, reject) => {
      const sent = httpsGet(
        `https://localhost:${echoPort}/`,
        { ca: authority.caText, headers: { "x-forwarded-for": "10.1.2.3" } },
        (response) =>
          void response
            .setEncoding("utf8")
            .toArray()
            .then((parts) => resolve(parts.join(""))),
      );
      sent.on("error", reject);
    });
    expect(JSON.parse(headers)).toMatchObject({
      host: "localhost",
      "x-forwarded-for": "10.1.2.3, 127.0.0.1",
      "x-forwarded-proto": "https",
    });
  });
});
