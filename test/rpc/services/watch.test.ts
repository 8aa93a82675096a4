import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import type { WatchJobResponse, WatchJobsResponse } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { FakeClock } from "../../support/fake-clock.js";
import { created, finished, payload, present, reaches, reading, refusal } from "../../support/rpc.js";
import { type Clients, newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { type Signal, signal } from "../../support/signal.js";
import { CONNECT_JSON, GRPC, TRANSPORTS } from "../../support/transports.js";

const { PENDING, RUNNING, DONE, CANCELED } = JobStatus;

let server: TestServer;
let release: Signal = signal();

beforeAll(async () => {
  server = await startTestServer(
    { NUM_WORKERS: "200" },
    { handlers: { echo: (job) => job.payload, held: () => release.fired } },
  );
});

/** The states in messages of WatchJob: status and revision. */
function states(messages: readonly WatchJobResponse[]): [JobStatus, number][] {
  return messages.flatMap(({ event }) => (event.case === "job" ? [[event.value.status, event.value.revision]] : []));
}

/** The changes in messages of WatchJobs: job, status and revision. */
function changes(messages: readonly WatchJobsResponse[]): [string, JobStatus, number][] {
  return messages.flatMap(({ event }) =>
    event.case === "change" ? [[event.value.jobId, event.value.status, event.value.revision]] : [],
  );
}

describe.each([GRPC, CONNECT_JSON])("WatchJob over $name", (kind) => {
  const prefix = `watch-${TRANSPORTS.indexOf(kind)}`;
  let clients: Clients;

  beforeAll(() => {
    clients = server.connect(kind);
  });

  test("of a job that does not run yet tells every state", async () => {
    const queue = await newQueue(server, `${prefix}-before`);
    await server.queues.pauseQueue({ name: queue });
    const id = await created(clients, { queue, type: "echo", payloadKind: payload("x") });
    const watch = reading(clients.jobs.watchJob({ id }));
    expect((await watch.next()).event.case).toBe("heartbeat");
    expect(states([await watch.next()])).toEqual([[PENDING, 1]]);
    await server.queues.resumeQueue({ name: queue });
    const rest = await watch.rest();
    expect(states(rest)).toEqual([
      [RUNNING, 2],
      [DONE, 3],
    ]);
    expect(rest.at(-1)?.event.value).toEqual((await clients.jobs.getJob({ id })).job);
  });

  test("of a running job tells its state now and what follows", async () => {
    release = signal();
    const id = await created(clients, { type: "held" });
    await reaches(server, id, RUNNING);
    const watch = reading(clients.jobs.watchJob({ id }));
    expect(states([await watch.next(), await watch.next()])).toEqual([[RUNNING, 2]]);
    release.fire();
    expect(states(await watch.rest())).toEqual([[DONE, 3]]);
  });

  test("of a job that has ended tells its last state and ends", async () => {
    const id = await created(clients, { type: "echo" });
    await finished(server, id);
    const messages = await reading(clients.jobs.watchJob({ id })).rest();
    expect(messages.map(({ event }) => event.case)).toEqual(["heartbeat", "job"]);
    expect(states(messages)).toEqual([[DONE, 3]]);
  });

  test("ends when the job is canceled", async () => {
    const id = await created(clients, { type: "unknown-to-all" });
    const watch = reading(clients.jobs.watchJob({ id }));
    await watch.next();
    await watch.next();
    await clients.jobs.cancelJob({ id });
    expect(states(await watch.rest())).toEqual([[CANCELED, 2]]);
  });

  test("ends when the job is deleted", async () => {
    const queue = await newQueue(server, `${prefix}-deleted`);
    const id = await created(clients, { queue, type: "unknown-to-all" });
    const watch = reading(clients.jobs.watchJob({ id }));
    expect(states([await watch.next(), await watch.next()])).toEqual([[PENDING, 1]]);
    await clients.queues.purgeQueue({ name: queue });
    expect(states(await watch.rest())).toEqual([]);
  });
});

describe.each([GRPC, CONNECT_JSON])("WatchJobs over $name", (kind) => {
  const prefix = `changes-${TRANSPORTS.indexOf(kind)}`;
  let clients: Clients;

  beforeAll(() => {
    clients = server.connect(kind);
  });

  test("tells only what matches queues, types and statuses", async () => {
    const [queue, other] = [await newQueue(server, `${prefix}-a`), await newQueue(server, `${prefix}-b`)];
    const leave = new AbortController();
    const filter = { queues: [queue], types: ["echo", "unknown-to-all"], statuses: [DONE, CANCELED] };
    const watch = reading(clients.jobs.watchJobs(filter, { signal: leave.signal }));
    await watch.next();
    const elsewhere = await created(clients, { queue: other, type: "echo" });
    const done = await created(clients, { queue, type: "echo" });
    for (const id of [elsewhere, done]) await finished(server, id);
    release = signal();
    release.fire();
    await finished(server, await created(clients, { queue, type: "held" }));
    const canceled = await created(clients, { queue, type: "unknown-to-all" });
    await clients.jobs.cancelJob({ id: canceled });
    expect(changes([await watch.next(), await watch.next()])).toEqual([
      [done, DONE, 3],
      [canceled, CANCELED, 2],
    ]);
    leave.abort();
  });

  test("tells that a job was deleted", async () => {
    const queue = await newQueue(server, `${prefix}-deleted`);
    const id = await created(clients, { queue, type: "echo" });
    await finished(server, id);
    const leave = new AbortController();
    const watch = reading(clients.jobs.watchJobs({ queues: [queue] }, { signal: leave.signal }));
    await watch.next();
    await clients.jobs.deleteJob({ id });
    expect((await watch.next()).event.value).toMatchObject({ jobId: id, status: DONE, revision: 4, deleted: true });
    leave.abort();
  });

  test("goes on from a cursor with exactly the rest", async () => {
    const queue = await newQueue(server, `${prefix}-cursor`);
    const leave = new AbortController();
    const watch = (cursor = "") =>
      reading(clients.jobs.watchJobs({ queues: [queue], cursor }, { signal: leave.signal }));
    const whole = watch();
    const { cursor: start } = await whole.next();
    const requests = Array.from({ length: 50 }, () => ({ queue, type: "echo" }));
    const { results } = await clients.jobs.batchCreateJobs({ requests });
    for (const { jobId } of results) await finished(server, jobId);
    const all = [];
    while (all.length < 150) all.push(await whole.next());
    for (const position of [0, 1, 74, 149]) {
      const { cursor } = present(all[position]);
      const resumed = watch(cursor);
      expect((await resumed.next()).cursor).toBe(cursor);
      const rest: WatchJobsResponse[] = [];
      while (rest.length < 149 - position) rest.push(await resumed.next());
      expect(rest).toEqual(all.slice(position + 1));
    }
    const again = watch(start);
    await again.next();
    const repeated: WatchJobsResponse[] = [];
    while (repeated.length < 150) repeated.push(await again.next());
    expect(repeated).toEqual(all);
    leave.abort();
  });

  test("tells of 2000 jobs at a time every change once and in order", async () => {
    const queue = await newQueue(server, `${prefix}-many`);
    const leave = new AbortController();
    const watch = reading(clients.jobs.watchJobs({ queues: [queue] }, { signal: leave.signal }));
    await watch.next();
    const requests = Array.from({ length: 100 }, () => ({ queue, type: "echo" }));
    const batches = await Promise.all(Array.from({ length: 20 }, () => clients.jobs.batchCreateJobs({ requests })));
    const ids = batches.flatMap(({ results }) => results.map(({ jobId }) => jobId));
    const seen = new Map<string, [JobStatus, number][]>(ids.map((id) => [id, []]));
    for (let count = 0; count < 6000; count++) {
      for (const [id, status, revision] of changes([await watch.next()])) seen.get(id)?.push([status, revision]);
    }
    const expected = [
      [PENDING, 1],
      [RUNNING, 2],
      [DONE, 3],
    ];
    expect([...seen.values()].filter((told) => JSON.stringify(told) !== JSON.stringify(expected))).toEqual([]);
    expect(seen.size).toBe(2000);
    leave.abort();
  });
});

describe("watching many jobs", () => {
  test("tells each of 500 readers on one connection how its own job ends", async () => {
    const queue = await newQueue(server, "readers");
    await server.queues.pauseQueue({ name: queue });
    const requests = Array.from({ length: 500 }, (_, index) => ({ queue, type: "echo", payloadKind: payload(index) }));
    const { results } = await server.jobs.batchCreateJobs({ requests });
    const readers = results.map(({ jobId }) => reading(server.jobs.watchJob({ id: jobId })));
    await Promise.all(readers.map((reader) => reader.next()));
    await server.queues.resumeQueue({ name: queue });
    const told = await Promise.all(readers.map(async (reader) => states(await reader.rest())));
    expect(told).toEqual(
      told.map(() => [
        [PENDING, 1],
        [RUNNING, 2],
        [DONE, 3],
      ]),
    );
  });
});

describe("heartbeats", () => {
  test("come at once, and then after each 15 s of silence", async () => {
    const clock = new FakeClock();
    const quiet = await startTestServer({}, { clock });
    const id = await created(quiet, { type: "unknown-to-all" });
    const leave = new AbortController();
    const options = { signal: leave.signal };
    const streams = [
      reading(quiet.jobs.watchJob({ id }, options)),
      reading(quiet.jobs.watchJobs({}, options)),
      reading(quiet.queues.watchQueues({}, options)),
    ];
    const times: unknown[] = [];
    for (const stream of streams) {
      const { event } = await stream.next();
      times.push(event.case === "heartbeat" && event.value.time?.seconds);
    }
    expect(times).toEqual(times.map(() => BigInt(Math.floor(clock.now() / 1000))));
    for (const index of [0, 2]) expect((await streams[index]?.next())?.event.case).toMatch(/^(job|snapshot)$/);
    for (let count = 0; count < 2; count++) {
      await clock.advance(15_000);
      for (const stream of streams) expect((await stream.next()).event.case).toBe("heartbeat");
    }
    leave.abort();
    for (const stream of streams) expect(await refusal(stream.rest())).toMatchObject({ code: "CANCELED" });
  });
});
