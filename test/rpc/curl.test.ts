import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { run } from "../support/command.js";
import { created, finished } from "../support/rpc.js";
import { startTestServer, type TestServer } from "../support/server.js";

const JSON_TYPE = "content-type: application/json";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

async function curl(...args: string[]): Promise<{ readonly status: number; readonly body: unknown }> {
  const { code, stdout, stderr } = await run("curl", ["-sS", "-w", "\n%{http_code}", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const end = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(end + 1)), body: JSON.parse(stdout.slice(0, end)) };
}

function address(method: string): string {
  return `${server.url}/gotaskq.v1.${method}`;
}

describe("curl", () => {
  test("creates a job with the body of the original server", async () => {
    const body = '{"type":"logger","payload":{"msg":"hello"},"priority":5,"delay":"0s","maxRetries":5}';
    const answer = await curl("-H", JSON_TYPE, "-d", body, address("JobService/CreateJob"));
    expect(answer).toMatchObject({
      status: 200,
      body: {
        deduplicated: false,
        job: {
          id: expect.stringMatching(/^\d+$/),
          queue: "default",
          type: "logger",
          payload: { msg: "hello" },
          status: "JOB_STATUS_PENDING",
          priority: 5,
          maxRetries: 5,
          retryCount: 0,
        },
      },
    });
  });

  test("takes field names as the protos have them", async () => {
    const answer = await curl("-H", JSON_TYPE, "-d", '{"type":"x","max_retries":3}', address("JobService/CreateJob"));
    expect(answer).toMatchObject({ status: 200, body: { job: { maxRetries: 3 } } });
  });

  test.each(["--http1.1", "--http2-prior-knowledge"])("reads a job by GET with %s", async (version) => {
    const id = await created(server, { type: "echo" });
    await finished(server, id);
    const message = encodeURIComponent(JSON.stringify({ id }));
    const url = `${address("JobService/GetJob")}?connect=v1&encoding=json&message=${message}`;
    expect(await curl(version, url)).toMatchObject({ status: 200, body: { job: { id, status: "JOB_STATUS_DONE" } } });
  });

  test("gets no job created by GET", async () => {
    const url = `${address("JobService/CreateJob")}?connect=v1&encoding=json&message=%7B%7D`;
    const { stdout } = await run("curl", ["-sS", "-o", "/dev/null", "-w", "%{http_code}", url]);
    expect(stdout).toBe("405");
  });

  test("is told what is wrong, with a status that says so", async () => {
    const answer = await curl("-H", JSON_TYPE, "-d", '{"type":"x","priority":11}', address("JobService/CreateJob"));
    expect(answer).toMatchObject({
      status: 400,
      body: {
        code: "invalid_argument",
        message: "priority: must be a whole number from 0 to 10, got 11",
        details: [
          { type: "google.rpc.ErrorInfo", debug: { reason: "FIELD_INVALID", domain: "gotaskq" } },
          { type: "google.rpc.BadRequest", debug: { fieldViolations: [{ field: "priority" }] } },
          { type: "google.rpc.RequestInfo", debug: { requestId: expect.any(String) } },
        ],
      },
    });
  });

  test.each([
    ["a method that is none", "JobService/Nothing", 501, "unimplemented"],
    ["a service that is none", "NoService/GetJob", 404, "not_found"],
  ])("is told of %s", async (_what, method, status, code) => {
    const answer = await curl("-H", JSON_TYPE, "-d", "{}", address(method));
    expect(answer).toMatchObject({ status, body: { code } });
  });

  test("reads the state of the server", async () => {
    expect(await curl(`${server.url}/healthz`)).toEqual({ status: 200, body: { status: "SERVING" } });
  });
});

describe.each([
  ["connect", []],
  ["grpc", ["--http2-prior-knowledge"]],
  ["grpcweb", []],
])("buf curl over %s", (protocol, args) => {
  const buf = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));
  const proto = fileURLToPath(new URL("../../proto", import.meta.url));

  function bufCurl(method: string, request: unknown) {
    const data = ["--data", JSON.stringify(request)];
    return run(buf, ["curl", "--schema", proto, "--protocol", protocol, ...args, ...data, address(method)]);
  }

  test("creates a job and watches it until it is done", async () => {
    const creation = await bufCurl("JobService/CreateJob", { type: "echo", payload: [1, "two"] });
    expect(creation).toMatchObject({ code: 0, stderr: "" });
    const { job } = JSON.parse(creation.stdout) as { job: { id: string } };
    const watch = await bufCurl("JobService/WatchJob", { id: job.id });
    expect(watch).toMatchObject({ code: 0, stderr: "" });
    expect(watch.stdout).toContain('"heartbeat"');
    expect(watch.stdout).toContain('"JOB_STATUS_DONE"');
  });

  test("is refused with the reason", async () => {
    const answer = await bufCurl("JobService/GetJob", { id: "1" });
    expect(answer.code).not.toBe(0);
    const { code, details } = JSON.parse(answer.stderr) as { code: string; details: { type: string; value: string }[] };
    expect(code).toBe("not_found");
    expect(details[0]?.type).toBe("google.rpc.ErrorInfo");
    expect(Buffer.from(details[0]?.value ?? "", "base64").toString()).toMatch(/JOB_NOT_FOUND.*gotaskq/s);
  });

  test("works as a worker: leases by a long poll, extends, completes, and fails", async () => {
    const post = (method: string, body: object) => curl("-H", JSON_TYPE, "-d", JSON.stringify(body), address(method));
    const worker = { worker: "curl", types: ["by-curl"], wait: "30s", maxJobs: 2, requestId: "1" };
    const waiting = post("WorkerService/LeaseJobs", worker);
    const id = await created(server, { type: "by-curl" });
    const answer = await waiting;
    expect(answer).toMatchObject({
      status: 200,
      body: { leases: [{ job: { id }, leaseExpiresIn: expect.stringMatching(/^(30|29\.\d+)s$/) }] },
    });
    const { leases } = answer.body as { leases: { leaseToken: string }[] };
    const ref = { jobId: id, leaseToken: leases[0]?.leaseToken };
    const progress = { percent: 10, message: "on it" };
    expect(
      await post("WorkerService/ExtendLeases", { extensions: [{ ...ref, extension: "60s", progress }] }),
    ).toMatchObject({
      body: {
        outcomes: [{ jobId: id, result: "EXTEND_RESULT_OK", leaseExpiresIn: expect.stringMatching(/^(60|59\.\d+)s$/) }],
      },
    });
    expect(await post("WorkerService/CompleteJobs", { completions: [{ ...ref, result: { sum: 3 } }] })).toMatchObject({
      body: { outcomes: [{ jobId: id, result: "SETTLE_RESULT_APPLIED" }] },
    });
    expect(
      await post("WorkerService/FailJobs", { failures: [{ ...ref, error: "x", retryAfter: "5s" }] }),
    ).toMatchObject({
      body: { outcomes: [{ jobId: id, result: "SETTLE_RESULT_LEASE_LOST" }] },
    });
  });
});
