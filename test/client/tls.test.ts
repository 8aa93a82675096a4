import { readFileSync } from "node:fs";
import { type ClientTls, createClient } from "gotaskq/client";
import { beforeAll, describe, expect, test } from "vitest";
import { createAuthority } from "../support/certificates.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { within } from "../support/wait.js";
import { clientOf, failure, startWorker } from "./support.js";

let server: TestServer;
/** What a client needs whom the server lets in. */
let tls: ClientTls;

beforeAll(async () => {
  const authority = createAuthority();
  const [own, mine] = [authority.issue("server"), authority.issue("client")];
  const env = { TLS_CERT: own.cert, TLS_KEY: own.key, TLS_CLIENT_CA: authority.ca };
  server = await startTestServer({ ...env, NUM_WORKERS: "0" });
  tls = { ca: authority.caText, cert: readFileSync(mine.cert), key: readFileSync(mine.key) };
});

describe("a client of a server with TLS", () => {
  test("calls, watches and works, with its certificate", async () => {
    const client = clientOf(server.url, { tls });
    await startWorker({ url: server.url, tls, handlers: { double: (job) => job.payload * 2 } });
    const { job } = await client.create({ type: "double", payload: 21 });
    expect(await within(client.wait(job.id), "the end of the job")).toMatchObject({ status: "DONE", result: 42 });
  });

  test("may find the server by another name than that of its certificate", async () => {
    const elsewhere = server.url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    const named = clientOf(elsewhere, { tls: { ...tls, serverName: "localhost" } });
    expect((await within(named.create({ type: "nobody" }), "the create")).job.status).toBe("PENDING");
  });

  test.each([
    ["that does not know its authority", () => ({ ...tls, ca: undefined }), "INTERNAL", /certificate/i],
    ["by a name that its certificate has not", () => ({ ...tls, serverName: "example.com" }), "INTERNAL", /altnames/i],
    ["without a certificate of its own", () => ({ ca: tls.ca }), "UNAVAILABLE", /./],
  ])("fails at once and says why: one %s", async (_what, given, code, reason) => {
    const error = await failure(clientOf(server.url, { tls: given(), retryMs: 100 }).create({ type: "nobody" }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(reason);
  });

  test("tells at once of a key that is none", async () => {
    const client = createClient(server.url, { tls: { ...tls, key: "none" }, retryMs: 0 });
    expect((await failure(client.create({ type: "nobody" }))).message).toMatch(/key|PEM|DECODER/i);
    client.close();
  });
});
