import { readFileSync } from "node:fs";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { WorkerKind } from "../../../gen/gotaskq/v1/server_service_pb.js";
import { created, payload, present, reaches, refusal } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { TRANSPORTS } from "../../support/transports.js";
import { streamJobs, WORKER } from "../../support/worker.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ NODE_ID: "7", LEASE_DURATION: "20s", NUM_WORKERS: "3" });
});

describe("ServerService", () => {
  test.each(TRANSPORTS)("tells what the server is, over $name", async (kind) => {
    const info = await server.connect(kind).info.getServerInfo({});
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(info).toMatchObject({ version, backend: "memory", durable: false, nodeId: 7, draining: false });
    expect(durationMs(present(info.uptime))).toBeGreaterThan(0);
    expect(info.limits).toMatchObject({
      batch: 1000,
      payloadBytes: 1024 * 1024,
      maxInFlight: 1000,
      maxStreams: 20_000,
    });
    expect(info.limits).toMatchObject({ defaultLease: { seconds: 20n }, wait: { seconds: 60n } });
  });

  test("lists the built-in workers and the remote ones, with what they take and run", async () => {
    const sleeping = await created(server, { type: "sleep", payloadKind: payload({ ms: 3_600_000 }) });
    await reaches(server, sleeping, JobStatus.RUNNING);
    const stream = await streamJobs(server, {
      worker: "s",
      queues: ["default"],
      types: ["work", "other"],
      maxInFlight: 9,
    });
    const id = await created(server, { type: "work" });
    await stream.nextLease();
    await server.workers.leaseJobs({ ...WORKER, worker: "p", types: ["third"], maxJobs: 4 });
    const { workers, nextPageToken } = await server.info.listWorkers({});
    expect(workers).toMatchObject([
      {
        kind: WorkerKind.BUILT_IN,
        types: ["logger", "echo", "sleep", "fail"],
        queues: [],
        capacity: 3,
        running: 1,
        jobIds: [sleeping],
      },
      {
        kind: WorkerKind.STREAM,
        name: "s",
        queues: ["default"],
        types: ["work", "other"],
        capacity: 9,
        running: 1,
        jobIds: [id],
        lease: { seconds: 20n },
      },
      { kind: WorkerKind.POLL, name: "p", types: ["third"], capacity: 4, running: 0, jobIds: [] },
    ]);
    expect(nextPageToken).toBe("");
    const first = await server.info.listWorkers({ pageSize: 2 });
    const second = await server.info.listWorkers({ pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.workers, ...second.workers]).toEqual(workers);
    expect(second.nextPageToken).toBe("");
    const page = await server.metrics();
    expect(page).toContain('gotaskq_remote_workers{kind="stream"} 1');
    expect(page).toContain('gotaskq_remote_workers{kind="poll"} 1');
    stream.leave();
  });

  test("refuses a page that cannot be", async () => {
    expect(await refusal(server.info.listWorkers({ pageSize: 1001 }))).toMatchObject({ fields: ["page_size"] });
    expect(await refusal(server.info.listWorkers({ pageToken: "x" }))).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
  });
});
