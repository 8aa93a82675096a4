import { connect as http2Connect } from "node:http2";
import { request } from "node:https";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { beforeAll, describe, expect, test } from "vitest";
import { type Authority, type CertificateFiles, createAuthority } from "../../support/certificates.js";
import { recordingLogger } from "../../support/logger.js";
import { created, reading } from "../../support/rpc.js";
import { createClients, startTestServer, type TestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { talk } from "../../support/wire.js";
import { dial, exchange, HEALTH } from "./dial.js";

let authority: Authority;
let files: CertificateFiles;
let server: TestServer;
let ca: string;

beforeAll(async () => {
  authority = createAuthority();
  ca = authority.caText;
  files = authority.issue("server");
  server = await startTestServer({ TLS_CERT: files.cert, TLS_KEY: files.key, NUM_WORKERS: "0" });
});

/** The page at this path over HTTPS, on HTTP/1.1. */
function page(path: string): Promise<string> {
  const answer = new Promise<string>((resolve, reject) => {
    const sent = request(`${server.url}${path}`, { ca, agent: false }, (response) => {
      response
        .setEncoding("utf8")
        .toArray()
        .then((parts) => resolve(parts.join("")), reject);
    });
    sent.on("error", reject).end();
  });
  return within(answer, `the page ${path}`);
}

describe("a port of TLS", () => {
  test("says so in its address", () => {
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  });

  test.each([
    ["gRPC over HTTP/2", () => createGrpcTransport({ baseUrl: server.url, nodeOptions: { ca } })],
    [
      "Connect over HTTP/2",
      () => createConnectTransport({ baseUrl: server.url, httpVersion: "2", nodeOptions: { ca } }),
    ],
    [
      "Connect over HTTP/1.1",
      () => createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", nodeOptions: { ca } }),
    ],
    [
      "gRPC-Web over HTTP/1.1",
      () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1", nodeOptions: { ca } }),
    ],
  ])("serves calls and streams in %s", async (name, transport) => {
    const clients = createClients({ name, create: transport }, server.url);
    const id = await created(clients, { type: "nobody" });
    const watch = reading(clients.jobs.watchJob({ id }));
    await watch.until(({ event }) => event.case === "job");
    await clients.jobs.cancelJob({ id });
    await watch.rest();
  });

  test.each([
    ["h2 and http/1.1, the first of which is taken", ["h2", "http/1.1"], "h2"],
    ["http/1.1 before h2", ["http/1.1", "h2"], "h2"],
    ["http/1.1", ["http/1.1"], "http/1.1"],
    ["http/1.0", ["http/1.0"], "http/1.0"],
    ["none", undefined, false],
  ])("agrees with a client that offers %s", async (_what, ALPNProtocols, agreed) => {
    const socket = await dial(server.port, { ca, ALPNProtocols });
    expect(socket.alpnProtocol).toBe(agreed);
    if (agreed !== "h2") {
      const version = agreed === "http/1.0" ? "HTTP/1.0" : "HTTP/1.1";
      expect(await exchange(socket, HEALTH.replace("HTTP/1.1", version))).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      return;
    }
    const session = http2Connect(server.url, { createConnection: () => socket });
    const stream = session.request({ ":path": "/healthz" });
    const [headers] = await within(
      new Promise<[{ ":status"?: number }]>((resolve) => stream.on("response", (head) => resolve([head]))),
      "the answer",
    );
    expect(headers[":status"]).toBe(200);
    session.destroy();
  });

  test("refuses a client that offers only protocols it does not speak", async () => {
    await expect(dial(server.port, { ca, ALPNProtocols: ["spdy/3"] })).rejects.toThrow(/no application protocol/i);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("takes %s", async (version) => {
    const socket = await dial(server.port, { ca, minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
  });

  test("refuses TLS before 1.2, and counts it", async () => {
    const before = await failedHandshakes();
    // Without this, the client's own OpenSSL would refuse.
    const old = { ca, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(dial(server.port, old)).rejects.toThrow(/protocol version|unsupported protocol/i);
    await eventually(async () => (await failedHandshakes()) === before + 1 || undefined, "the count of handshakes");
  });

  test.each([
    ["HTTP/1.1", "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["nothing known", "\0\0\0\0"],
  ])("ends a connection in plain text of %s with a hint", async (_what, bytes) => {
    const answer = String(await talk(server.port, bytes));
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*\r\n\r\nThis port speaks TLS: use https:\/\/\n$/s);
  });

  test("goes on when connections break at any moment", async () => {
    for (const bytes of ["", "\x16", "\x16\x03\x01\x00\xa5", "\x16garbage that is no handshake at all"]) {
      await talk(server.port, Buffer.from(bytes, "latin1"));
    }
    const socket = await dial(server.port, { ca });
    socket.write("GET /heal");
    socket.destroy();
    expect(await page("/healthz")).toContain("SERVING");
  });

  test("answers a client that closes its half after the request", async () => {
    const socket = await dial(server.port, { ca });
    socket.allowHalfOpen = true;
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    const ended = new Promise<void>((resolve) => socket.on("end", resolve));
    socket.end(HEALTH);
    await within(ended, "the end of the answer");
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  test("tells in its metrics when the certificate ends", async () => {
    const value = /^gotaskq_tls_certificate_expires_timestamp_seconds (\S+)$/m.exec(await page("/metrics"))?.[1];
    expect(Math.abs(Number(value) * 1000 - Date.now() - 30 * 86_400_000)).toBeLessThan(120_000);
  });
});

async function failedHandshakes(): Promise<number> {
  return Number(/^gotaskq_tls_handshakes_failed_total (\d+)$/m.exec(await page("/metrics"))?.[1]);
}

describe("a certificate", () => {
  test.each([
    ["that ends soon is warned of", 3, ["warn", "the certificate ends soon"]],
    ["that has ended is told as an error", -1, ["error", "the certificate has ended: clients refuse it"]],
  ])("%s", async (_what, days, line) => {
    const { cert, key } = authority.issue("soon", { days });
    const logger = recordingLogger();
    await startTestServer({ TLS_CERT: cert, TLS_KEY: key }, { logger });
    expect(logger.lines.map(({ level, message }) => [level, message])).toContainEqual(line);
  });

  test("that lasts is not warned of, and a plain port has no metrics of TLS", async () => {
    const logger = recordingLogger();
    await startTestServer({ TLS_CERT: files.cert, TLS_KEY: files.key }, { logger });
    expect(logger.lines.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
    const plain = await startTestServer();
    expect(await plain.metrics()).not.toContain("gotaskq_tls");
  });
});
