import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { present, reaches, reading, refusal } from "../../support/rpc.js";
import { createClients } from "../../support/server.js";
import { startServerProcess } from "../../support/server-process.js";
import { TRANSPORTS } from "../../support/transports.js";
import { http1 } from "../../support/wire.js";

/** What stands in everything that must be in no line of the log. */
const SECRET = "xyzzy-Secret";

const HANDLERS = `
  const result = { result: "${SECRET}-result" };
  export default {
    done: (job, { progress }) => { progress(50, "half"); return result; },
    fails: (job) => { throw new Error("it failed as handlers fail"); },
    strange: (job) => new Map([["${SECRET}-map", 1]]),
    slow: (job, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
  };`;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
  await writeFile(join(folder, "handlers.mjs"), HANDLERS);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const secretValue = (what: string) =>
  create(ValueSchema, { kind: { case: "stringValue", value: `${SECRET}-${what}` } });

test("payloads, results, metadata, lease tokens and headers are in no line of the log, whatever becomes of a job", async () => {
  const server = await startServerProcess(
    { LOG_LEVEL: "trace", HANDLERS: "./handlers.mjs", LEASE_DURATION: "1s" },
    folder,
  );
  const hash = createHash("sha256").update(SECRET).digest("hex");
  const headers = { authorization: `Bearer ${SECRET}-bearer`, cookie: `a=${SECRET}-cookie`, "x-request-id": "mine" };
  const tokens: string[] = [];
  for (const kind of TRANSPORTS) {
    const { jobs, workers, dlq } = createClients(kind, server.url);
    const options = { headers };
    const spec = (type: string) => ({
      ...{ type, maxRetries: 0, requestId: `${SECRET}-${kind.name}-${type}` },
      payloadKind: { case: "payload" as const, value: secretValue("payload") },
      metadata: { key: `${SECRET}-metadata`, hash },
    });
    const add = async (type: string) => present((await jobs.createJob(spec(type), options)).job).id;
    // Success, failure, a result that is none, a timeout, a cancel; made twice, and with another content.
    const ids = { done: await add("done"), fails: await add("fails"), strange: await add("strange") };
    const slow = await add("slow");
    const late = await jobs.createJob(
      { ...spec("slow"), requestId: "", timeout: { seconds: 0n, nanos: 1_000_000 } },
      options,
    );
    await add("done");
    await refusal(jobs.createJob({ ...spec("done"), priority: 3 }, options));
    await refusal(
      jobs.createJob({ ...spec(""), priority: 99, metadata: { [`${SECRET}-key`]: SECRET.repeat(1000) } }, options),
    );
    await reaches({ jobs }, slow, JobStatus.RUNNING);
    await jobs.cancelJob({ id: slow }, options);
    for (const id of [...Object.values(ids), slow, present(late.job).id])
      await reading(jobs.watchJob({ id }, options)).rest();
    await jobs.listJobs({ filter: { metadata: { key: `${SECRET}-metadata` } } }, options);
    await refusal(jobs.listJobs({ pageToken: `${SECRET}-page` }, options));
    await refusal(reading(jobs.watchJobs({ cursor: `${SECRET}-cursor` }, options)).rest());
    await dlq.replayDeadJob({ id: ids.fails }, options);
    await reading(jobs.watchJob({ id: ids.fails }, options)).rest();

    // A worker elsewhere: a result, a failure, a lease that is over, one that is lost.
    const outer = { ...spec("outer"), requestId: "" };
    await jobs.batchCreateJobs({ requests: [outer, outer, outer] }, options);
    const { leases } = await workers.leaseJobs(
      { worker: "w", types: ["outer"], maxJobs: 3, lease: { seconds: 1n } },
      options,
    );
    const refs = leases.map(({ job, leaseToken }) => ({ jobId: job?.id ?? "", leaseToken }));
    tokens.push(...refs.map(({ leaseToken }) => leaseToken));
    const [first, second, third] = refs.map(present);
    const result = { case: "result" as const, value: secretValue("result") };
    await workers.completeJobs({ completions: [{ ...present(first), resultKind: result }] }, options);
    await workers.failJobs({ failures: [{ ...present(second), error: "no luck" }] }, options);
    await workers.completeJobs({ completions: [{ ...present(second), resultKind: result }] }, options);
    await jobs.cancelJob({ id: present(third).jobId }, options);
    await reading(jobs.watchJob({ id: present(third).jobId }, options)).rest();
  }
  // What cannot be read, on both paths, and pages.
  const json = { "content-type": "application/json", ...headers };
  for (const body of [`{"payload":"${SECRET}`, `{"${SECRET}":1}`, `{"type":{"${SECRET}":1}}`, "\u0000"]) {
    await http1(server.url, { path: "/gotaskq.v1.JobService/CreateJob", headers: json, body });
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    await http1(server.url, { path, headers: { ...json, "content-type": "application/connect+json" }, body });
  }
  const message = encodeURIComponent(`{"id":"${SECRET}"}`);
  for (const path of [
    `/gotaskq.v1.JobService/GetJob?encoding=json&message=${message}`,
    `/nothing?token=${SECRET}`,
    `/metrics?${SECRET}`,
  ]) {
    await http1(server.url, { method: "GET", path, headers });
  }
  expect(await server.end()).toBe(0);
  const output = server.output();
  for (const line of output.split("\n")) expect(line, line).not.toContain(SECRET);
  expect(output).not.toContain(hash);
  expect(tokens.length).toBeGreaterThan(0);
  for (const token of tokens) expect(output).not.toContain(token);
  // It was told of all of it.
  for (const said of [
    "a job was created",
    "a job was settled",
    "an attempt failed",
    "a job is dead",
    "a lease was lost",
  ]) {
    expect(output).toContain(said);
  }
  expect(output).toContain('"reason":"REQUEST_ID_REUSED"');
}, 60_000);

test("tokens of callers are in no line of the log, good, bad or ended", async () => {
  const good = `${SECRET}-good-0123456789`;
  const ended = `${SECRET}-ended-0123456789`;
  const tokens = `name=shop token=${good} scopes=read; name=old token=${ended} scopes=read ends_at=2020-01-01`;
  const server = await startServerProcess({ LOG_LEVEL: "trace", AUTH_TOKENS: tokens }, folder);
  const ask = (token: string, method: string) =>
    http1(server.url, {
      path: `/gotaskq.v1.${method}`,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: "{}",
    });
  expect((await ask(good, "ServerService/GetServerInfo")).status).toBe(200);
  expect((await ask(good, "QueueService/PurgeQueue")).status).toBe(403);
  for (const token of [ended, `${SECRET}-unknown-012345`, `${SECRET} bad`]) {
    for (let count = 0; count < 20; count++) await ask(token, "ServerService/GetServerInfo");
  }
  expect(await server.end()).toBe(0);
  expect(server.output()).toContain('"caller":"shop"');
  expect(server.output()).toContain('"reason":"TOKEN_INVALID"');
  for (const secret of [good, ended]) {
    expect(server.output()).not.toContain(createHash("sha256").update(secret).digest("hex"));
  }
  for (const line of server.output().split("\n")) expect(line, line).not.toContain(SECRET);
}, 60_000);

test("passwords and tokens of a configuration are in no line of the log, good or bad", async () => {
  const bad = { USE_REDIS: "true", AUTH_TOKENS: `${SECRET}-token`, TLS_KEY: `-----BEGIN ${SECRET}` };
  for (const url of [
    `redis://me:${SECRET}@127.0.0.1:1`,
    `redis://me:${SECRET}/@host`,
    `rediss://:${SECRET}@127.0.0.1:1/0`,
  ]) {
    const env = { ...(url.endsWith("host") ? bad : { USE_REDIS: "true" }), REDIS_URL: url, LOG_LEVEL: "trace" };
    const failed = await startServerProcess(env, folder).catch((error: Error) => error.message);
    expect(failed).toMatch(/"level":"fatal"/);
    expect(failed).not.toContain(SECRET);
  }
}, 60_000);
