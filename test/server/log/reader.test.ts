import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { created, finished } from "../../support/rpc.js";
import { createClients } from "../../support/server.js";
import { startServerProcess } from "../../support/server-process.js";
import { GRPC } from "../../support/transports.js";
import { within } from "../../support/wait.js";

/** A folder without a `.env`. */
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a server tells its life in lines of JSON on stdout, and nothing on stderr", async () => {
  const server = await startServerProcess({ LOG_LEVEL: "silent" }, folder);
  let stderr = "";
  server.child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  expect(await server.end()).toBe(0);
  const lines = server.output().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "info", url: server.url, backend: "memory", handlers: "built-in", msg: "GoTaskQ listens" },
    { level: "info", signal: "SIGTERM", timeout_ms: 10_000 },
    { level: "info", msg: "stopped" },
  ]);
  expect(stderr).toBe("");
});

test("a server whose output nobody reads any more goes on, and ends in order", async () => {
  const server = await startServerProcess({ LOG_LEVEL: "trace" }, folder);
  const exit = once(server.child, "exit");
  server.child.stdout?.destroy();
  server.child.stderr?.destroy();
  const clients = createClients(GRPC, server.url);
  for (let count = 0; count < 20; count++) await finished(clients, await created(clients, { type: "echo" }));
  server.child.kill("SIGTERM");
  expect(await within(exit, "the end of the server")).toEqual([0, null]);
});

test("a server whose output is not taken goes on, and ends in order", async () => {
  const server = await startServerProcess({ LOG_LEVEL: "trace" }, folder);
  const exit = once(server.child, "exit");
  server.child.stdout?.pause();
  const clients = createClients(GRPC, server.url);
  // More than a pipe and this process hold.
  const payload = { kind: { case: "stringValue" as const, value: "x".repeat(30_000) } };
  const all = Array.from({ length: 200 }, () =>
    created(clients, { type: "logger", payloadKind: { case: "payload", value: payload } }),
  );
  await within(Promise.all(all), "the creates");
  await finished(clients, await created(clients, { type: "echo", priority: 10 }));
  server.child.kill("SIGTERM");
  expect(await within(exit, "the end of the server", 30_000)).toEqual([0, null]);
}, 60_000);
