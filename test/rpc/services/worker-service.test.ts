import { durationFromMs, durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { beforeAll, describe, expect, test } from "vitest";
import { JobStatus } from "../../../gen/gotaskq/v1/job_pb.js";
import { ExtendResult, type Lease, Retry, SettleResult } from "../../../gen/gotaskq/v1/worker_service_pb.js";
import { created, finished, jsonOf, payload, present, reading, refusal } from "../../support/rpc.js";
import { type Clients, newQueue, startTestServer, type TestServer } from "../../support/server.js";
import { TRANSPORTS } from "../../support/transports.js";
import { leasedIds, leaseOf, refOf, streamJobs, WORKER } from "../../support/worker.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});

describe.each(TRANSPORTS)("WorkerService over $name", (kind) => {
  let clients: Clients;
  let queue: string;
  let names = 0;

  beforeAll(() => {
    clients = server.connect(kind);
  });

  async function fresh(): Promise<string> {
    queue = await newQueue(server, `worker-${TRANSPORTS.indexOf(kind)}-${names++}`);
    return queue;
  }

  /** Creates a job and leases it. */
  async function leased(given: Parameters<Clients["jobs"]["createJob"]>[0] = {}): Promise<Lease> {
    await fresh();
    await created(clients, { queue, type: "work", ...given });
    const { leases } = await clients.workers.leaseJobs({ ...WORKER, queues: [queue] });
    return present(leases[0]);
  }

  test("streams jobs to a worker that runs, extends and completes them, one by one", async () => {
    await fresh();
    const stream = reading(clients.workers.streamJobs({ ...WORKER, queues: [queue], lease: durationFromMs(20_000) }));
    const { event: session } = await stream.next();
    expect(session).toMatchObject({ case: "session", value: { maxInFlight: 1, lease: { seconds: 20n } } });
    expect((await stream.next()).event.case).toBe("heartbeat");
    const input = { text: "é 😀", list: [1, null] };
    const ids = [
      await created(clients, { queue, type: "work", payloadKind: payload(input), metadata: { k: "v" } }),
      await created(clients, { queue, type: "work" }),
    ];
    const first = leaseOf(await stream.next());
    expect(first.job).toMatchObject({
      id: ids[0],
      status: JobStatus.RUNNING,
      worker: "test-worker",
      metadata: { k: "v" },
    });
    expect(jsonOf(present(first.job).payloadKind)).toEqual(input);
    expect(durationMs(present(first.leaseExpiresIn))).toBeGreaterThan(10_000);
    const extensions = [
      { ...refOf(first), extension: durationFromMs(60_000), progress: { percent: 50, message: "half" } },
    ];
    const extended = await clients.workers.extendLeases({ extensions });
    expect(extended.outcomes).toMatchObject([{ jobId: ids[0], result: ExtendResult.OK }]);
    expect(durationMs(present(extended.outcomes[0]?.leaseExpiresIn))).toBeGreaterThan(50_000);
    const completions = [
      { ...refOf(first), resultKind: { case: "result" as const, value: payload({ ok: true }).value } },
    ];
    expect((await clients.workers.completeJobs({ completions })).outcomes).toMatchObject([
      { jobId: ids[0], result: SettleResult.APPLIED },
    ]);
    expect((await clients.workers.completeJobs({ completions })).outcomes).toMatchObject([
      { result: SettleResult.ALREADY_APPLIED },
    ]);
    const done = await finished(clients, present(ids[0]));
    expect(done).toMatchObject({ status: JobStatus.DONE, deliveries: 1, progress: { percent: 50, message: "half" } });
    expect(jsonOf(done.resultKind)).toEqual({ ok: true });
    expect(leasedIds([leaseOf(await stream.next())])).toEqual([ids[1]]);
  });

  test("tells a stream of a cancel, which its worker acknowledges", async () => {
    await fresh();
    const stream = await streamJobs(clients, { queues: [queue] });
    const id = await created(clients, { queue, type: "work" });
    const lease = await stream.nextLease();
    await clients.jobs.cancelJob({ id });
    expect((await stream.next()).event).toMatchObject({ case: "cancel", value: { jobId: id } });
    const { outcomes } = await clients.workers.releaseJobs({ releases: [refOf(lease)] });
    expect(outcomes).toMatchObject([{ result: SettleResult.CANCELED }]);
    expect(await finished(clients, id)).toMatchObject({ status: JobStatus.CANCELED, retryCount: 0 });
    stream.leave();
    expect(await refusal(stream.rest())).toMatchObject({ code: "CANCELED" });
  });

  test("has a job that is released with a delay wait for that long, unless it is run before", async () => {
    await fresh();
    const id = await created(clients, { queue, type: "work", maxRetries: 0 });
    const request = { ...WORKER, queues: [queue], maxJobs: 1, wait: durationFromMs(1000) };
    const [lease] = (await clients.workers.leaseJobs(request)).leases;
    const releases = [{ ...refOf(present(lease)), delay: durationFromMs(3_600_000) }];
    const released = await clients.workers.releaseJobs({ releases });
    expect(released.outcomes).toMatchObject([{ jobId: id, result: SettleResult.APPLIED }]);
    const waiting = present((await clients.jobs.getJob({ id })).job);
    expect(waiting).toMatchObject({ status: JobStatus.PENDING, retryCount: 0, error: "" });
    expect(timestampMs(present(waiting.runAfter)) - timestampMs(present(waiting.updatedAt))).toBe(3_600_000);
    const { job } = await clients.jobs.runJob({ id });
    expect(job).toMatchObject({ id, status: JobStatus.PENDING, revision: waiting.revision + 1 });
    expect(leasedIds((await clients.workers.leaseJobs(request)).leases)).toEqual([id]);
    expect(await refusal(clients.jobs.runJob({ id }))).toMatchObject({ reason: "JOB_STATE_CONFLICT" });
  });

  test("leases by polls, the same again for a repeated request, and carries bytes both ways", async () => {
    await fresh();
    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
    const id = await created(clients, { queue, type: "work", payloadKind: { case: "payloadBytes", value: bytes } });
    const request = { ...WORKER, queues: [queue], maxJobs: 5, requestId: "r", wait: durationFromMs(1000) };
    const { leases } = await clients.workers.leaseJobs(request);
    expect(leasedIds(leases)).toEqual([id]);
    expect(leases[0]?.job?.payloadKind).toEqual({ case: "payloadBytes", value: bytes });
    const again = await clients.workers.leaseJobs(request);
    expect(again.leases.map(({ leaseToken }) => leaseToken)).toEqual(leases.map(({ leaseToken }) => leaseToken));
    const completions = leases.map((lease) => ({
      ...refOf(lease),
      resultKind: { case: "resultBytes" as const, value: bytes },
    }));
    await clients.workers.completeJobs({ completions });
    expect((await finished(clients, id)).resultKind).toEqual({ case: "resultBytes", value: bytes });
    expect((await clients.workers.leaseJobs({ ...request, wait: durationFromMs(0) })).leases).toEqual([]);
  });

  test("answers a poll that waits as soon as there is a job", async () => {
    await fresh();
    const waiting = clients.workers.leaseJobs({ ...WORKER, queues: [queue], wait: durationFromMs(60_000) });
    const id = await created(clients, { queue, type: "work" });
    expect(leasedIds((await waiting).leases)).toEqual([id]);
  });

  test("fails jobs: to be retried by the backoff, after a while, or never", async () => {
    const backoff = { baseDelay: durationFromMs(50_000), maxDelay: durationFromMs(50_000) };
    const failures = [
      { ...refOf(await leased({ backoff })), error: "first" },
      { ...refOf(await leased()), retryKind: { case: "retryAfter" as const, value: durationFromMs(1_000_000) } },
      { ...refOf(await leased()), retryKind: { case: "retry" as const, value: Retry.NEVER } },
    ];
    const { outcomes } = await clients.workers.failJobs({ failures });
    expect(outcomes.map(({ result }) => result)).toEqual(outcomes.map(() => SettleResult.APPLIED));
    const jobs = await Promise.all(failures.map(async ({ jobId }) => (await clients.jobs.getJob({ id: jobId })).job));
    expect(jobs).toMatchObject([
      { status: JobStatus.PENDING, retryCount: 1, error: "first" },
      { status: JobStatus.PENDING, retryCount: 1 },
      { status: JobStatus.DEAD, retryCount: 0 },
    ]);
    const waits = jobs.map((job) => Number(job?.runAfter?.seconds) - Number(job?.updatedAt?.seconds));
    expect(waits[0]).toBeGreaterThanOrEqual(49);
    expect(waits[1]).toBeGreaterThanOrEqual(999);
  });

  test("answers each item of a batch, in order", async () => {
    const [good, gone] = [await leased(), await leased()];
    await clients.workers.releaseJobs({ releases: [refOf(gone)] });
    const asked = await leased();
    await clients.jobs.cancelJob({ id: refOf(asked).jobId });
    const extensions = [gone, good, asked].map((lease) => ({ ...refOf(lease), extension: durationFromMs(5000) }));
    expect((await clients.workers.extendLeases({ extensions })).outcomes).toMatchObject([
      { jobId: refOf(gone).jobId, result: ExtendResult.LEASE_LOST, leaseExpiresIn: { seconds: 0n } },
      { jobId: refOf(good).jobId, result: ExtendResult.OK },
      { jobId: refOf(asked).jobId, result: ExtendResult.CANCEL_REQUESTED },
    ]);
    const { outcomes } = await clients.workers.completeJobs({ completions: [gone, good].map(refOf) });
    expect(outcomes.map(({ result }) => result)).toEqual([SettleResult.LEASE_LOST, SettleResult.APPLIED]);
  });

  test("refuses bad input with every bad field by its name", async () => {
    const { workers } = clients;
    const isJson = kind.name.includes("JSON");
    /** Names of fields as this client spells them. */
    const spelt = (...names: string[]) =>
      isJson ? names.map((name) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())) : names;
    expect(await refusal(workers.leaseJobs({ worker: "", maxJobs: -1, wait: durationFromMs(61_000) }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "FIELD_INVALID",
      fields: spelt("max_jobs", "wait", "worker", "types"),
    });
    const stream = reading(workers.streamJobs({ ...WORKER, maxInFlight: 1001, lease: durationFromMs(1) }));
    expect(await refusal(stream.rest())).toMatchObject({ fields: spelt("max_in_flight", "lease") });
    expect(await refusal(reading(workers.streamJobs({ ...WORKER, queues: ["nowhere"] })).rest())).toMatchObject({
      code: "NOT_FOUND",
      reason: "QUEUE_NOT_FOUND",
      metadata: { queue: "nowhere" },
    });
    const failures = [{ jobId: "1", leaseToken: "t", retryKind: { case: "retry" as const, value: 9 as Retry } }, {}];
    const fields = spelt(...(isJson ? [] : ["failures[0].retry"]), "failures[1].job_id", "failures[1].lease_token");
    const sent = isJson ? failures.map(({ jobId, leaseToken }) => ({ jobId, leaseToken })) : failures;
    expect(await refusal(workers.failJobs({ failures: sent }))).toMatchObject({ fields });
    const value = payload("x".repeat(1024 * 1024)).value;
    const completions = [{ jobId: "1", leaseToken: "t", resultKind: { case: "result" as const, value } }];
    expect(await refusal(workers.completeJobs({ completions }))).toMatchObject({ fields: ["completions[0].result"] });
    const releases = Array.from({ length: 1001 }, () => ({ jobId: "1", leaseToken: "t" }));
    expect(await refusal(workers.releaseJobs({ releases }))).toMatchObject({ fields: ["releases"] });
    const badDelays = [-1, 367 * 86_400_000].map((ms) => ({ jobId: "1", leaseToken: "t", delay: durationFromMs(ms) }));
    expect(await refusal(workers.releaseJobs({ releases: badDelays }))).toMatchObject({
      fields: ["releases[0].delay", "releases[1].delay"],
    });
  });
});
