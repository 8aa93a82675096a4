import { connect as http2Connect } from "node:http2";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { SettleResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { FakeClock } from "../../support/fake-clock.js";
import { untilOpenStreams } from "../../support/metrics.js";
import { created, finished, payload, present, reaches, refusal } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { GRPC_WEB, TRANSPORTS } from "../../support/transports.js";
import { eventually, within } from "../../support/wait.js";
import { envelope, open } from "../../support/wire.js";
import { leasedIds, refOf, streamJobs, WORKER } from "../../support/worker.js";

const STREAM_JOBS = "/gotaskq.v1.WorkerService/StreamJobs";

/** A worker on a bare connection that stops reading after the first bytes. */
async function rawWorker(server: TestServer, maxInFlight: number) {
  const body = envelope(JSON.stringify({ ...WORKER, maxInFlight }));
  const socket = await open(server.port);
  const head = [
    `POST ${STREAM_JOBS} HTTP/1.1`,
    "host: localhost",
    "content-type: application/connect+json",
    `content-length: ${body.length}`,
  ];
  socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]));
  await within(new Promise((resolve) => socket.once("data", resolve)), "the session");
  return socket;
}

const running = async (server: TestServer) => {
  const { queue } = await server.queues.getQueue({ name: "default" });
  return present(queue?.stats).running;
};

describe("a worker that vanishes in the middle of a job", () => {
  test("gives it back after 10 s as lost, to another, with no retry used", async () => {
    const clock = new FakeClock();
    const server = await startTestServer({}, { clock });
    const socket = await rawWorker(server, 1);
    const id = await created(server, { type: "work" });
    await reaches(server, id, JobStatus.RUNNING);
    const other = await streamJobs(server, { worker: "other" });
    await untilOpenStreams(server, 2);
    socket.resetAndDestroy();
    await untilOpenStreams(server, 1);
    await clock.advance(9999);
    expect(await running(server)).toBe(1);
    await clock.advance(1);
    const lease = await other.nextLease();
    expect(lease.job).toMatchObject({ id, worker: "other", deliveries: 2, retryCount: 0, lostLeases: 1 });
  });

  test("keeps it when it extends its lease within that time", async () => {
    const clock = new FakeClock();
    const server = await startTestServer({}, { clock });
    const stream = await streamJobs(server);
    const id = await created(server, { type: "work" });
    const lease = await stream.nextLease();
    stream.leave();
    await untilOpenStreams(server, 0);
    await clock.advance(9000);
    await server.workers.extendLeases({ extensions: [{ ...refOf(lease), extension: durationFromMs(30_000) }] });
    await clock.advance(20_000);
    expect((await server.workers.completeJobs({ completions: [refOf(lease)] })).outcomes).toMatchObject([
      { result: SettleResult.APPLIED },
    ]);
    expect(await finished(server, id)).toMatchObject({ status: JobStatus.DONE, deliveries: 1 });
  });
});

describe("a worker that stands still for longer than its lease", () => {
  test("is answered LEASE_LOST, and changes nothing of what the next one does", async () => {
    const clock = new FakeClock();
    const server = await startTestServer({}, { clock });
    const id = await created(server, { type: "work" });
    const lease = { lease: durationFromMs(1000) };
    const { leases } = await server.workers.leaseJobs({ ...WORKER, ...lease });
    await clock.advance(1100);
    const second = await server.workers.leaseJobs({ ...WORKER, worker: "second" });
    expect(leasedIds(second.leases)).toEqual([id]);
    const late = present(leases[0]);
    const completions = [{ ...refOf(late), resultKind: { case: "result" as const, value: payload("late").value } }];
    const { outcomes } = await server.workers.completeJobs({ completions });
    expect(outcomes).toMatchObject([{ result: SettleResult.LEASE_LOST }]);
    const { job } = await server.jobs.getJob({ id });
    expect(job).toMatchObject({ status: JobStatus.RUNNING, worker: "second", resultKind: { case: undefined } });
    expect(await server.metrics()).toContain('gotaskq_stale_writes_total{kind="complete"} 1');
  });
});

describe("a poll whose caller goes away while it waits", () => {
  test.each(TRANSPORTS)("is leased nothing, over $name", async (kind) => {
    const server = await startTestServer();
    const leave = new AbortController();
    const request = { ...WORKER, wait: durationFromMs(60_000) };
    const gone = refusal(
      server.connect(kind).workers.leaseJobs({ ...request, worker: "gone" }, { signal: leave.signal }),
    );
    const isListed = async () => ((await server.info.listWorkers({})).workers.length > 1 ? true : undefined);
    await eventually(isListed, "the poll under way");
    leave.abort();
    expect(await gone).toMatchObject({ code: "CANCELED" });
    const ended = /gotaskq_rpc_duration_seconds_count\{method="gotaskq.v1.WorkerService\/LeaseJobs",code="\w+"\} 1/;
    await eventually(async () => (ended.test(await server.metrics()) ? true : undefined), "its end at the server");
    const id = await created(server, { type: "work" });
    const { leases } = await server.workers.leaseJobs(request);
    expect(leasedIds(leases)).toEqual([id]);
    expect(leases[0]?.job?.deliveries).toBe(1);
  });
});

describe("a reader that stops reading", () => {
  const JOBS = 120;

  /** A worker over HTTP/2 that reads nothing after its first message. */
  async function pausedHttp2(server: TestServer) {
    const session = http2Connect(server.url);
    const headers = { ":method": "POST", ":path": STREAM_JOBS, "content-type": "application/grpc+json" };
    const stream = session.request(headers);
    stream.end(envelope(JSON.stringify({ ...WORKER, maxInFlight: 1000 })));
    await within(new Promise((resolve) => stream.once("data", resolve)), "the session");
    stream.pause();
    return () => session.destroy();
  }

  /** The same over HTTP/1.1. */
  async function pausedHttp1(server: TestServer) {
    const socket = await rawWorker(server, 1000);
    socket.pause();
    return () => void socket.destroy();
  }

  test.each([
    ["HTTP/1.1", pausedHttp1],
    ["HTTP/2", pausedHttp2],
  ])("is leased no more than its buffers take, over %s", async (_, pausedWorker) => {
    const server = await startTestServer();
    const leave = await pausedWorker(server);
    const requests = Array.from({ length: 6 }, () => ({ type: "work", payloadKind: payload("x".repeat(500_000)) }));
    for (let made = 0; made < JOBS; made += 6) await server.jobs.batchCreateJobs({ requests });
    // Another worker runs all the rest.
    const other = await streamJobs(server, { worker: "other", maxInFlight: 1 });
    let done = 0;
    const isOver = async () => {
      const { queue } = await server.queues.getQueue({ name: "default" });
      return present(queue?.stats).ready === 0 ? true : undefined;
    };
    while ((await isOver()) === undefined) {
      await server.workers.completeJobs({ completions: [refOf(await other.nextLease())] });
      done++;
    }
    // The sockets of this machine hold some of the 60 MB.
    expect(done).toBeGreaterThan(JOBS / 2);
    leave();
    other.leave();
  });
});

describe("a server that drains", () => {
  test("tells streams and polls, refuses new ones, and takes completions to the end", async () => {
    const server = await startTestServer({ SHUTDOWN_TIMEOUT: "60s" });
    const web = server.connect(GRPC_WEB);
    const stream = await streamJobs(server);
    const id = await created(server, { type: "work" });
    const lease = await stream.nextLease();
    const idle = await streamJobs(web, { types: ["other"] });
    const poll = refusal(web.workers.leaseJobs({ ...WORKER, wait: durationFromMs(60_000) }));
    await untilOpenStreams(server, 2);
    const watch = finished(server, id);
    await untilOpenStreams(server, 3);
    const stopping = server.stop();
    expect((await stream.next()).event).toMatchObject({ case: "drain", value: { closesIn: { seconds: 60n } } });
    expect(await poll).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING", retryMs: 1000 });
    expect((await idle.next()).event.case).toBe("drain");
    expect(await refusal(idle.rest())).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING" });
    expect(await refusal(web.workers.leaseJobs(WORKER))).toMatchObject({ reason: "SERVER_DRAINING" });
    expect(await refusal(streamJobs(web))).toMatchObject({ reason: "SERVER_DRAINING" });
    const extensions = [{ ...refOf(lease), extension: durationFromMs(60_000) }];
    expect((await server.workers.extendLeases({ extensions })).outcomes).toHaveLength(1);
    const { outcomes } = await server.workers.completeJobs({ completions: [refOf(lease)] });
    expect(outcomes).toMatchObject([{ result: SettleResult.APPLIED }]);
    expect(await watch).toMatchObject({ status: JobStatus.DONE });
    expect(await refusal(stream.rest())).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING" });
    await stopping;
  });
});
