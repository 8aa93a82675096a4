import { connect as http2Connect } from "node:http2";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import type { ChangeFilter } from "../../../src/core/port/changes.js";
import { openStreams, untilOpenStreams } from "../../support/metrics.js";
import { created, finished, reading, refusal } from "../../support/rpc.js";
import { type Clients, startTestServer, type TestServer } from "../../support/server.js";
import { CONNECT_JSON, GRPC } from "../../support/transports.js";
import { within } from "../../support/wait.js";
import { envelope, open } from "../../support/wire.js";

/** A type that makes each change more than 1 KB of JSON. */
const FLOOD = `flood ${"\u0001".repeat(122)}`;

const WATCH_JOBS = "/gotaskq.v1.JobService/WatchJobs";

/** Creates that many thousand waiting jobs. */
async function flood({ jobs }: Pick<Clients, "jobs">, thousands: number): Promise<void> {
  const requests = Array.from({ length: 1000 }, () => ({ type: FLOOD }));
  for (let count = 0; count < thousands; count++) await jobs.batchCreateJobs({ requests });
}

/** Counts what watchers read from the change log of a server, and what they read of jobs. */
function countReads({ engine: { backend } }: TestServer) {
  const counts = { calls: 0, byType: 0 };
  const read = backend.read.bind(backend);
  const get = backend.get.bind(backend);
  Object.assign(backend, {
    async read(cursor: string, limit: number, filter: ChangeFilter) {
      counts.calls++;
      const page = await read(cursor, limit, filter);
      if (filter.types?.has(FLOOD)) counts.byType += page.entries.length;
      return page;
    },
    async get(ids: readonly string[]) {
      counts.calls++;
      return get(ids);
    },
  });
  return counts;
}

/** Watches over a bare connection and stops reading it after the first bytes. */
async function pausedWatch(server: TestServer): Promise<Socket> {
  const body = envelope(JSON.stringify({ types: [FLOOD] }));
  const socket = await open(server.port);
  const head = [
    `POST ${WATCH_JOBS} HTTP/1.1`,
    "host: localhost",
    "content-type: application/connect+json",
    `content-length: ${body.length}`,
  ];
  socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]));
  await within(new Promise((resolve) => socket.once("data", resolve)), "the heartbeat");
  socket.pause();
  return socket;
}

describe("a reader that stops reading", () => {
  test("is not read for, slows nobody, and is gone when its connection is", async () => {
    const server = await startTestServer();
    const reads = countReads(server);
    const slow = await pausedWatch(server);
    const leave = new AbortController();
    const fast = reading(server.jobs.watchJobs({}, { signal: leave.signal }));
    await fast.next();
    expect(await openStreams(server)).toBe(2);
    const thousands = 16;
    const flooding = flood(server, thousands);
    for (let count = 0; count < thousands * 1000; count++) await fast.next();
    await flooding;
    // The buffers of the two sockets hold some, and one page of the log was read.
    expect(reads.byType).toBeLessThan(thousands * 600);
    expect(reads.byType).toBeGreaterThan(0);
    slow.destroy();
    await untilOpenStreams(server, 1);
    leave.abort();
    await untilOpenStreams(server, 0);
    const before = reads.calls;
    await flood(server, 1);
    expect(reads.calls).toBe(before);
  });

  test("is told to list again when what it missed is not kept any more", async () => {
    const server = await startTestServer({ CHANGE_LOG_SIZE: "1000" });
    const watch = reading(server.jobs.watchJobs({}));
    await watch.next();
    await flood(server, 20);
    const end = refusal(watch.rest());
    expect(await end).toMatchObject({ code: "OUT_OF_RANGE", reason: "WATCH_COMPACTED" });
    await untilOpenStreams(server, 0);
  });

  test("of one job gets its latest state when it reads again", async () => {
    const server = await startTestServer(
      { BASE_DELAY: "0" },
      {
        handlers: {
          stubborn: (job) => {
            if (job.retryCount < 100) throw new Error("x".repeat(8000));
            return "at last";
          },
        },
      },
    );
    const id = await created(server, { type: "stubborn", maxRetries: 100 });
    const watch = reading(server.jobs.watchJob({ id }));
    await watch.next();
    await finished(server, id);
    const messages = await watch.rest();
    const revisions = messages.map(({ event }) => (event.case === "job" ? event.value.revision : 0));
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    expect(messages.at(-1)?.event.value).toMatchObject({ status: JobStatus.DONE, retryCount: 100 });
    await untilOpenStreams(server, 0);
  });
});

describe.each([GRPC, CONNECT_JSON])("readers over $name that leave", (kind) => {
  test("leave no watch behind, whenever they leave", async () => {
    const server = await startTestServer();
    const { jobs, queues } = server.connect(kind);
    const reads = countReads(server);
    const id = await created(server, { type: "unknown-to-all" });
    const readers = Array.from({ length: 40 }, () => new AbortController());
    const streams = readers.flatMap(({ signal }) => [
      reading<unknown>(jobs.watchJob({ id }, { signal })),
      reading<unknown>(jobs.watchJobs({}, { signal })),
      reading<unknown>(queues.watchQueues({}, { signal })),
    ]);
    await Promise.all(streams.map((stream) => stream.next()));
    expect(await openStreams(server)).toBe(120);
    // These leave before they are answered.
    const early = Array.from({ length: 20 }, () => new AbortController());
    const unanswered = early.map(({ signal }) => refusal(reading(jobs.watchJobs({}, { signal })).rest()));
    for (const controller of early) controller.abort();
    for (const end of unanswered) expect(await end).toMatchObject({ code: "CANCELED" });
    for (const reader of readers) reader.abort();
    for (const stream of streams) expect(await refusal(stream.rest())).toMatchObject({ code: "CANCELED" });
    await untilOpenStreams(server, 0);
    const before = reads.calls;
    await server.jobs.cancelJob({ id });
    await flood(server, 1);
    expect(reads.calls).toBe(before);
  });
});

test("a connection that breaks takes all its streams with it", async () => {
  const server = await startTestServer();
  const socket = await open(server.port);
  const session = http2Connect(server.url, { createConnection: () => socket });
  session.on("error", () => {});
  const body = envelope("");
  const answered = Array.from({ length: 50 }, () => {
    const stream = session.request({ ":method": "POST", ":path": WATCH_JOBS, "content-type": "application/grpc" });
    stream.on("error", () => {});
    stream.end(body);
    return new Promise<void>((resolve) => stream.once("data", () => resolve()));
  });
  await within(Promise.all(answered), "the heartbeats");
  expect(await openStreams(server)).toBe(50);
  socket.resetAndDestroy();
  await untilOpenStreams(server, 0);
  expect(await finished(server, await created(server, { type: "echo" }))).toMatchObject({ status: JobStatus.DONE });
});
