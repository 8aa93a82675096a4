import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../gen/gotaskq/v1/job_pb.js";
import { TaskQueueError } from "../../src/model/common/errors.js";
import { PermanentError } from "../../src/model/handler/handler-errors.js";
import { toConnectError } from "../../src/rpc/errors.js";
import { recordingLogger } from "../support/logger.js";
import { created, finished, reaches, reading, refusal, toRefusal } from "../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../support/server.js";

/** An id that no job has. */
const NO_JOB = "1";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer(
    {},
    {
      handlers: {
        echo: (job) => job.payload,
        hopeless: () => {
          throw new PermanentError("never again");
        },
      },
    },
  );
});

describe("JOB_NOT_FOUND", () => {
  test.each<[string, (server: TestServer) => Promise<unknown>]>([
    ["GetJob", ({ jobs }) => jobs.getJob({ id: NO_JOB })],
    ["CancelJob", ({ jobs }) => jobs.cancelJob({ id: NO_JOB })],
    ["DeleteJob", ({ jobs }) => jobs.deleteJob({ id: NO_JOB })],
    ["WatchJob", ({ jobs }) => reading(jobs.watchJob({ id: NO_JOB })).rest()],
    ["GetDeadJob", ({ dlq }) => dlq.getDeadJob({ id: NO_JOB })],
    ["ReplayDeadJob", ({ dlq }) => dlq.replayDeadJob({ id: NO_JOB })],
    ["DeleteDeadJob", ({ dlq }) => dlq.deleteDeadJob({ id: NO_JOB })],
  ])("is what %s says of an id that no job has", async (_method, call) => {
    expect(await refusal(call(server))).toMatchObject({
      code: "NOT_FOUND",
      reason: "JOB_NOT_FOUND",
      domain: "gotaskq",
      metadata: { job_id: NO_JOB },
      message: expect.stringContaining(NO_JOB),
    });
  });
});

describe("FIELD_INVALID", () => {
  test.each<[string, (server: TestServer, id: string) => Promise<unknown>]>([
    ["GetJob", ({ jobs }, id) => jobs.getJob({ id })],
    ["CancelJob", ({ jobs }, id) => jobs.cancelJob({ id })],
    ["DeleteJob", ({ jobs }, id) => jobs.deleteJob({ id })],
    ["WatchJob", ({ jobs }, id) => reading(jobs.watchJob({ id })).rest()],
    ["GetDeadJob", ({ dlq }, id) => dlq.getDeadJob({ id })],
    ["ReplayDeadJob", ({ dlq }, id) => dlq.replayDeadJob({ id })],
    ["DeleteDeadJob", ({ dlq }, id) => dlq.deleteDeadJob({ id })],
  ])("is what %s says of what cannot be an id", async (_method, call) => {
    for (const id of ["", "abc", "-1", "01", "1.5", " 1", "9".repeat(21)]) {
      expect(await refusal(call(server, id))).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "FIELD_INVALID",
        domain: "gotaskq",
        fields: ["id"],
      });
    }
  });
});

describe("QUEUE_NOT_FOUND", () => {
  const queue = "nowhere";
  test.each<[string, (server: TestServer) => Promise<unknown>]>([
    ["CreateJob", ({ jobs }) => jobs.createJob({ queue, type: "x" })],
    ["BatchCreateJobs", ({ jobs }) => jobs.batchCreateJobs({ requests: [{ queue, type: "x" }] })],
    ["ListJobs", ({ jobs }) => jobs.listJobs({ queue })],
    ["WatchJobs", ({ jobs }) => reading(jobs.watchJobs({ queues: ["default", queue] })).rest()],
    ["GetQueue", ({ queues }) => queues.getQueue({ name: queue })],
    ["UpdateQueue", ({ queues }) => queues.updateQueue({ queue: { name: queue } })],
    ["DeleteQueue", ({ queues }) => queues.deleteQueue({ name: queue })],
    ["DeleteQueue by force", ({ queues }) => queues.deleteQueue({ name: queue, force: true })],
    ["PauseQueue", ({ queues }) => queues.pauseQueue({ name: queue })],
    ["ResumeQueue", ({ queues }) => queues.resumeQueue({ name: queue })],
    ["PurgeQueue", ({ queues }) => queues.purgeQueue({ name: queue })],
    ["ListDeadJobs", ({ dlq }) => dlq.listDeadJobs({ queue })],
    ["ReplayDeadJobs", ({ dlq }) => dlq.replayDeadJobs({ filter: { queue } })],
    ["PurgeDeadJobs", ({ dlq }) => dlq.purgeDeadJobs({ filter: { queue } })],
  ])("is what %s says of a queue that does not exist", async (_method, call) => {
    expect(await refusal(call(server))).toMatchObject({
      code: "NOT_FOUND",
      reason: "QUEUE_NOT_FOUND",
      domain: "gotaskq",
      metadata: { queue },
      message: 'queue "nowhere" does not exist',
    });
  });
});

describe("what stands in the way", () => {
  test("QUEUE_EXISTS: the name of a new queue is taken", async () => {
    const name = await newQueue(server, "taken");
    for (const taken of [name, "default"]) {
      expect(await refusal(server.queues.createQueue({ name: taken }))).toMatchObject({
        code: "ALREADY_EXISTS",
        reason: "QUEUE_EXISTS",
        domain: "gotaskq",
        metadata: { queue: taken },
      });
    }
  });

  test("JOB_STATE_CONFLICT: the job is in another state", async () => {
    const id = await created(server, { type: "echo" });
    await finished(server, id);
    const calls = [
      server.jobs.cancelJob({ id }),
      server.dlq.getDeadJob({ id }),
      server.dlq.replayDeadJob({ id }),
      server.dlq.deleteDeadJob({ id }),
    ];
    for (const call of calls) {
      expect(await refusal(call)).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "JOB_STATE_CONFLICT",
        domain: "gotaskq",
        metadata: { job_id: id, status: "DONE" },
      });
    }
  });

  test("QUEUE_NOT_EMPTY: the queue holds jobs", async () => {
    const name = await newQueue(server, "not-empty");
    await reaches(server, await created(server, { queue: name, type: "hopeless" }), JobStatus.DEAD);
    expect(await refusal(server.queues.deleteQueue({ name }))).toMatchObject({
      code: "FAILED_PRECONDITION",
      reason: "QUEUE_NOT_EMPTY",
      domain: "gotaskq",
      metadata: { queue: name },
    });
  });
});

describe("PAGE_TOKEN_INVALID", () => {
  test("is what a listing says of a token it did not make", async () => {
    const queue = await newQueue(server, "tokens");
    await server.jobs.batchCreateJobs({ requests: [1, 2].map(() => ({ queue, type: "x" })) });
    const { nextPageToken } = await server.jobs.listJobs({ queue, pageSize: 1 });
    const [filter, place] = JSON.parse(String(Buffer.from(nextPageToken, "base64url"))) as string[];
    const forged = (parts: unknown) => Buffer.from(JSON.stringify(parts)).toString("base64url");
    const tokens = ["x", "é", "{}", nextPageToken.slice(0, -4), forged(null), forged([]), forged([filter, place, "x"])];
    for (const pageToken of tokens) {
      expect(await refusal(server.jobs.listJobs({ queue, pageToken })), pageToken).toMatchObject({
        code: "INVALID_ARGUMENT",
        reason: "PAGE_TOKEN_INVALID",
        domain: "gotaskq",
        fields: ["page_token"],
        message: expect.stringMatching(/^page_token: /),
      });
    }
  });

  test("is what a listing says of the token of another one", async () => {
    const queue = await newQueue(server, "other-tokens");
    await server.jobs.batchCreateJobs({ requests: [1, 2].map(() => ({ queue, type: "x" })) });
    const { nextPageToken: pageToken } = await server.jobs.listJobs({ queue, type: "x", pageSize: 1 });
    expect((await server.jobs.listJobs({ queue, type: "x", pageSize: 9, pageToken })).jobs).toHaveLength(1);
    for (const other of [{ queue }, { type: "x" }, { queue, type: "x", statuses: [JobStatus.PENDING] }]) {
      expect(await refusal(server.jobs.listJobs({ ...other, pageToken }))).toMatchObject({
        reason: "PAGE_TOKEN_INVALID",
      });
    }
  });
});

describe("reasons that no call of this version reaches", () => {
  test.each([
    ["LEASE_LOST", "FAILED_PRECONDITION", undefined],
    ["UPGRADE_REQUIRED", "FAILED_PRECONDITION", undefined],
    ["BACKEND_UNAVAILABLE", "UNAVAILABLE", 250],
  ] as const)("%s goes out as %s", (reason, code, retryAfterMs) => {
    const error = new TaskQueueError(reason, "text", { metadata: { a: "b" }, ...(retryAfterMs && { retryAfterMs }) });
    expect(toRefusal(toConnectError(error, "snake_case"))).toEqual({
      code,
      reason,
      domain: "gotaskq",
      message: "text",
      metadata: { a: "b" },
      fields: [],
      descriptions: [],
      retryMs: retryAfterMs,
    });
  });
});

describe("INTERNAL", () => {
  test("shows nothing of its cause, which is logged", async () => {
    const logger = recordingLogger();
    const broken = await startTestServer({}, { logger });
    const cause = new Error("secret: connect ECONNREFUSED 10.0.0.7 as admin:hunter2");
    const fail = async () => {
      throw cause;
    };
    Object.assign(broken.engine.backend, { get: fail, head: fail });
    const calls = {
      GetJob: () => broken.jobs.getJob({ id: NO_JOB }),
      WatchJob: () => reading(broken.jobs.watchJob({ id: NO_JOB })).rest(),
      WatchJobs: () => reading(broken.jobs.watchJobs({})).rest(),
    };
    for (const [method, call] of Object.entries(calls)) {
      expect(await refusal(call())).toMatchObject({ code: "INTERNAL", message: "internal error", reason: undefined });
      expect(logger.lines.filter(({ level }) => level === "error").at(-1)).toMatchObject({
        fields: { err: cause, method: `gotaskq.v1.JobService/${method}` },
      });
    }
    expect(logger.lines.filter(({ level }) => level === "error")).toHaveLength(3);
  });
});
