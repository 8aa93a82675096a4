import { type ClientHttp2Stream, connect } from "node:http2";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { FakeClock } from "../../support/fake-clock.js";
import { untilOpenStreams } from "../../support/metrics.js";
import { created, payload, reaches } from "../../support/rpc.js";
import { startTestServer, type TestServer } from "../../support/server.js";
import { eventually, within } from "../../support/wait.js";
import { envelope } from "../../support/wire.js";
import { WORKER } from "../../support/worker.js";

const LEASE_MS = 3000;
const LARGE = { type: "work", payloadKind: payload("x".repeat(1_000_000)) };

const atEnd: (() => void)[] = [];
afterEach(() => {
  for (const end of atEnd.splice(0)) end();
});

/** A call, and when the head of its answer has come. */
interface SlowCall {
  readonly stream: ClientHttp2Stream;
  readonly answered: Promise<unknown>;
}

/** A call over HTTP/2 that reads nothing: the client's window, 64 KiB, is all that leaves the server. */
function slowCall(server: TestServer, method: string, type: string, body: Uint8Array | string): SlowCall {
  const session = connect(server.url);
  atEnd.push(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": `/gotaskq.v1.WorkerService/${method}`,
    "content-type": type,
  });
  stream.on("error", () => {});
  stream.pause();
  stream.end(body);
  return {
    stream,
    answered: within(new Promise((resolve) => stream.once("response", resolve)), "the head of the answer"),
  };
}

const openStream = (server: TestServer) =>
  slowCall(
    server,
    "StreamJobs",
    "application/grpc+json",
    envelope(JSON.stringify({ ...WORKER, maxInFlight: 5, lease: `${LEASE_MS / 1000}s` })),
  );

const openPoll = (server: TestServer, more: object = {}) =>
  slowCall(
    server,
    "LeaseJobs",
    "application/json",
    JSON.stringify({ ...WORKER, maxJobs: 5, lease: `${LEASE_MS / 1000}s`, ...more }),
  );

/** Resolves to the whole body, once the server has ended it or, with `until`, when so many bytes came. */
async function bodyOf(stream: ClientHttp2Stream, until = Number.POSITIVE_INFINITY): Promise<string> {
  let body = "";
  stream.setEncoding("utf8");
  await within(
    new Promise<void>((resolve) => {
      stream.on("data", (text: string) => {
        body += text;
        if (body.length >= until) resolve();
      });
      stream.on("end", resolve);
      stream.resume();
    }),
    "the body",
  );
  return body;
}

const jobOf = async (server: TestServer, id: string) => (await server.jobs.getJob({ id })).job;

const CALLS = { stream: openStream, poll: openPoll } as const;

/** A server with one large job, which this kind of call has got and does not read. */
async function leasedBy(kind: keyof typeof CALLS) {
  const clock = new FakeClock();
  const server = await startTestServer({}, { clock });
  const id = await created(server, LARGE);
  const call = CALLS[kind](server);
  await reaches(server, id, JobStatus.RUNNING);
  return { clock, server, id, call };
}

describe("a large job on a slow link", () => {
  test.each(Object.keys(CALLS) as (keyof typeof CALLS)[])(
    "waits on a %s for ten leases, and loses none",
    async (kind) => {
      const { clock, server, id, call } = await leasedBy(kind);
      await clock.advance(10 * LEASE_MS);
      expect(await jobOf(server, id)).toMatchObject({ status: JobStatus.RUNNING, deliveries: 1, lostLeases: 0 });
      const body = await bodyOf(call.stream, 1_000_000);
      const leaseToken = /"leaseToken":\s*"([^"]+)"/.exec(body)?.[1] ?? "";
      const { outcomes } = await server.workers.extendLeases({ extensions: [{ jobId: id, leaseToken }] });
      expect(outcomes).toMatchObject([{ jobId: id }]);
      // It began anew when the worker had it.
      await eventually(async () => {
        const { outcomes: now } = await server.workers.extendLeases({ extensions: [{ jobId: id, leaseToken }] });
        return (now[0]?.leaseExpiresIn?.seconds ?? 0n) >= 2n ? true : undefined;
      }, "a whole lease");
    },
  );

  test.each(Object.keys(CALLS) as (keyof typeof CALLS)[])(
    "is given back at once when its %s breaks, uncounted",
    async (kind) => {
      const { server, id, call } = await leasedBy(kind);
      await call.answered;
      call.stream.destroy();
      await reaches(server, id, JobStatus.PENDING);
      expect(await jobOf(server, id)).toMatchObject({ deliveries: 1, lostLeases: 0, retryCount: 0, error: "" });
    },
  );

  test("in the answer to a poll with a request id is kept for its repeat, and then given back uncounted", async () => {
    const clock = new FakeClock();
    const server = await startTestServer({}, { clock });
    const id = await created(server, LARGE);
    const call = openPoll(server, { requestId: "r" });
    await reaches(server, id, JobStatus.RUNNING);
    await call.answered;
    call.stream.destroy();
    const again = { ...WORKER, maxJobs: 5, lease: durationFromMs(LEASE_MS), requestId: "r" };
    const { leases } = await server.workers.leaseJobs(again);
    expect(leases.map(({ job }) => job?.id)).toEqual([id]);
    expect(leases[0]?.job?.deliveries).toBe(1);
    // The worker has it now, and lets it run out.
    await clock.advance(LEASE_MS + 500);
    expect(await jobOf(server, id)).toMatchObject({ status: JobStatus.PENDING, lostLeases: 1 });
  });
});

test("the answer to a poll for many large jobs has as many as fit into a client's message", async () => {
  const server = await startTestServer();
  for (let count = 0; count < 6; count++) await created(server, LARGE);
  const all = new Set<string>();
  while (all.size < 6) {
    const { leases } = await server.workers.leaseJobs({ ...WORKER, maxJobs: 1000 });
    expect(leases).toHaveLength(1);
    for (const { job } of leases) all.add(job?.id ?? "");
  }
});

test("a job that ends its worker each time is dead after MAX_LOST_LEASES of them", async () => {
  const clock = new FakeClock();
  const server = await startTestServer({ MAX_LOST_LEASES: "1" }, { clock });
  const id = await created(server, { type: "work" });
  for (let crash = 0; crash < 2; crash++) {
    const call = openStream(server);
    call.stream.resume();
    await reaches(server, id, JobStatus.RUNNING);
    await untilOpenStreams(server, 1);
    call.stream.destroy();
    await untilOpenStreams(server, 0);
    await clock.advance(10_000);
  }
  expect(await jobOf(server, id)).toMatchObject({ status: JobStatus.DEAD, lostLeases: 2, retryCount: 0 });
});
