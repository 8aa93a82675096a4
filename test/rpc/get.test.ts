import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../support/server.js";
import { http1 } from "../support/wire.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NUM_WORKERS: "0" });
});

/** Reads by GET, with a message in JSON. */
async function read(method: string, message: string, { headers = {}, query = {} } = {}) {
  const parameters = new URLSearchParams({ connect: "v1", encoding: "json", message, ...query });
  const answer = await http1(server.url, { method: "GET", path: `/gotaskq.v1.${method}?${parameters}`, headers });
  return { status: answer.status, body: JSON.parse(String(answer.body)) };
}

const violations = (body: { details?: { debug?: { fieldViolations?: { field: string; description: string }[] } }[] }) =>
  body.details?.flatMap(({ debug }) => debug?.fieldViolations ?? []);

test.each([
  ["an enum", "JobService/ListJobs", '{"statuses":["NOPE"]}', "statuses[0]", /one of JOB_STATUS_PENDING/],
  ["a number", "JobService/ListJobs", '{"pageSize":"many"}', "pageSize", /whole number/],
  ["a name", "JobService/GetJob", '{"no":1}', "no", /not a field of GetJobRequest/],
  ["a range", "DlqService/ListDeadJobs", '{"pageSize":-1}', "pageSize", /from 0 to 1000/],
])("a read by GET names the bad field, and says what is wanted: %s", async (_what, method, message, field, wanted) => {
  const { status, body } = await read(method, message);
  expect(status).toBe(400);
  expect(violations(body)).toEqual([expect.objectContaining({ field, description: expect.stringMatching(wanted) })]);
});

test("a read by GET loses no key of a payload or of metadata", async () => {
  const job = '{"type":"a","payload":{"__proto__":{"x":1}},"metadata":{"__proto__":"y"}}';
  const headers = { "content-type": "application/json" };
  const created = { method: "POST", path: "/gotaskq.v1.JobService/CreateJob", headers, body: Buffer.from(job) };
  const { id } = JSON.parse(String((await http1(server.url, created)).body)).job;
  const { body } = await read("JobService/GetJob", JSON.stringify({ id }));
  expect(JSON.stringify(body.job.payload)).toBe('{"__proto__":{"x":1}}');
  expect(JSON.stringify(body.job.metadata)).toBe('{"__proto__":"y"}');
});

test("a read by GET whose deadline has passed is not run, and one that is far away is taken", async () => {
  const within = (ms: number) => read("JobService/ListJobs", "{}", { headers: { "connect-timeout-ms": String(ms) } });
  expect((await within(0)).body.code).toBe("deadline_exceeded");
  expect((await within(30 * 24 * 3600 * 1000)).status).toBe(200);
});

test("the limits of a message hold for a GET that is compressed in its URL", async () => {
  const message = gzipSync(`{"statuses":[${"1,".repeat(1_000_000)}1]}`).toString("base64url");
  const { status, body } = await read("JobService/ListJobs", message, { query: { compression: "gzip", base64: "1" } });
  expect(status).toBe(400);
  expect(violations(body)).toEqual([expect.objectContaining({ description: expect.stringMatching(/at most/) })]);
});
