import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { createSystemClock } from "../../../src/core/clock.js";
import type { HandlerContext } from "../../../src/model/handler/handler.js";
import { PermanentError, RetryAfterError } from "../../../src/model/handler/handler-errors.js";
import { createBuiltinHandlers } from "../../../src/server/handlers/builtin-handlers.js";
import { created, finished, jsonOf, payload, present, reaches, reading, refusal } from "../../support/rpc.js";
import { newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { type Signal, signal } from "../../support/signal.js";

const { PENDING, RUNNING, DONE, FAILED, DEAD, CANCELED } = JobStatus;

let server: TestServer;
let jobs: TestServer["jobs"];

/** Lets handlers of type `held` end. */
let release: Signal = signal();

beforeAll(async () => {
  server = await startTestServer(
    { BASE_DELAY: "0", MAX_RETRIES: "2" },
    {
      handlers: {
        ...createBuiltinHandlers(createSystemClock()),
        held: () => release.fired.then(() => "held to the end"),
        obedient: (_job, { signal }) => aborted(signal),
        hopeless: () => {
          throw new PermanentError("never again");
        },
        later: () => {
          throw new RetryAfterError("in an hour", 3_600_000);
        },
        bytes: () => Uint8Array.of(1, 2, 3),
        strange: () => ({ n: 10n }),
        steps: async (_job, { progress }) => {
          progress(25.5, "a quarter");
          await release.fired;
          progress(100, "all");
        },
      },
    },
  );
  jobs = server.jobs;
});

/** A delay in a request. */
const delayed = (ms: number) => ({ case: "delay", value: durationFromMs(ms) }) as const;

/** Creates a job and resolves when a handler runs it. */
async function running(type: string, request: object = {}): Promise<string> {
  release = signal();
  const id = await created(server, { type, ...request });
  await reaches(server, id, RUNNING);
  return id;
}

describe("a job that succeeds", () => {
  test("tells when it ran, who ran it and what came out", async () => {
    const job = await finished(server, await created(server, { type: "bytes" }));
    expect(job).toMatchObject({
      status: DONE,
      deliveries: 1,
      retryCount: 0,
      error: "",
      worker: expect.stringContaining(`/${process.pid}`),
      resultKind: { case: "resultBytes", value: Uint8Array.of(1, 2, 3) },
    });
    const times = [job.createdAt, job.startedAt, job.finishedAt, job.updatedAt].map((time) =>
      timestampMs(present(time)),
    );
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test("shows the progress its handler reports", async () => {
    release = signal();
    const id = await created(server, { type: "steps" });
    const watch = reading(jobs.watchJob({ id }));
    const seen = await watch.until(({ event }) => event.case === "job" && event.value.progress !== undefined);
    expect(seen.at(-1)?.event.value).toMatchObject({
      status: RUNNING,
      progress: { percent: 25.5, message: "a quarter" },
    });
    release.fire();
    const last = (await watch.rest()).at(-1);
    expect(last?.event.value).toMatchObject({ status: DONE, progress: { percent: 100, message: "all" } });
  });
});

describe("a job that fails", () => {
  test("is retried, and dead when no retry is left, with every failure told", async () => {
    const queue = await newQueue(server, "failing");
    const changes = reading(jobs.watchJobs({ queues: [queue] }));
    await changes.next();
    const id = await created(server, { queue, type: "fail", payloadKind: payload({ message: "broken" }) });
    const seen = await changes.until(({ event }) => event.case === "change" && event.value.status === DEAD);
    const attempt = [RUNNING, FAILED];
    expect(seen.map(({ event }) => event.case === "change" && event.value.status)).toEqual([
      ...[PENDING, ...attempt],
      ...[PENDING, ...attempt],
      ...[PENDING, ...attempt],
      DEAD,
    ]);
    const { job } = await jobs.getJob({ id });
    expect(job).toMatchObject({ status: DEAD, retryCount: 2, deliveries: 3, error: "broken", lostLeases: 0 });
    expect(job?.attemptErrors.map(({ error, delivery, worker }) => [error, delivery, worker])).toEqual(
      [1, 2, 3].map((delivery) => ["broken", delivery, job?.worker]),
    );
    expect(job?.finishedAt).toBeDefined();
  });

  test("keeps its last error when a retry succeeds", async () => {
    const id = await created(server, { type: "fail", payloadKind: payload({ message: "at first", times: 2 }) });
    const job = await finished(server, id);
    expect(job).toMatchObject({ status: DONE, retryCount: 2, error: "at first" });
    expect(job.attemptErrors).toHaveLength(2);
    expect(jsonOf(job.resultKind)).toEqual({ failures: 2 });
  });

  test("waits for its backoff", async () => {
    const backoff = { baseDelay: durationFromMs(3_600_000), maxDelay: durationFromMs(3_600_000) };
    const id = await created(server, { type: "fail", backoff });
    const watch = reading(jobs.watchJob({ id }));
    await watch.until(({ event }) => event.case === "job" && event.value.retryCount === 1);
    const { job } = await jobs.getJob({ id });
    expect(job?.status).toBe(PENDING);
    const wait = timestampMs(present(job?.runAfter)) - timestampMs(present(job?.updatedAt));
    expect(wait).toBeGreaterThanOrEqual(3_600_000);
    expect(wait).toBeLessThanOrEqual(3_600_000 * 1.4);
  });

  test("is dead at once when its handler says so", async () => {
    const job = await finished(server, await created(server, { type: "hopeless" }));
    expect(job).toMatchObject({ status: DEAD, retryCount: 0, error: "never again" });
  });

  test("waits as long as its handler says", async () => {
    const id = await created(server, { type: "later" });
    await reading(jobs.watchJob({ id })).until(({ event }) => event.case === "job" && event.value.retryCount === 1);
    const { job } = await jobs.getJob({ id });
    expect(timestampMs(present(job?.runAfter)) - timestampMs(present(job?.updatedAt))).toBe(3_600_000);
  });

  test("fails when its result cannot be kept", async () => {
    const job = await finished(server, await created(server, { type: "strange", maxRetries: 0 }));
    expect(job).toMatchObject({ status: DEAD, error: expect.stringContaining("cannot be written as JSON") });
  });

  test("fails when it takes longer than its timeout", async () => {
    const job = await finished(
      server,
      await created(server, { type: "obedient", timeout: durationFromMs(1), maxRetries: 0 }),
    );
    expect(job).toMatchObject({ status: DEAD, error: "timed out after 1 ms" });
  });
});

describe("CancelJob", () => {
  test("cancels a waiting job at once", async () => {
    const id = await created(server, { type: "unknown-to-all" });
    const { job } = await jobs.cancelJob({ id });
    expect(job).toMatchObject({ id, status: CANCELED, cancelRequested: false, revision: 2 });
    expect(job?.finishedAt).toBeDefined();
  });

  test("tells a running job, which is canceled once its handler stops", async () => {
    const id = await running("sleep", { payloadKind: payload({ ms: 3_600_000 }) });
    expect((await jobs.cancelJob({ id })).job).toMatchObject({ status: RUNNING, cancelRequested: true });
    expect(await finished(server, id)).toMatchObject({ status: CANCELED, cancelRequested: false, retryCount: 0 });
  });

  test("leaves a job done whose handler finishes all the same", async () => {
    const id = await running("held");
    expect((await jobs.cancelJob({ id })).job).toMatchObject({ status: RUNNING, cancelRequested: true });
    release.fire();
    const job = await finished(server, id);
    expect(job).toMatchObject({ status: DONE, cancelRequested: false });
    expect(jsonOf(job.resultKind)).toBe("held to the end");
  });

  test("changes nothing the second time", async () => {
    const id = await running("held");
    const first = await jobs.cancelJob({ id });
    expect(await jobs.cancelJob({ id })).toEqual(first);
    release.fire();
    const waiting = await created(server, { type: "unknown-to-all" });
    const canceled = await jobs.cancelJob({ id: waiting });
    expect(await jobs.cancelJob({ id: waiting })).toEqual(canceled);
  });

  test("is refused for a job that ended in another way", async () => {
    const done = await created(server, { type: "echo" });
    const dead = await created(server, { type: "hopeless" });
    for (const [id, status] of [
      [done, "DONE"],
      [dead, "DEAD"],
    ] as const) {
      await finished(server, id);
      expect(await refusal(jobs.cancelJob({ id }))).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "JOB_STATE_CONFLICT",
        metadata: { job_id: id, status },
      });
    }
  });
});

describe("UpdateJob", () => {
  test("gives a waiting job another priority, time and payload, and watchers see it", async () => {
    const id = await created(server, { type: "echo", payloadKind: payload(1), schedule: delayed(3_600_000) });
    const watch = server.jobs.watchJob({ id })[Symbol.asyncIterator]();
    const next = async () => {
      for (;;) {
        const { event } = present((await watch.next()).value);
        if (event.case === "job") return event.value;
      }
    };
    expect(await next()).toMatchObject({ revision: 1 });
    const { job } = await server.jobs.updateJob({ id, priority: 8, payloadKind: payload({ n: 2 }) });
    expect(job).toMatchObject({ id, priority: 8, revision: 2, status: PENDING });
    expect(jsonOf(present(job).payloadKind)).toEqual({ n: 2 });
    expect(await next()).toEqual(job);
    await server.jobs.updateJob({ id, schedule: delayed(0) });
    await finished(server, id);
    const { job: done } = await server.jobs.getJob({ id });
    expect(done).toMatchObject({ status: DONE, priority: 8 });
    expect(jsonOf(present(done).resultKind)).toEqual({ n: 2 });
    expect(await refusal(server.jobs.updateJob({ id, priority: 1 }))).toMatchObject({
      ...{ reason: "JOB_STATE_CONFLICT", code: "FAILED_PRECONDITION" },
    });
    await watch.return?.();
  });

  test("names what is wrong, and what is not there", async () => {
    const id = await created(server, { type: "echo", schedule: delayed(1000), ttl: durationFromMs(60_000) });
    const { jobs } = server;
    const fields = async (request: Parameters<typeof jobs.updateJob>[0]) =>
      (await refusal(jobs.updateJob(request))).fields;
    expect(await fields({ id })).toEqual(["update"]);
    expect(await fields({ id: "-1", priority: 11, schedule: delayed(-1) })).toEqual(["id", "priority", "delay"]);
    expect(await fields({ id, schedule: delayed(60_000) })).toEqual(["delay"]);
    const late = timestampFromMs(Date.now() + 61_000);
    expect(await fields({ id, schedule: { case: "runAfter", value: late } })).toEqual(["run_after"]);
    expect(await fields({ id, payloadKind: { case: "payloadBytes", value: new Uint8Array(2 ** 20 + 1) } })).toEqual([
      "payload_bytes",
    ]);
    await jobs.cancelJob({ id });
    expect(await refusal(jobs.updateJob({ id: "1", priority: 1 }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });
});

describe("DeleteJob", () => {
  test.each(["echo", "hopeless", "unknown-to-all"])("deletes a finished job: %s", async (type) => {
    const id = await created(server, { type });
    if (type === "unknown-to-all") await jobs.cancelJob({ id });
    await finished(server, id);
    await jobs.deleteJob({ id });
    expect(await refusal(jobs.getJob({ id }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
    expect(await refusal(jobs.deleteJob({ id }))).toMatchObject({ reason: "JOB_NOT_FOUND" });
  });

  test("is refused for a job that waits or runs", async () => {
    const waiting = await created(server, { type: "unknown-to-all" });
    const held = await running("held");
    for (const [id, status] of [
      [waiting, "PENDING"],
      [held, "RUNNING"],
    ] as const) {
      expect(await refusal(jobs.deleteJob({ id }))).toMatchObject({
        code: "FAILED_PRECONDITION",
        reason: "JOB_STATE_CONFLICT",
        metadata: { job_id: id, status },
      });
    }
    release.fire();
    expect(await finished(server, held)).toMatchObject({ status: DONE });
  });
});

test("a server that stops gives back what runs, and nothing stays running", async () => {
  const handlers = { obedient: (_job: unknown, { signal }: HandlerContext) => aborted(signal) };
  const stopping = await startTestServer({}, { handlers });
  const id = await created(stopping, { type: "obedient" });
  const watch = reading(stopping.jobs.watchJob({ id }));
  await watch.until(({ event }) => event.case === "job" && event.value.status === RUNNING);
  const [seen] = await Promise.all([refusal(watch.rest()), stopping.stop()]);
  expect(seen).toMatchObject({ code: "UNAVAILABLE", reason: "SERVER_DRAINING" });
  const job = await stopping.engine.jobs.get(id);
  expect(job).toMatchObject({ status: "PENDING", retryCount: 0, deliveries: 1, error: "" });
});

/** Rejects when the signal is aborted, as a handler does that stops when it is told to. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
