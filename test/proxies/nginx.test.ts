import { readFile } from "node:fs/promises";
import { createClient as createWebClient } from "gotaskq/client/web";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../support/free-port.js";
import { created, reading } from "../support/rpc.js";
import { createClients, startTestServer, type TestServer } from "../support/server.js";
import { GRPC } from "../support/transports.js";
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
/** Those of the configuration in the README. */
let readmePort: number;
let readmeGrpcPort: number;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
  for (const way of Object.keys(WAYS) as Way[]) ports[way] = await freePort();
  [grpcPort, readmePort, readmeGrpcPort] = [await freePort(), await freePort(), await freePort()];
  const readme = /```nginx\n(.*?)```/s.exec(await readFile("README.md", "utf8"))?.[1] ?? "";
  const at = `127.0.0.1:${server.port}`;
  const servers = [
    ...Object.entries(WAYS).map(
      ([way, more]) =>
        `server { listen 127.0.0.1:${ports[way as Way]}; location / { proxy_pass http://${at}; ${more} } }`,
    ),
    `server { listen 127.0.0.1:${grpcPort} http2; location / { grpc_pass grpc://${at}; } }`,
    readme
      .replaceAll("127.0.0.1:8000", at)
      .replace("listen 80;", `listen 127.0.0.1:${readmePort};`)
      .replace("listen 81 http2;", `listen 127.0.0.1:${readmeGrpcPort} http2;`),
  ].join("\n");
  const all = [...Object.values(ports), grpcPort, readmePort, readmeGrpcPort];
  nginx = await startNginx(servers, all);
});
afterAll(() => nginx?.end());

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

async function watchOverGrpc(port: number): Promise<void> {
  const clients = createClients(GRPC, `http://127.0.0.1:${port}`);
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
  await watchOverGrpc(grpcPort);
});

test("creates and streams come through nginx as the README configures it, and large payloads", async () => {
  await watchOverFetch(readmePort);
  await watchOverGrpc(readmeGrpcPort);
  const text = "x".repeat(500_000);
  const { createBatch } = createWebClient(`http://127.0.0.1:${readmePort}`);
  const jobs = Array.from({ length: 6 }, () => ({ type: "nobody", payload: text }));
  expect(await within(createBatch(jobs), "the large batch")).toHaveLength(6);
});
