import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { anyUnpack, durationFromMs, durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { type Code, createClient } from "@connectrpc/connect";
import { beforeAll, describe, expect, test } from "vitest";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from "../../../gen/google/rpc/error_details_pb.js";
import type { Status } from "../../../gen/google/rpc/status_pb.js";
import {
  type Job,
  JobSchema,
  JobStatus,
  PayloadFormat,
  UniqueConflict,
  UniqueSchema,
} from "../../../gen/gotaskq/v1/job_pb.js";
import {
  type BatchCreateJobsResult,
  type CreateJobRequestSchema,
  JobService,
} from "../../../gen/gotaskq/v1/job_service_pb.js";
import { ERROR_DETAILS } from "../../../src/wire/error-details.js";
import { transportAs } from "../../support/access.js";
import { startRedis, type UsableRedis } from "../../support/redis.js";
import { codeName, payload, present, type Refusal, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestEnvironment, type TestServer } from "../../support/server.js";
import { TRANSPORTS } from "../../support/transports.js";
import { WORKER } from "../../support/worker.js";

type Request = MessageInitShape<typeof CreateJobRequestSchema>;

let redis: UsableRedis;

beforeAll(async () => {
  redis = await startRedis();
});

/** The error that an item has, as the error of a call is read. */
function refusalIn(status: Status): Refusal {
  const details = status.details.map((any) => anyUnpack(any, ERROR_DETAILS));
  const find = <T>(typeName: string) => details.find((detail) => detail?.$typeName === typeName) as T | undefined;
  const info = find<{ reason: string; domain: string; metadata: Record<string, string> }>(ErrorInfoSchema.typeName);
  const bad = find<{ fieldViolations: { field: string; description: string }[] }>(BadRequestSchema.typeName);
  const retry = find<{ retryDelay?: Parameters<typeof durationMs>[0] }>(RetryInfoSchema.typeName);
  expect(find(RequestInfoSchema.typeName)).toMatchObject({ requestId: expect.stringMatching(/./) });
  return {
    code: codeName(status.code as Code),
    message: status.message,
    reason: info?.reason,
    domain: info?.domain,
    metadata: info?.metadata ?? {},
    fields: bad?.fieldViolations.map(({ field }) => field) ?? [],
    descriptions: bad?.fieldViolations.map(({ description }) => description) ?? [],
    retryMs: retry?.retryDelay && durationMs(retry.retryDelay),
  };
}

function errorIn({ outcome }: Pick<BatchCreateJobsResult, "outcome"> | { outcome: { case: undefined } }): Refusal {
  if (outcome.case !== "error") throw new Error(`expected an error, got ${outcome.case}`);
  return refusalIn(outcome.value);
}

function jobIn({
  outcome,
}: {
  readonly outcome: { readonly case?: string | undefined; readonly value?: unknown };
}): Job {
  if (outcome.case !== "job") throw new Error(`expected a job, got ${outcome.case}`);
  return outcome.value as Job;
}

/** What is the same of two jobs that were made by the same request. */
function sameOf(job: Job) {
  const { id: _, createdAt, updatedAt: __, runAfter, expiresAt, ...rest } = job;
  const made = timestampMs(present(createdAt));
  // A job that was replaced may run from then on.
  const waits = Math.round((timestampMs(present(runAfter)) - made) / 10_000);
  return {
    ...rest,
    waits,
    expires: expiresAt && timestampMs(expiresAt) - made,
  };
}

/** A job of a batch with what its creator knows already. */
function filledIn(job: Job, { queue = "", type = "", ...request }: Request): Job {
  if (job.type !== "") return job;
  const { priority = 0, key = "", metadata = {}, payloadKind = { case: undefined }, unique } = request;
  const own =
    unique === undefined
      ? {}
      : { unique: create(UniqueSchema, { ...unique, until: unique.until || 1, onConflict: 0 }) };
  return create(JobSchema, {
    ...job,
    queue: queue || "default",
    type,
    priority,
    key,
    metadata,
    payloadKind,
    ...own,
  } as Job);
}

describe.each([
  ["in memory", () => ({})],
  ["on Redis", () => ({ USE_REDIS: "true", REDIS_URL: redis.url })],
] as const)("BatchCreateJobs with allow_partial %s", (_, env) => {
  let server: TestServer;
  let jobs: TestServer["jobs"];

  beforeAll(async () => {
    server = await startTestServer({ ...(env() as TestEnvironment), NUM_WORKERS: "0" });
    jobs = server.jobs;
  });

  const partly = async (requests: readonly Request[]) =>
    (await jobs.batchCreateJobs({ requests: [...requests], allowPartial: true })).results;

  /** Requests of all kinds for a queue that has room for 6 jobs. */
  function mixed(queue: string): Request[] {
    const unique = (key: string, onConflict = UniqueConflict.KEEP) => ({ unique: { key, onConflict } });
    return [
      { queue, type: "a", priority: 3, payloadKind: payload({ b: [1] }), metadata: { m: "1" }, key: "tenant" },
      { queue, type: "", priority: 11, schedule: { case: "delay", value: durationFromMs(-1) } },
      { queue: "no-such-queue", type: "a" },
      { queue: "BAD QUEUE", type: "a" },
      { queue, type: "a", requestId: "r", schedule: { case: "delay", value: durationFromMs(60_000) } },
      { queue, type: "a", requestId: "r", schedule: { case: "delay", value: durationFromMs(60_000) } },
      { queue, type: "b", requestId: "r" },
      { queue, type: "a", ...unique("u"), ttl: durationFromMs(5000) },
      { queue, type: "c", ...unique("u", UniqueConflict.REFUSE) },
      { queue, type: "d", priority: 9, ...unique("u", UniqueConflict.REPLACE) },
      { queue, type: "b", ...unique("u") },
      { queue, type: "a", payloadKind: { case: "payloadJson", value: "{" } },
      { queue, type: "a", maxRetries: 7, backoff: { baseDelay: durationFromMs(7) }, timeout: durationFromMs(1000) },
      { queue, type: "a" },
      { queue, type: "a" },
      { queue, type: "full" },
      { queue, type: "full too" },
      { queue, type: "a", requestId: "r", schedule: { case: "delay", value: durationFromMs(60_000) } },
      { type: "a" },
    ];
  }

  test("answers each request as a call of CreateJob for it alone would, one after the other", async () => {
    const settings = { maxDepth: 6, defaultMaxRetries: 2, defaultTimeout: durationFromMs(3000) };
    await server.queues.createQueue({ name: "lone", settings });
    await server.queues.createQueue({ name: "batch", settings });
    for (const queue of ["lone", "batch"]) {
      // Whoever is the first to ask for something of a queue on Redis takes a moment longer.
      const all = { queue, type: "first", key: "k", unique: { key: "first" }, ttl: durationFromMs(60_000) };
      const { job } = await jobs.createJob(all);
      await jobs.cancelJob({ id: present(job).id });
    }
    const alone: ({ job: Job; deduplicated: boolean; replaced: boolean } | Refusal)[] = [];
    for (const request of mixed("lone")) {
      alone.push(
        await jobs.createJob(request).then(
          ({ job, deduplicated, replaced }) => ({ job: present(job), deduplicated, replaced }),
          (error) => refusal(Promise.reject(error)),
        ),
      );
    }
    const requests = mixed("batch");
    const results = await partly(requests);
    expect(results).toHaveLength(alone.length);
    const ids = new Map<string, string>();
    const plain = (value: unknown) =>
      JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item))
        .replaceAll('"lone"', '"batch"')
        .replaceAll("@lone", "@batch")
        .replaceAll('\\"lone\\"', '\\"batch\\"')
        .replace(/\d{15,}/g, (id) => ids.get(id) ?? id);
    results.forEach((result, at) => {
      const expected = present(alone[at]);
      if ("job" in expected) {
        const job = jobIn(result);
        expect(result.jobId).toBe(job.id);
        ids.set(present(/\d+/.exec(expected.job.id)?.[0]), present(/\d+/.exec(job.id)?.[0]));
        const { deduplicated, replaced } = result;
        expect({ at, deduplicated, replaced }).toEqual({
          at,
          ...{ deduplicated: expected.deduplicated, replaced: expected.replaced },
        });
        const told = JSON.parse(plain(sameOf(filledIn(job, present(requests[at])))));
        expect({ at, told }).toEqual({ at, told: JSON.parse(plain(sameOf(expected.job))) });
      } else {
        expect({ at, ...JSON.parse(plain(errorIn(result))) }).toEqual({ at, ...JSON.parse(plain(expected)) });
      }
    });
    const reasons = results.map((result) => (result.outcome.case === "error" ? errorIn(result).reason : ""));
    expect(reasons.filter((reason) => reason !== "")).toEqual([
      ...["FIELD_INVALID", "QUEUE_NOT_FOUND", "FIELD_INVALID", "REQUEST_ID_REUSED", "JOB_EXISTS", "FIELD_INVALID"],
      ...["QUEUE_FULL", "QUEUE_FULL"],
    ]);
    const stats = async (name: string) => (await server.queues.getQueue({ name })).queue?.stats;
    expect(await stats("batch")).toMatchObject({ ready: 5, scheduled: 1 });
    expect((await stats("batch"))?.ready).toBe((await stats("lone"))?.ready);
  });

  test("leaves out of a new job what its request says, and nothing of one that was there", async () => {
    const queue = await newQueue(server, "told");
    const request = { queue, type: "a", payloadKind: payload(1), requestId: "auto:told", metadata: { a: "b" } };
    const [first] = await partly([request]);
    const made = jobIn(present(first));
    expect(made).toMatchObject({ queue: "", type: "", payloadKind: { case: undefined }, metadata: {}, maxRetries: 5 });
    expect(made).toMatchObject({ status: JobStatus.PENDING, revision: 1, backoff: { baseDelay: {}, maxDelay: {} } });
    await jobs.updateJob({ id: made.id, priority: 4 });
    // A client's own repeat has created it; it may have changed since.
    const [again] = await partly([{ ...request, payloadFormat: PayloadFormat.TEXT }]);
    expect(again).toMatchObject({ jobId: made.id, deduplicated: false });
    const told = jobIn(present(again));
    expect(told).toMatchObject({ queue, type: "a", priority: 4, revision: 2, metadata: { a: "b" } });
    expect(told.payloadKind).toEqual({ case: "payloadJson", value: "1" });
  });

  test("creates a thousand for many queues, full or not", async () => {
    const names = await Promise.all(Array.from({ length: 4 }, (_, at) => newQueue(server, `many-${at}`)));
    await server.queues.updateQueue({ queue: { name: "many-1", settings: { maxDepth: 10 } } });
    const requests = Array.from({ length: 1000 }, (_, at) => ({ queue: names[at % 4] ?? "", type: "a" }));
    const results = await partly(requests);
    const ids = new Set(results.map(({ jobId }) => jobId));
    // One more: of those without one.
    expect(ids.size).toBe(750 + 10 + 1);
    // Which of them find room is as open as of calls at the same moment.
    results.forEach((result, at) => {
      const isFull = at % 4 === 1 && result.jobId === "";
      if (isFull) expect(errorIn(result)).toMatchObject({ reason: "QUEUE_FULL", metadata: { queue: "many-1" } });
      else expect(result.jobId).toMatch(new RegExp(`^\\d+@many-${at % 4}$`));
    });
    for (const name of names) {
      const { queue } = await server.queues.getQueue({ name });
      expect(queue?.stats?.ready).toBe(name === "many-1" ? 10 : 250);
    }
  });

  test("is refused as a whole for its own faults", async () => {
    expect(await refusal(partly([]))).toMatchObject({ fields: ["requests"] });
    expect(await refusal(partly(Array.from({ length: 1001 }, () => ({ type: "a" }))))).toMatchObject({
      fields: ["requests"],
    });
  });
});

describe.each([
  ["in memory", () => ({})],
  ["on Redis", () => ({ USE_REDIS: "true", REDIS_URL: redis.url })],
] as const)("BatchGetJobs and BatchCancelJobs %s", (_, env) => {
  let server: TestServer;
  let jobs: TestServer["jobs"];

  beforeAll(async () => {
    server = await startTestServer({ ...(env() as TestEnvironment), NUM_WORKERS: "0" });
    jobs = server.jobs;
  });

  const idOf = async (request: Request) => present((await jobs.createJob(request)).job).id;

  test("answer each id as a call for it alone would", async () => {
    const queue = await newQueue(server, "some");
    const done = await idOf({ queue, type: "done" });
    const running = await idOf({ queue, type: "running", payloadKind: payload([1]) });
    const { leases } = await server.workers.leaseJobs({ ...WORKER, types: ["done"], queues: [queue] });
    await server.workers.completeJobs({ completions: [{ jobId: done, leaseToken: present(leases[0]).leaseToken }] });
    await server.workers.leaseJobs({ ...WORKER, types: ["running"], queues: [queue] });
    const ids = [
      await idOf({ type: "a" }),
      done,
      "1",
      running,
      "1@no-such-queue",
      "x",
      await idOf({ queue, type: "b" }),
    ];
    ids.push(ids[0] ?? "");
    const both = async (
      one: (id: string) => Promise<{ job?: Job }>,
      results: readonly { outcome: never }[] | unknown,
    ) => {
      const list = results as { outcome: BatchCreateJobsResult["outcome"] }[];
      expect(list).toHaveLength(ids.length);
      for (const [at, id] of ids.entries()) {
        const result = present(list[at]);
        const expected = await one(id).catch((error) => refusal(Promise.reject(error)));
        if (result.outcome.case === "error") expect(refusalIn(result.outcome.value)).toEqual(expected);
        else expect({ job: jobIn(result) }).toMatchObject({ job: (expected as { job: Job }).job });
      }
    };
    const { TEXT: payloadFormat } = PayloadFormat;
    const { results: got } = await jobs.batchGetJobs({ ids, payloadFormat });
    await both((id) => jobs.getJob({ id, payloadFormat }), got);
    expect(jobIn(present(got[3])).payloadKind).toEqual({ case: "payloadJson", value: "[1]" });
    const { results: cancelled } = await jobs.batchCancelJobs({ ids, payloadFormat });
    // Cancelling again changes nothing.
    await both((id) => jobs.cancelJob({ id, payloadFormat }), cancelled);
    expect(cancelled.map((each) => each.outcome.case)).toEqual([
      ...["job", "error", "error", "job", "error", "error", "job", "job"],
    ]);
    expect(jobIn(present(cancelled[3]))).toMatchObject({ status: JobStatus.RUNNING, cancelRequested: true });
  });

  test("answer what fits into a MiB", async () => {
    const queues = await Promise.all(Array.from({ length: 20 }, (_, at) => newQueue(server, `large-${at}`)));
    const large = payload("x".repeat(150_000));
    const ids = await Promise.all(queues.map((queue) => idOf({ queue, type: "a", payloadKind: large })));
    ids.splice(3, 0, "1", ids[2] ?? "");
    const read: string[] = [];
    const sizes: number[] = [];
    while (read.length < ids.length) {
      const { results } = await jobs.batchGetJobs({ ids: ids.slice(read.length) });
      sizes.push(results.length);
      for (const { outcome } of results) read.push(outcome.case === "job" ? outcome.value.id : "1");
    }
    expect(read).toEqual(ids);
    // Seven of 150 kB are a MiB; two of the first nine are small, or no job.
    expect(sizes).toEqual([8, 7, 7]);
    const { results } = await jobs.batchCancelJobs({ ids });
    const withPayload = results.map((result) => result.outcome.case === "job" && jobIn(result).payloadKind.case);
    expect(withPayload.filter((kind) => kind === "payload")).toHaveLength(7);
    expect(withPayload.filter((kind) => kind === undefined)).toHaveLength(14);
  });

  test("take 1 to 1000 ids", async () => {
    for (const ids of [[], Array.from({ length: 1001 }, () => "1")]) {
      expect(await refusal(jobs.batchGetJobs({ ids }))).toMatchObject({ fields: ["ids"] });
      expect(await refusal(jobs.batchCancelJobs({ ids }))).toMatchObject({ fields: ["ids"] });
    }
    const ids = Array.from({ length: 1000 }, (_, at) => String(at + 1));
    expect((await jobs.batchGetJobs({ ids })).results).toHaveLength(1000);
    expect((await jobs.batchCancelJobs({ ids })).results).toHaveLength(1000);
  });
});

test.each(TRANSPORTS)("errors of items are told over $name", async (kind) => {
  const server = await startTestServer({ NUM_WORKERS: "0" });
  const { jobs } = server.connect(kind);
  const alone = await refusal(jobs.createJob({ type: "", maxRetries: -1 }));
  const { results } = await jobs.batchCreateJobs({ requests: [{ type: "", maxRetries: -1 }], allowPartial: true });
  expect(errorIn(present(results[0]))).toEqual(alone);
  const got = await jobs.batchGetJobs({ ids: ["1"] });
  expect(refusalIn(present(got.results[0]?.outcome.value as Status | undefined))).toMatchObject({
    code: "NOT_FOUND",
    reason: "JOB_NOT_FOUND",
    metadata: { job_id: "1" },
  });
});

describe("of a token for some queues", () => {
  const tokens = ["all:admin:*", "some:read,produce:mail", "blind:produce:mail"].map((each) => each.split(":"));
  const tokenOf = (name: string) => `token-of-${name}-0123456789`;
  let server: TestServer;
  const as = (name: string) => createClient(JobService, transportAs(server.url, tokenOf(name), "grpc"));

  beforeAll(async () => {
    const AUTH_TOKENS = tokens
      .map(([name = "", scopes, queues]) => `name=${name} token=${tokenOf(name)} scopes=${scopes} queues=${queues}`)
      .join(";");
    server = await startTestServer({ AUTH_TOKENS, NUM_WORKERS: "0", QUEUES: "mail,other" });
  });

  test("each item in another queue is refused, and the rest is done", async () => {
    const alone = await refusal(as("some").createJob({ queue: "other", type: "a" }));
    expect(alone).toMatchObject({ code: "PERMISSION_DENIED", reason: "SCOPE_MISSING" });
    const queues = ["other", "mail", "", "mail", "other"];
    const requests = queues.map((queue) => ({ queue, type: "a" }));
    const { results } = await as("some").batchCreateJobs({ requests, allowPartial: true });
    expect(results.map(({ outcome }) => outcome.case)).toEqual(["error", "job", "error", "job", "error"]);
    expect(errorIn(present(results[0]))).toEqual(alone);
    expect(results[3]?.jobId).toMatch(/@mail$/);
    const foreign = await as("some").batchCreateJobs({ requests: requests.slice(0, 1), allowPartial: true });
    expect(errorIn(present(foreign.results[0]))).toEqual(alone);
    expect(await refusal(as("some").batchCreateJobs({ requests }))).toMatchObject({ reason: "SCOPE_MISSING" });

    const { job } = await as("all").createJob({ queue: "other", type: "a" });
    const ids = [present(job).id, present(results[1]).jobId, "1", "x", present(results[3]).jobId];
    const got = await as("some").batchGetJobs({ ids });
    expect(got.results.map(({ outcome }) => outcome.case)).toEqual(["error", "job", "error", "error", "job"]);
    const reasons = [0, 2, 3].map((at) => refusalIn(got.results[at]?.outcome.value as Status).reason);
    expect(reasons).toEqual(["SCOPE_MISSING", "SCOPE_MISSING", "FIELD_INVALID"]);
    const cancelled = await as("some").batchCancelJobs({ ids });
    expect(cancelled.results.map(({ outcome }) => outcome.case)).toEqual(["error", "job", "error", "error", "job"]);
    expect((await as("all").getJob({ id: ids[0] ?? "" })).job?.status).toBe(JobStatus.PENDING);
  });

  test("items in other queues count for the limit too", async () => {
    const ids = Array.from({ length: 1000 }, (_, at) => `${at + 1}@mail`);
    const tooMany = { reason: "FIELD_INVALID", fields: ["ids"] };
    expect(await refusal(as("some").batchGetJobs({ ids: [...ids, "1@mail"] }))).toMatchObject(tooMany);
    expect(await refusal(as("some").batchGetJobs({ ids: [...ids, "1@other"] }))).toMatchObject(tooMany);
    const requests = Array.from({ length: 1001 }, (_, at) => ({ queue: at === 0 ? "other" : "mail", type: "a" }));
    const refused = await refusal(as("some").batchCreateJobs({ requests, allowPartial: true }));
    expect(refused).toMatchObject({ reason: "FIELD_INVALID", fields: ["requests"] });
  });

  test("without read, jobs of others are told by id and status", async () => {
    const request = { queue: "mail", type: "a", requestId: "mine", payloadKind: payload("secret") };
    const [first, again] = [await once(), await once()];
    expect(first).toMatchObject({ status: JobStatus.PENDING, maxRetries: 5 });
    const { $typeName, id, status } = again;
    expect(again).toEqual(create(JobSchema, { id: first.id, status: JobStatus.PENDING }));
    expect([$typeName, id, status]).toEqual(["gotaskq.v1.Job", first.id, JobStatus.PENDING]);
    const { results } = await as("blind").batchCancelJobs({ ids: [first.id] });
    expect(jobIn(present(results[0]))).toEqual(create(JobSchema, { id: first.id, status: JobStatus.CANCELED }));
    expect(await refusal(as("blind").batchGetJobs({ ids: [first.id] }))).toMatchObject({ reason: "SCOPE_MISSING" });

    async function once(): Promise<Job> {
      const { results } = await as("blind").batchCreateJobs({ requests: [request], allowPartial: true });
      return jobIn(present(results[0]));
    }
  });
});
