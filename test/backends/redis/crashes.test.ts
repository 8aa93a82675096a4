import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { created, finished, payload, present, reaches } from "../../support/rpc.js";
import { createClients, startTestServer } from "../../support/server.js";
import { type ServerProcess, startServerProcess } from "../../support/server-process.js";
import { GRPC } from "../../support/transports.js";
import { eventually, within } from "../../support/wait.js";
import { newPrefix } from "./support/open.js";

/** The shortest lease there is, ms. */
const LEASE_MS = 1000;

/** How long after the end of a lease its job must run elsewhere, ms, at the latest. */
const LATE_MS = 1000;

let redis: RedisServer;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gotaskq-"));
  redis = await startRedis({ aof: "everysec" });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function environment() {
  return { USE_REDIS: "true", REDIS_URL: redis.url, REDIS_PREFIX: newPrefix(), LEASE_DURATION: `${LEASE_MS}ms` };
}

/** Starts a server process that runs a job which no other server runs. */
async function withRunningJob(env: Readonly<Record<string, string>>, ms: number) {
  const server: ServerProcess = await startServerProcess({ ...env, NUM_WORKERS: "3" }, folder);
  const clients = createClients(GRPC, server.url);
  const id = await created(clients, { type: "sleep", ...{ payloadKind: payload({ ms }) } });
  await reaches(clients, id, JobStatus.RUNNING);
  return { server, id };
}

describe("a server that is gone", () => {
  test("by SIGKILL: its jobs run elsewhere within the lease and a second, and use no retry", async () => {
    const env = environment();
    const { server, id } = await withRunningJob(env, 60_000);
    const other = await startTestServer(env, { handlers: { sleep: () => "by the other" } });
    await server.end("SIGKILL");
    const job = await within(finished(other, id), "the run elsewhere", LEASE_MS + LATE_MS);
    expect(job).toMatchObject({ status: JobStatus.DONE, retryCount: 0, deliveries: 2, lostLeases: 1 });
    expect(job.attemptErrors).toHaveLength(1);
  });

  test("and was the only one that swept: another one takes that over too", async () => {
    const env = environment();
    const { server, id } = await withRunningJob(env, 60_000);
    const clients = createClients(GRPC, server.url);
    const other = await startTestServer(env, { handlers: { sleep: () => {}, echo: () => {} } });
    const later = await created(clients, {
      type: "echo",
      schedule: { case: "delay", value: { seconds: 0n, nanos: 5e8 } },
    });
    await server.end("SIGKILL");
    expect(await within(finished(other, later), "the delayed job", 500 + LATE_MS)).toMatchObject({ lostLeases: 0 });
    expect(await within(finished(other, id), "the job of the dead server")).toMatchObject({ lostLeases: 1 });
  });

  test("frozen past its lease: its jobs run elsewhere, and what it says afterwards is refused and counted", async () => {
    const env = environment();
    const { server, id } = await withRunningJob(env, 1500);
    const other = await startTestServer(env, { handlers: { sleep: () => "by the other" } });
    server.child.kill("SIGSTOP");
    const job = await within(finished(other, id), "the run elsewhere", LEASE_MS + LATE_MS);
    expect(job).toMatchObject({ status: JobStatus.DONE, retryCount: 0, deliveries: 2, revision: 5 });
    server.child.kill("SIGCONT");
    const clients = createClients(GRPC, server.url);
    const next = await created(clients, { type: "sleep", payloadKind: payload({ ms: 1 }) });
    expect(await finished(other, next)).toMatchObject({ status: JobStatus.DONE });
    // The other server's result stands, whatever the frozen one tried.
    expect(present((await other.jobs.getJob({ id })).job)).toEqual(job);
    const counted = async () => {
      const page = await (await fetch(`${server.url}/metrics`)).text();
      return /^gotaskq_active_workers 0$/m.test(page) || undefined;
    };
    await eventually(counted, "the end of the attempt that was lost");
  });

  test("completions with the token of a lease that another server ended are refused and counted", async () => {
    const env = environment();
    const first = await startTestServer({ ...env, NUM_WORKERS: "0" });
    const second = await startTestServer({ ...env, NUM_WORKERS: "0" });
    const id = await created(first, { type: "work" });
    const [stale] = await first.engine.leasing.lease({
      queues: ["default"],
      types: ["work"],
      max: 1,
      leaseMs: 50,
      worker: "stale",
    });
    const again = async () => {
      const [lease] = await second.engine.leasing.lease({
        queues: ["default"],
        types: ["work"],
        max: 1,
        leaseMs: 10_000,
        worker: "current",
      });
      return lease;
    };
    const current = await eventually(again, "the job to be ready again");
    const refused = [{ jobId: id, token: present(stale).token, result: '"stale"' }];
    expect((await first.engine.leasing.complete(refused)).map(({ outcome }) => outcome)).toEqual(["LEASE_LOST"]);
    expect((await second.engine.leasing.complete(refused)).map(({ outcome }) => outcome)).toEqual(["LEASE_LOST"]);
    const applied = [{ jobId: id, token: current.token, result: '"current"' }];
    expect((await first.engine.leasing.complete(applied)).map(({ outcome }) => outcome)).toEqual(["APPLIED"]);
    expect((await second.engine.leasing.complete(applied)).map(({ outcome }) => outcome)).toEqual(["ALREADY_APPLIED"]);
    for (const server of [first, second]) expect(await server.metrics()).toMatch(/^gotaskq_stale_\w+\{.*\} 1$/m);
    expect((await first.jobs.getJob({ id })).job).toMatchObject({ status: JobStatus.DONE, worker: "current" });
  });
});
