import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, ServerHttp2Stream } from "node:http2";
import { connect as http2Connect } from "node:http2";
import type { TLSSocket } from "node:tls";
import { Code } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { beforeAll, describe, expect, test } from "vitest";
import type { Authorizer } from "../../../src/access/authorizer.js";
import { type Authority, type CertificateFiles, createAuthority } from "../../support/certificates.js";
import { type LogLine, recordingLogger } from "../../support/logger.js";
import { createClients, startTestServer, type TestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { clientFiles, dial, exchange, HEALTH } from "./dial.js";
import { atEnd, identity, listenSecurely } from "./secure-listener.js";

let authority: Authority;
let files: CertificateFiles;
let ca: string;
/** Those of a client that the authority knows, and of one that only another authority knows. */
let known: { readonly cert: Buffer; readonly key: Buffer };
let foreign: { readonly cert: Buffer; readonly key: Buffer };
let ended: { readonly cert: Buffer; readonly key: Buffer };

beforeAll(() => {
  authority = createAuthority();
  ca = authority.caText;
  files = authority.issue("server");
  known = clientFiles(authority.issue("mailer"));
  foreign = clientFiles(createAuthority("another authority").issue("stranger"));
  ended = clientFiles(authority.issue("former", { days: -1 }));
});

async function start(auth: "required" | "optional"): Promise<{ server: TestServer; lines: readonly LogLine[] }> {
  const env = { TLS_CERT: files.cert, TLS_KEY: files.key, TLS_CLIENT_CA: authority.ca, TLS_CLIENT_AUTH: auth };
  const logger = recordingLogger();
  return { server: await startTestServer({ ...env, NUM_WORKERS: "0" }, { logger }), lines: logger.lines };
}

/** The answer that a client with these files gets; rejects when it is refused. */
async function ask(port: number, shown: object): Promise<string> {
  return exchange(await dial(port, { ca, ...shown }), HEALTH);
}

/** A client of TLS 1.3 learns that it is refused only by the end of the connection. */
async function isRefused(port: number, shown: object): Promise<void> {
  const answer = await ask(port, shown).catch((error: NodeJS.ErrnoException) => error.code ?? String(error));
  expect(answer).not.toContain("200 OK");
}

describe("a port that requires certificates of clients", () => {
  test("serves one that the authority knows, also over gRPC", async () => {
    const { server } = await start("required");
    expect(await ask(server.port, known)).toMatch(/^HTTP\/1\.1 200 OK/);
    const create = (baseUrl: string) => createGrpcTransport({ baseUrl, nodeOptions: { ca, ...known } });
    const { healthy } = createClients({ name: "gRPC", create }, server.url);
    expect((await within(healthy.check({}), "the answer")).status).toBe(1);
  });

  test.each([
    ["none", () => ({}), /the client showed no certificate/],
    ["one of another authority", () => foreign, /UNABLE_TO|SELF_SIGNED/],
    ["one that has ended", () => ended, /CERT_HAS_EXPIRED/],
  ])("refuses %s, in both versions of TLS, and logs why", async (_what, shown, why) => {
    const { server, lines } = await start("required");
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) await isRefused(server.port, { ...shown(), maxVersion });
    const line = await eventually(
      async () => lines.find(({ message }) => message === "a TLS handshake failed"),
      "a line of the log",
    );
    expect(String(line.fields.err)).toMatch(why);
    expect(line.fields.remote).toBe("127.0.0.1");
  });
});

describe("a port where certificates of clients are optional", () => {
  test("serves clients with a good one and with none, and refuses a bad one", async () => {
    const { server } = await start("optional");
    for (const shown of [known, {}]) expect(await ask(server.port, shown)).toMatch(/^HTTP\/1\.1 200 OK/);
    for (const shown of [foreign, ended]) await isRefused(server.port, shown);
  });
});

describe("the certificate of a client", () => {
  test.each([
    ["gRPC over HTTP/2", createGrpcTransport],
    ["Connect over HTTP/1.1", (given: { baseUrl: string }) => createConnectTransport({ ...given, httpVersion: "1.1" })],
  ])("says who calls, to an authorizer, over %s", async (name, transport) => {
    const authorizer: Authorizer = ({ certificate }) =>
      certificate?.subject.CN === "mailer" ? { name: "mailer", scopes: ["produce"] } : undefined;
    const env = { TLS_CERT: files.cert, TLS_KEY: files.key, TLS_CLIENT_CA: authority.ca, TLS_CLIENT_AUTH: "optional" };
    const server = await startTestServer({ ...env, NUM_WORKERS: "0" }, { authorizer });
    const clients = (shown: object) => {
      const create = (baseUrl: string) => transport({ baseUrl, nodeOptions: { ca, ...shown } });
      return createClients({ name, create }, server.url);
    };
    const { job } = await within(clients(known).jobs.createJob({ type: "nobody" }), "the create");
    expect(job?.type).toBe("nobody");
    await expect(within(clients({}).jobs.createJob({ type: "nobody" }), "the refusal")).rejects.toMatchObject({
      code: Code.Unauthenticated,
    });
  });

  test("can be read from the sockets of requests and streams", async () => {
    const nameOf = (socket: unknown) => (socket as TLSSocket).getPeerCertificate().subject.CN;
    const seen: string[] = [];
    const port = await listenSecurely(
      {
        request(request: IncomingMessage | Http2ServerRequest, response) {
          seen.push(`request ${nameOf(request.socket)}`);
          response.end();
        },
        stream(stream: ServerHttp2Stream, headers) {
          if (headers[":path"] !== "/stream") return false;
          seen.push(`stream ${nameOf(stream.session?.socket)}`);
          stream.respond({ ":status": 200 }, { endStream: true });
          return true;
        },
      },
      { requestTimeoutMs: 10_000 },
      10_000,
      authority.ca,
    );
    const own = { ...known, ca: identity().authority.caText };
    expect(await ask(port, own)).toMatch(/^HTTP\/1\.1 200/);
    const session = http2Connect(`https://localhost:${port}`, own);
    atEnd(() => session.destroy());
    for (const path of ["/", "/stream"]) {
      const stream = session.request({ ":path": path });
      await within(new Promise((resolve) => stream.on("close", resolve).resume()), "the answer");
    }
    expect(seen).toEqual(["request mailer", "request mailer", "stream mailer"]);
  });
});
