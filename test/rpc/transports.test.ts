import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { created, finished, jsonOf, payload, present, reading, refusal } from "../support/rpc.js";
import { type Clients, startTestServer, type TestServer } from "../support/server.js";
import { TRANSPORTS } from "../support/transports.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

describe.each(TRANSPORTS)("$name", (kind) => {
  let clients: Clients;
  let queue: string;

  beforeAll(async () => {
    clients = server.connect(kind);
    queue = `queue-${TRANSPORTS.indexOf(kind)}`;
    await clients.queues.createQueue({ name: queue });
  });

  test("creates a job and watches it until it is done with its result", async () => {
    const input = { text: "hello é 😀", list: [1, 2.5, null, true], nested: { empty: {} } };
    const { job } = await clients.jobs.createJob({ type: "echo", payloadKind: payload(input), priority: 7 });
    expect(job).toMatchObject({ type: "echo", queue: "default", priority: 7, status: JobStatus.PENDING, revision: 1 });
    const [first, ...later] = await reading(clients.jobs.watchJob({ id: present(job).id })).rest();
    expect(first?.event.case).toBe("heartbeat");
    const states = later.map(({ event }) => (event.case === "job" ? event.value : undefined)).map(present);
    const revisions = states.map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    const last = present(states.at(-1));
    expect(last).toMatchObject({ id: present(job).id, status: JobStatus.DONE, retryCount: 0, deliveries: 1 });
    expect(jsonOf(last.resultKind)).toEqual(input);
  });

  test("carries bytes as they are", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
    const id = await created(clients, { type: "echo", payloadKind: { case: "payloadBytes", value: bytes } });
    const { payloadKind, resultKind } = await finished(clients, id);
    expect(payloadKind).toEqual({ case: "payloadBytes", value: bytes });
    expect(resultKind).toEqual({ case: "resultBytes", value: bytes });
  });

  test("reads one job", async () => {
    const id = await created(clients, { queue, type: "nobody-runs-this", metadata: { by: kind.name } });
    const { job } = await clients.jobs.getJob({ id });
    expect(job).toMatchObject({ id, queue, type: "nobody-runs-this", metadata: { by: kind.name } });
  });

  test("lists jobs page by page", async () => {
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) ids.unshift(await created(clients, { queue, type: "listed" }));
    const filter = { queue, type: "listed", statuses: [JobStatus.PENDING], pageSize: 2 };
    const first = await clients.jobs.listJobs(filter);
    const second = await clients.jobs.listJobs({ ...filter, pageToken: first.nextPageToken });
    expect([...first.jobs, ...second.jobs].map(({ id }) => id)).toEqual(ids);
    expect(first.jobs).toHaveLength(2);
    expect(second.nextPageToken).toBe("");
  });

  test("refuses with the reason of the contract", async () => {
    expect(await refusal(clients.jobs.getJob({ id: "1" }))).toMatchObject({
      code: "NOT_FOUND",
      reason: "JOB_NOT_FOUND",
      domain: "gotaskq",
      metadata: { job_id: "1" },
    });
    expect(await refusal(clients.jobs.createJob({ priority: 11 }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: ["type", "priority"],
    });
  });

  test("refuses a batch in which everything is wrong, and says how much that is", async () => {
    const requests = Array.from({ length: 1000 }, () => ({ type: "", queue: "No Queue", priority: 11 }));
    const seen = await refusal(clients.jobs.batchCreateJobs({ requests }));
    expect(seen).toMatchObject({ code: "INVALID_ARGUMENT", reason: "FIELD_INVALID" });
    expect(seen.fields.slice(0, 2)).toEqual(["requests[0].queue", "requests[0].type"]);
    expect(seen.fields.length + Number(seen.metadata.more_violations)).toBe(3000);
  });

  test("refuses a stream with the reason of the contract", async () => {
    const stream = reading(clients.jobs.watchJob({ id: "1" }));
    expect(await refusal(stream.rest())).toMatchObject({
      code: "NOT_FOUND",
      reason: "JOB_NOT_FOUND",
      domain: "gotaskq",
    });
  });

  test("refuses messages of more than 4 MiB, and serves what comes next", async () => {
    const type = "x".repeat(5 * 1024 * 1024);
    for (let count = 0; count < 3; count++) {
      // Over HTTP/1.1 these share a connection. Over HTTP/2 each has its own: this client abandons its half of the call
      // when it is answered early, and what it still holds of it counts against its session.
      const { jobs } = server.connect(kind);
      expect(await refusal(jobs.createJob({ type }))).toMatchObject({
        code: "RESOURCE_EXHAUSTED",
        reason: "MESSAGE_TOO_LARGE",
        metadata: { max_bytes: "4194304" },
      });
    }
    expect(await finished(clients, await created(clients, { type: "echo" }))).toMatchObject({ deliveries: 1 });
  });

  test("watches the changes of jobs, each once and in order", async () => {
    const leave = new AbortController();
    const changes = reading(clients.jobs.watchJobs({ queues: [queue] }, { signal: leave.signal }));
    expect((await changes.next()).event.case).toBe("heartbeat");
    const id = await created(clients, { queue, type: "echo" });
    const seen = await changes.until(({ event }) => event.case === "change" && event.value.status === JobStatus.DONE);
    expect(seen.map(({ event }) => event.case === "change" && [event.value.jobId, event.value.status])).toEqual([
      [id, JobStatus.PENDING],
      [id, JobStatus.RUNNING],
      [id, JobStatus.DONE],
    ]);
    expect(new Set(seen.map(({ cursor }) => cursor)).size).toBe(3);
    leave.abort();
    expect(await refusal(changes.rest())).toMatchObject({ code: "CANCELED" });
  });

  test("watches the figures of queues", async () => {
    const leave = new AbortController();
    const stream = reading(clients.queues.watchQueues({ names: [queue] }, { signal: leave.signal }));
    expect((await stream.next()).event.case).toBe("heartbeat");
    const { event } = await stream.next();
    expect(event.case === "snapshot" && event.value.queues.map(({ name }) => name)).toEqual([queue]);
    leave.abort();
    expect(await refusal(stream.rest())).toMatchObject({ code: "CANCELED" });
  });
});
