import { readFileSync } from "node:fs";
import { get } from "node:https";
import { expect, test } from "vitest";
import { createAuthority } from "../../support/certificates.js";
import { spawnServer, startServerProcess } from "../../support/server-process.js";
import { within } from "../../support/wait.js";

const authority = createAuthority();
const files = authority.issue("server");

test("the program listens by TLS, says so, and ends in order", async () => {
  const server = await startServerProcess({ TLS_CERT: files.cert, TLS_KEY: files.key });
  expect(server.url).toMatch(/^https:/);
  const answer = new Promise<number | undefined>((resolve, reject) => {
    const sent = get(`${server.url}/livez`, { ca: readFileSync(authority.ca) }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    });
    sent.on("error", reject);
  });
  expect(await within(answer, "the answer")).toBe(200);
  expect(await server.end()).toBe(0);
});

test("the program refuses a certificate that does not fit its key, with code 2, naming the variable", async () => {
  const child = spawnServer({ TLS_CERT: files.cert, TLS_KEY: authority.issue("other").key });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
  const code = await within(new Promise((resolve) => child.once("close", resolve)), "the end of the program");
  expect(code).toBe(2);
  expect(output).toMatch(/TLS_KEY: is not the key of the certificate in TLS_CERT/);
});
