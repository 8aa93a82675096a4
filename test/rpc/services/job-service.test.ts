import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { type Job, JobStatus, PendingState } from "../../../gen/gotaskq/v1/job_pb.js";
import type { CreateJobRequestSchema } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { created, finished, jsonOf, payload, present, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";

const { PENDING, DONE } = JobStatus;

let server: TestServer;
let jobs: TestServer["jobs"];

beforeAll(async () => {
  server = await startTestServer({ QUEUES: "a,b" });
  jobs = server.jobs;
});

/** A new job as it is read: the answer of its create does not say what it waits for. */
function read(job: Job | undefined): Job {
  const made = present(job);
  const isScheduled = timestampMs(present(made.runAfter)) > timestampMs(present(made.createdAt));
  return { ...made, pendingState: isScheduled ? PendingState.SCHEDULED : PendingState.READY };
}

async function idsIn(queue: string): Promise<string[]> {
  return (await jobs.listJobs({ queue, pageSize: 1000 })).jobs.map(({ id }) => id);
}

describe("CreateJob", () => {
  test("gives a job that says nothing the defaults of the server", async () => {
    const { job, deduplicated } = await jobs.createJob({ type: "unknown-to-all" });
    expect(deduplicated).toBe(false);
    expect(job).toMatchObject({
      id: expect.stringMatching(/^[1-9]\d*$/),
      queue: "default",
      type: "unknown-to-all",
      payloadKind: { case: undefined },
      status: PENDING,
      priority: 0,
      maxRetries: 5,
      retryCount: 0,
      deliveries: 0,
      lostLeases: 0,
      error: "",
      attemptErrors: [],
      resultDropped: false,
      resultKind: { case: undefined },
      metadata: {},
      key: "",
      backoff: { baseDelay: { nanos: 100_000_000 }, maxDelay: { seconds: 5n } },
      cancelRequested: false,
      worker: "",
      revision: 1,
    });
    const { createdAt, updatedAt, runAfter, startedAt, finishedAt, progress, timeout } = present(job);
    expect([updatedAt, runAfter]).toEqual([createdAt, createdAt]);
    expect([startedAt, finishedAt, progress, timeout]).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("gives a job what it says, and keeps it so", async () => {
    const given = {
      queue: "a",
      type: "type with spaces, é and 😀",
      payloadKind: payload({ a: [1] }),
      priority: 10,
      maxRetries: 0,
      backoff: { baseDelay: durationFromMs(1), maxDelay: durationFromMs(1500) },
      timeout: durationFromMs(60_000),
      metadata: { tenant: "é", "a key with = and ": "" },
      key: "an ünusual | tenant",
    };
    const { job } = await jobs.createJob(given);
    expect(job).toMatchObject(given);
    expect((await jobs.getJob({ id: present(job).id })).job).toEqual(read(job));
  });

  test("fills a backoff that is half given with the server's", async () => {
    const { job } = await jobs.createJob({ type: "x", backoff: { baseDelay: durationFromMs(1) } });
    expect(job?.backoff).toMatchObject({ baseDelay: { nanos: 1_000_000 }, maxDelay: { seconds: 5n } });
  });

  test("cancels a job that did not begin within its ttl, or by the time to expire, as watchers see", async () => {
    const ways = [{ ttl: durationFromMs(30) }, { expiresAt: timestampFromMs(Date.now() - 1000) }];
    for (const way of ways) {
      const request = { type: "unknown-to-all", requestId: `expires ${Object.keys(way)}`, ...way };
      const job = present((await jobs.createJob(request)).job);
      expect(job.status).toBe(PENDING);
      const lasts = timestampMs(present(job.expiresAt)) - timestampMs(present(job.createdAt));
      if (way.ttl !== undefined) expect(lasts).toBe(30);
      const ended = await finished(server, job.id);
      expect(ended).toMatchObject({ status: JobStatus.CANCELED, error: "expired before it ran", deliveries: 0 });
      expect(ended.expiresAt).toEqual(job.expiresAt);
      expect((await jobs.createJob(request)).job).toEqual(ended);
      expect(await refusal(jobs.createJob({ ...request, type: "another" }))).toMatchObject({
        reason: "REQUEST_ID_REUSED",
      });
    }
    const other = { type: "unknown-to-all", requestId: "expires ttl", ttl: durationFromMs(31) };
    expect(await refusal(jobs.createJob(other))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test("keeps a backoff that grows otherwise, or stands in a list, and tells it so that it can be sent again", async () => {
    const listed = { delays: [1, 60_000, 1500].map(durationFromMs) };
    for (const backoff of [{ multiplier: 1.5 }, listed]) {
      const { job } = await jobs.createJob({ type: "x", backoff });
      expect(job?.backoff).toMatchObject(backoff);
      expect((await jobs.createJob({ type: "x", backoff: present(job).backoff })).job?.backoff).toEqual(job?.backoff);
      expect((await jobs.getJob({ id: present(job).id })).job).toEqual(read(job));
    }
    const { job } = await jobs.createJob({ type: "x", backoff: { multiplier: 2 } });
    expect(job?.backoff?.multiplier).toBeUndefined();
  });

  test.each([
    ["null", null],
    ["false", false],
    ["zero", 0],
    ["the empty text", ""],
    ["the empty list", []],
    ["the empty object", {}],
    ["keys of every kind", { "": 1, __proto__x: 2, constructor: 3, "a.b": 4, é: 5 }],
    ["text of every kind", '"\\\u0000\u2028\ud83d\ude00</script>'],
    ["large and small numbers", [1e308, -1e-308, 0.1, 9_007_199_254_740_991]],
  ])("keeps %s as a payload", async (_what, value) => {
    const id = await created(server, { type: "echo", payloadKind: payload(value) });
    const job = await finished(server, id);
    expect(job.payloadKind.case).toBe("payload");
    expect(JSON.stringify(jsonOf(job.payloadKind))).toBe(JSON.stringify(value));
    expect(JSON.stringify(jsonOf(job.resultKind))).toBe(JSON.stringify(value));
  });

  test("keeps empty bytes apart from no payload", async () => {
    const bytes = { case: "payloadBytes", value: new Uint8Array() } as const;
    const job = await finished(server, await created(server, { type: "echo", payloadKind: bytes }));
    expect(job.payloadKind).toEqual(bytes);
    const without = await finished(server, await created(server, { type: "echo" }));
    expect([without.payloadKind.case, without.resultKind.case]).toEqual([undefined, undefined]);
  });

  test("keeps a job with a delay waiting until then", async () => {
    const delay = durationFromMs(3_600_000);
    const { job } = await jobs.createJob({ type: "echo", schedule: { case: "delay", value: delay } });
    const { runAfter, createdAt, id } = present(job);
    expect(timestampMs(present(runAfter)) - timestampMs(present(createdAt))).toBe(3_600_000);
    await finished(server, await created(server, { type: "echo" }));
    expect((await jobs.getJob({ id })).job).toMatchObject({ status: PENDING, deliveries: 0 });
  });

  test("counts a delay of less than a millisecond as one", async () => {
    const { job } = await jobs.createJob({ type: "x", schedule: { case: "delay", value: { seconds: 0n, nanos: 1 } } });
    const { runAfter, createdAt } = present(job);
    expect(timestampMs(present(runAfter)) - timestampMs(present(createdAt))).toBe(1);
  });

  test("counts a part of a millisecond as one in a time too", async () => {
    const value = { seconds: BigInt(Date.UTC(2020, 0, 1)) / 1000n, nanos: 1 };
    const { job } = await jobs.createJob({ type: "x", schedule: { case: "runAfter", value } });
    expect(timestampMs(present(job?.runAfter))).toBe(Date.UTC(2020, 0, 1) + 1);
  });

  test("runs a job whose time lies in the past at once", async () => {
    const runAfter = timestampFromMs(Date.UTC(2020, 0, 1));
    const id = await created(server, { type: "echo", schedule: { case: "runAfter", value: runAfter } });
    expect(await finished(server, id)).toMatchObject({ status: DONE, runAfter });
  });

  test("lets a job wait that no worker can run", async () => {
    const id = await created(server, { type: "unknown-to-all" });
    await finished(server, await created(server, { type: "echo" }));
    expect((await jobs.getJob({ id })).job?.status).toBe(PENDING);
  });

  test("gives later jobs larger ids", async () => {
    const ids = [];
    for (let count = 0; count < 5; count++) ids.push(BigInt(await created(server, { type: "x" })));
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => (a < b ? -1 : 1)));
  });
});

describe("the request_id", () => {
  test("answers the job it created before, in whatever order its members are written", async () => {
    const request = { type: "x", requestId: "once", delay: durationFromMs(3_600_000) };
    const [one, other] = [
      { a: 1, b: { c: [1, 2], d: 3 } },
      { b: { d: 3, c: [1, 2] }, a: 1 },
    ];
    const first = await jobs.createJob({ ...request, payloadKind: payload(one), metadata: { k: "1", l: "2" } });
    const second = await jobs.createJob({ ...request, payloadKind: payload(other), metadata: { l: "2", k: "1" } });
    expect(second).toMatchObject({ deduplicated: true, job: present(first.job) });
  });

  test("is refused with another content", async () => {
    const queue = await newQueue(server, "reused");
    const request = { queue, type: "x", requestId: "of-one", payloadKind: payload([1, 2]) };
    const id = await created(server, request);
    const others: MessageInitShape<typeof CreateJobRequestSchema>[] = [
      { type: "y" },
      { payloadKind: payload([2, 1]) },
      { priority: 1 },
      { maxRetries: 5 },
      { metadata: { a: "b" } },
      { schedule: { case: "delay", value: durationFromMs(1000) } },
      { timeout: durationFromMs(1000) },
    ];
    for (const other of others) {
      expect(await refusal(jobs.createJob({ ...request, ...other })), JSON.stringify(Object.keys(other))).toMatchObject(
        {
          code: "INVALID_ARGUMENT",
          reason: "REQUEST_ID_REUSED",
          fields: ["request_id"],
        },
      );
    }
    const requests = [
      { queue, type: "new" },
      { ...request, type: "y" },
    ];
    expect(await refusal(jobs.batchCreateJobs({ requests }))).toMatchObject({
      reason: "REQUEST_ID_REUSED",
      fields: ["requests[1].request_id"],
    });
    expect(await idsIn(queue)).toEqual([id]);
  });

  test("answers a job that has run since, as it is now", async () => {
    const id = await created(server, { type: "echo", requestId: "ran" });
    await finished(server, id);
    expect(await jobs.createJob({ type: "echo", requestId: "ran" })).toMatchObject({
      deduplicated: true,
      job: { id, status: DONE },
    });
  });

  test("is of one queue only", async () => {
    const first = await jobs.createJob({ queue: "a", type: "x", requestId: "same" });
    const second = await jobs.createJob({ queue: "b", type: "x", requestId: "same" });
    expect(second.deduplicated).toBe(false);
    expect(second.job?.id).not.toBe(first.job?.id);
  });

  test("answers the job as it was created when that is not kept any more", async () => {
    const { job } = await jobs.createJob({ type: "x", requestId: "gone" });
    const { id } = present(job);
    await jobs.cancelJob({ id });
    await jobs.deleteJob({ id });
    expect(await jobs.createJob({ type: "x", requestId: "gone" })).toMatchObject({
      deduplicated: true,
      job: present(job),
    });
  });

  test("creates one job when many ask at the same time", async () => {
    const request = { type: "x", requestId: "race" };
    const answers = await Promise.all(Array.from({ length: 20 }, () => jobs.createJob(request)));
    expect(new Set(answers.map(({ job }) => job?.id)).size).toBe(1);
    expect(answers.filter(({ deduplicated }) => !deduplicated)).toHaveLength(1);
  });
});

describe("BatchCreateJobs", () => {
  test("creates jobs in any queues and answers in order", async () => {
    const requests = ["a", "b", "a", ""].map((queue, priority) => ({ queue, type: `batch-${priority}`, priority }));
    const { results } = await jobs.batchCreateJobs({ requests });
    const made = await Promise.all(results.map(({ jobId }) => jobs.getJob({ id: jobId })));
    expect(made.map(({ job }) => [job?.queue, job?.type, job?.priority])).toEqual([
      ["a", "batch-0", 0],
      ["b", "batch-1", 1],
      ["a", "batch-2", 2],
      ["default", "batch-3", 3],
    ]);
    expect(results.every(({ deduplicated }) => !deduplicated)).toBe(true);
  });

  test("knows request_ids of before and of the same batch", async () => {
    const known = await created(server, { type: "x", requestId: "batch-known" });
    const requests = ["batch-known", "batch-new", "batch-new", ""].map((requestId) => ({ type: "x", requestId }));
    const { results } = await jobs.batchCreateJobs({ requests });
    expect(results.map(({ deduplicated }) => deduplicated)).toEqual([true, false, true, false]);
    expect(results[0]?.jobId).toBe(known);
    expect(results[2]?.jobId).toBe(results[1]?.jobId);
    expect(results[3]?.jobId).not.toBe(results[1]?.jobId);
  });

  test("creates nothing when any request is invalid, and names each bad field with its index", async () => {
    const queue = await newQueue(server, "batch-invalid");
    const requests = [
      { queue, type: "fine" },
      { queue, type: "", priority: 11 },
      { queue, type: "fine" },
      { queue, type: "fine", maxRetries: 101, backoff: { maxDelay: durationFromMs(-1) } },
    ];
    expect(await refusal(jobs.batchCreateJobs({ requests }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: ["requests[1].type", "requests[1].priority", "requests[3].max_retries", "requests[3].backoff.max_delay"],
    });
    expect(await idsIn(queue)).toEqual([]);
  });

  test("creates nothing when a queue does not exist", async () => {
    const queue = await newQueue(server, "batch-unknown");
    const requests = [
      { queue, type: "x" },
      { queue: "nowhere", type: "x" },
    ];
    expect(await refusal(jobs.batchCreateJobs({ requests }))).toMatchObject({
      reason: "QUEUE_NOT_FOUND",
      metadata: { queue: "nowhere" },
    });
    expect(await idsIn(queue)).toEqual([]);
  });

  test("creates nothing when not all fit in the queue", async () => {
    const name = "batch-full";
    await server.queues.createQueue({ name, settings: { maxDepth: 2 } });
    const three = Array.from({ length: 3 }, () => ({ queue: name, type: "x" }));
    expect(await refusal(jobs.batchCreateJobs({ requests: three }))).toMatchObject({ reason: "QUEUE_FULL" });
    expect(await idsIn(name)).toEqual([]);
    expect((await jobs.batchCreateJobs({ requests: three.slice(1) })).results).toHaveLength(2);
  });

  test("takes 1000 requests, not 1001 and not none", async () => {
    const many = (length: number) => ({ requests: Array.from({ length }, () => ({ type: "x" })) });
    expect((await jobs.batchCreateJobs(many(1000))).results).toHaveLength(1000);
    for (const length of [0, 1001]) {
      expect(await refusal(jobs.batchCreateJobs(many(length)))).toMatchObject({
        reason: "FIELD_INVALID",
        fields: ["requests"],
      });
    }
  });
});
