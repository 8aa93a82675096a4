import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { untilOpenStreams } from "../support/metrics.js";
import { startTestServer, type TestServer } from "../support/server.js";
import { eventually, within } from "../support/wait.js";
import { open, talk } from "../support/wire.js";

let server: TestServer;
const folder = mkdtempSync(join(tmpdir(), "gotaskq-half-open-"));

beforeAll(async () => {
  // A store whose answers come later than the end of the client's side.
  server = await startTestServer({ DATA_DIR: folder, NUM_WORKERS: "0" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function request(rpc: string, body: string, type = "application/json"): string {
  const head = `POST /gotaskq.v1.${rpc} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}`;
  return `${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

describe("a client of HTTP/1.1 that closes its side after its request", () => {
  test("gets its answer, and then the end of the connection", async () => {
    const answer = String(await talk(server.port, request("JobService/CreateJob", '{"type":"half"}')));
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*"type":"half"/s);
  });

  test("gets all answers to requests that it sent at once", async () => {
    const two = request("JobService/CreateJob", '{"type":"half"}') + request("JobService/CountJobs", "{}");
    expect(String(await talk(server.port, two)).match(/HTTP\/1\.1 200/g)).toHaveLength(2);
  });

  test("has left, when it polls for jobs", async () => {
    const poll = request("WorkerService/LeaseJobs", '{"worker":"half","types":["none"],"wait":"60s"}');
    expect(String(await talk(server.port, poll))).toBe("");
  });

  test("has left, when it watches", async () => {
    const socket = await open(server.port);
    const closed = new Promise<void>((resolve) => socket.resume().once("close", () => resolve()));
    const envelope = "\0\0\0\0\x02{}";
    socket.write(request("JobService/WatchJobs", envelope, "application/connect+json"));
    await untilOpenStreams(server, 1);
    socket.end();
    await within(closed, "the end of the connection");
    await untilOpenStreams(server, 0);
  });

  test("is refused when its request is not whole", async () => {
    const half = request("JobService/CreateJob", '{"type":"half"}').slice(0, -3);
    await eventually(
      async () => /^(HTTP\/1\.1 400|$)/.test(String(await talk(server.port, half))) || undefined,
      "an end",
    );
  });
});
