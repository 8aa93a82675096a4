import { describe, expect, test } from "vitest";
import { silentObserver } from "../../../src/core/observer.js";
import { settle } from "../../support/fake-clock.js";
import { rejection } from "../support/async.js";
import { Fixture } from "../support/fixture.js";

const reason = (reason: string) => expect.objectContaining({ reason });
const badFields = (...fields: string[]) =>
  expect.objectContaining({
    reason: "FIELD_INVALID",
    violations: fields.map((field) => expect.objectContaining({ field })),
  });

describe("create", () => {
  test("answers the job as it can be read from then on", async () => {
    const { engine, clock } = new Fixture();
    const { job, deduplicated } = await engine.jobs.create({
      type: "mail",
      payload: '{"to":"a"}',
      priority: 7,
      maxRetries: 1,
      backoff: { baseDelayMs: 5, maxDelayMs: 50 },
      timeoutMs: 1000,
      delayMs: 500,
      metadata: { tenant: "x" },
      requestId: "r1",
    });
    expect(deduplicated).toBe(false);
    expect({ ...job, pendingState: "SCHEDULED" }).toEqual(await engine.jobs.get(job.id));
    expect(job).toMatchObject({
      queue: "default",
      type: "mail",
      status: "PENDING",
      revision: 1,
      createdAt: clock.now(),
      runAfter: clock.now() + 500,
      backoff: { baseDelayMs: 5, maxDelayMs: 50 },
    });
    expect(job).not.toHaveProperty("delayMs");
    expect(job).not.toHaveProperty("requestId");
  });

  test("takes what its queue gives for what a request leaves open, and answers it", async () => {
    const { engine } = new Fixture();
    const given = { defaultMaxRetries: 1, defaultBackoff: { delaysMs: [1, 2] }, defaultTimeoutMs: 9000 };
    await engine.queues.create("q", given);
    const { job } = await engine.jobs.create({ queue: "q", type: "work" });
    expect(job).toMatchObject({ maxRetries: 1, backoff: { delaysMs: [1, 2] }, timeoutMs: 9000 });
    expect(await engine.jobs.get(job.id)).toEqual({ ...job, pendingState: "READY" });
    const said = { maxRetries: 0, backoff: { baseDelayMs: 5 }, timeoutMs: 0 };
    const { job: other } = await engine.jobs.create({ queue: "q", type: "work", ...said });
    expect(other).toMatchObject({ maxRetries: 0, backoff: { baseDelayMs: 5, maxDelayMs: 5000 }, timeoutMs: 0 });
    expect(await engine.jobs.get(other.id)).toEqual({ ...other, pendingState: "READY" });
  });

  test("fills in the defaults, also of a backoff that is half set", async () => {
    const jobDefaults = { maxRetries: 3, backoff: { baseDelayMs: 10, maxDelayMs: 20 } };
    const { engine } = new Fixture({ jobDefaults });
    const plain = await engine.jobs.create({ type: "work", queue: "" });
    expect(plain.job).toMatchObject({ queue: "default", priority: 0, timeoutMs: 0, metadata: {}, ...jobDefaults });
    const half = await engine.jobs.create({ type: "work", backoff: { maxDelayMs: 99 } });
    expect(half.job.backoff).toEqual({ baseDelayMs: 10, maxDelayMs: 99 });
  });

  test("takes 0 retries for what it says", async () => {
    const { engine } = new Fixture();
    expect((await engine.jobs.create({ type: "work", maxRetries: 0 })).job.maxRetries).toBe(0);
  });

  test("keeps a time to run at, also one in the past", async () => {
    const { engine, clock } = new Fixture();
    const runAfter = clock.now() - 60_000;
    expect((await engine.jobs.create({ type: "work", runAfter })).job.runAfter).toBe(runAfter);
  });

  test("answers the first job again for the same request id, as it is by then", async () => {
    const fixture = new Fixture();
    const { engine } = fixture;
    const first = await engine.jobs.create({ type: "work", requestId: "r1" });
    await fixture.lease();
    const again = await engine.jobs.create({ type: "work", requestId: "r1" });
    expect(again).toEqual({ job: await engine.jobs.get(first.job.id), deduplicated: true, replaced: false });
    expect(again.job.status).toBe("RUNNING");
    await engine.queues.create("other");
    expect((await engine.jobs.create({ type: "work", queue: "other", requestId: "r1" })).deduplicated).toBe(false);
  });

  test("tells of a request id that a client made by itself what the call did that it repeats", async () => {
    const { engine } = new Fixture();
    const create = (requestId: string) => engine.jobs.create({ type: "work", requestId, unique: { key: "k" } });
    const first = await create("auto:1");
    expect(await create("auto:1")).toEqual(first);
    expect(await create("auto:2")).toEqual({ ...first, deduplicated: true });
    await engine.jobs.cancel(first.job.id);
    expect((await create("auto:2")).deduplicated).toBe(true);
    expect((await create("auto:3")).deduplicated).toBe(false);
    const batch = await engine.jobs.createBatch(
      ["auto:1", "auto:2"].map((requestId) => ({ type: "work", requestId, unique: { key: "k" } })),
    );
    expect(batch.map(({ id, deduplicated }) => [id, deduplicated])).toEqual([
      [first.job.id, false],
      [first.job.id, true],
    ]);
  });

  test("names the bad fields of uniqueness", async () => {
    const { engine } = new Fixture();
    const unique = { key: "", until: "ENDED" as "STARTED", holdMs: -1, onConflict: "FAIL" as "KEEP" };
    expect(await rejection(engine.jobs.create({ type: "work", unique }))).toEqual(
      badFields("unique.key", "unique.hold", "unique.until", "unique.onConflict"),
    );
    const first = await engine.jobs.create({ type: "work", unique: { key: "k" } });
    const refusing = { type: "work", unique: { key: "k", onConflict: "REFUSE" } } as const;
    const metadata = { job_id: first.job.id };
    expect(await rejection(engine.jobs.create(refusing))).toMatchObject({ reason: "JOB_EXISTS", metadata });
    const batch = rejection(engine.jobs.createBatch([{ type: "work" }, refusing]));
    expect(await batch).toMatchObject({ reason: "JOB_EXISTS", metadata: { ...metadata, index: "1" } });
  });

  test("takes an empty request id for none", async () => {
    const { engine } = new Fixture();
    await engine.jobs.create({ type: "work", requestId: "" });
    expect((await engine.jobs.create({ type: "work", requestId: "" })).deduplicated).toBe(false);
  });

  test("names all bad fields, together with those found before", async () => {
    const { engine } = new Fixture();
    const error = await rejection(engine.jobs.create({ type: "", priority: 11, queue: "?" }));
    expect(error).toEqual(badFields("queue", "type", "priority"));
  });

  test("refuses an unknown queue and a full one", async () => {
    const { engine } = new Fixture();
    expect(await rejection(engine.jobs.create({ type: "work", queue: "none" }))).toEqual(reason("QUEUE_NOT_FOUND"));
    await engine.queues.create("small", { maxDepth: 1 });
    await engine.jobs.create({ type: "work", queue: "small" });
    expect(await rejection(engine.jobs.create({ type: "work", queue: "small" }))).toEqual(reason("QUEUE_FULL"));
  });

  test("tells the observer of new jobs only", async () => {
    const seen: unknown[] = [];
    const observer = { ...silentObserver, enqueued: (...args: unknown[]) => seen.push(args) };
    const { engine } = new Fixture({ observer });
    await engine.jobs.create({ type: "work", requestId: "r1" });
    await engine.jobs.create({ type: "work", requestId: "r1" });
    await engine.jobs.createBatch([
      { type: "work", requestId: "r1" },
      { type: "work" },
      { type: "work" },
      { type: "mail" },
      { type: "work" },
    ]);
    expect(seen).toEqual([
      ["default", "work", 1],
      ["default", "work", 2],
      ["default", "mail", 1],
      ["default", "work", 1],
    ]);
  });
});

describe("createBatch", () => {
  test("of more than 64 MiB of payloads is refused, and names the field", async () => {
    const { engine } = new Fixture();
    const payload = JSON.stringify("x".repeat(1_000_000));
    const error = await rejection(
      engine.jobs.createBatch(Array.from({ length: 68 }, () => ({ type: "work", payload }))),
    );
    expect(error).toMatchObject({ reason: "FIELD_INVALID", violations: [{ field: "requests" }] });
    const made = await engine.jobs.createBatch(Array.from({ length: 67 }, () => ({ type: "work", payload })));
    expect(made).toHaveLength(67);
  });

  test("answers in order, with what was known already", async () => {
    const { engine } = new Fixture();
    const { job } = await engine.jobs.create({ type: "work", requestId: "known" });
    const results = await engine.jobs.createBatch([
      { type: "a" },
      { type: "work", requestId: "known" },
      { type: "c", requestId: "twice" },
      { type: "c", requestId: "twice" },
    ]);
    expect(results.map(({ deduplicated }) => deduplicated)).toEqual([false, true, false, true]);
    expect(results[1]?.id).toBe(job.id);
    expect(results[3]?.id).toBe(results[2]?.id);
    expect((await engine.jobs.get(results[0]?.id ?? "")).type).toBe("a");
  });

  test("names the place of every bad job and creates none", async () => {
    const { engine } = new Fixture();
    const error = await rejection(
      engine.jobs.createBatch([{ type: "ok" }, { type: "", priority: -1 }, { type: "ok" }, { type: "x", delayMs: -1 }]),
    );
    expect(error).toEqual(badFields("requests[1].type", "requests[1].priority", "requests[3].delay"));
    expect((await engine.jobs.list({})).jobs).toEqual([]);
  });

  test("creates none when one does not fit", async () => {
    const { engine } = new Fixture();
    const error = await rejection(engine.jobs.createBatch([{ type: "ok" }, { type: "ok", queue: "none" }]));
    expect(error).toEqual(reason("QUEUE_NOT_FOUND"));
    expect((await engine.jobs.list({})).jobs).toEqual([]);
  });

  test("takes 1 to 1000 jobs", async () => {
    const { engine } = new Fixture();
    const batch = (count: number) => Array.from({ length: count }, () => ({ type: "work" }));
    expect(await rejection(engine.jobs.createBatch([]))).toEqual(badFields("requests"));
    expect(await rejection(engine.jobs.createBatch(batch(1001)))).toEqual(badFields("requests"));
    expect(new Set((await engine.jobs.createBatch(batch(1000))).map(({ id }) => id)).size).toBe(1000);
  });
});

describe("get, cancel and remove", () => {
  test("refuse what cannot be an id", async () => {
    const { engine } = new Fixture();
    for (const call of [engine.jobs.get, engine.jobs.cancel, engine.jobs.remove]) {
      expect(await rejection(call("no-id"))).toEqual(badFields("id"));
    }
  });

  test("do not know a job that is not there", async () => {
    const { engine } = new Fixture();
    for (const call of [engine.jobs.get, engine.jobs.cancel, engine.jobs.remove]) {
      expect(await rejection(call("1"))).toEqual(reason("JOB_NOT_FOUND"));
    }
  });

  test("a waiting job is cancelled at once, and again without harm", async () => {
    const fixture = new Fixture();
    const id = await fixture.create();
    expect(await fixture.engine.jobs.cancel(id)).toMatchObject({ status: "CANCELED", cancelRequested: false });
    expect(await fixture.engine.jobs.cancel(id)).toMatchObject({ status: "CANCELED", revision: 2 });
    expect(await fixture.lease()).toEqual([]);
  });

  test("a running job is told to stop, once", async () => {
    const fixture = new Fixture();
    const id = await fixture.create();
    await fixture.lease();
    const asked = await fixture.engine.jobs.cancel(id);
    expect(asked).toMatchObject({ status: "RUNNING", cancelRequested: true });
    expect(await fixture.engine.jobs.cancel(id)).toEqual(asked);
  });

  test("only a finished job can be deleted", async () => {
    const fixture = new Fixture();
    const { jobs } = fixture.engine;
    const id = await fixture.create();
    expect(await rejection(jobs.remove(id))).toEqual(
      expect.objectContaining({ reason: "JOB_STATE_CONFLICT", metadata: { job_id: id, status: "PENDING" } }),
    );
    const [lease] = await fixture.lease();
    expect(await rejection(jobs.remove(id))).toEqual(reason("JOB_STATE_CONFLICT"));
    await fixture.backend.complete([{ jobId: id, token: lease?.token ?? "", result: undefined }]);
    await jobs.remove(id);
    expect(await rejection(jobs.get(id))).toEqual(reason("JOB_NOT_FOUND"));
    expect(await rejection(jobs.remove(id))).toEqual(reason("JOB_NOT_FOUND"));
  });

  test("a dead or cancelled job can be deleted; neither it nor a done one can be cancelled", async () => {
    const fixture = new Fixture();
    const [dead = ""] = await fixture.bury([{}]);
    expect(await rejection(fixture.engine.jobs.cancel(dead))).toEqual(reason("JOB_STATE_CONFLICT"));
    await fixture.engine.jobs.remove(dead);
    const waiting = await fixture.create();
    await fixture.engine.jobs.cancel(waiting);
    await fixture.engine.jobs.remove(waiting);
    expect((await fixture.engine.jobs.list({})).jobs).toEqual([]);
  });
});

describe("update", () => {
  test("changes what it says, in whole ms, rounded up", async () => {
    const { engine, clock } = new Fixture();
    const { job } = await engine.jobs.create({ type: "work", payload: "1" });
    const changed = await engine.jobs.update(job.id, { priority: 4, delayMs: 1.2 });
    const pendingState = "SCHEDULED";
    const times = { runAfter: clock.now() + 2, updatedAt: clock.now() };
    expect(changed).toEqual({ ...job, ...times, priority: 4, revision: 2, pendingState });
    expect(await engine.jobs.update(job.id, { payload: "2", runAfter: 5.5 })).toMatchObject({
      ...{ payload: "2", priority: 4, runAfter: 6, revision: 3 },
    });
    expect(await engine.jobs.get(job.id)).toMatchObject({ payload: "2", runAfter: 6 });
  });

  test("names every bad field, an id that is none too, and refuses to change nothing", async () => {
    const { engine } = new Fixture();
    const runAfter = Number.MAX_VALUE;
    await expect(
      engine.jobs.update("x", { priority: 11, delayMs: -1, runAfter, payload: "[".repeat(40) }),
    ).rejects.toEqual(badFields("id", "priority", "delay", "runAfter", "runAfter", "payload"));
    await expect(engine.jobs.update("1", {})).rejects.toEqual(badFields("update"));
    await expect(engine.jobs.update("1", { priority: 1 })).rejects.toEqual(reason("JOB_NOT_FOUND"));
  });
});

describe("list", () => {
  /** Three jobs in each of two queues: one of another type, one cancelled. */
  async function filled() {
    const fixture = new Fixture();
    await fixture.engine.queues.create("b");
    const ids: string[] = [];
    for (const queue of ["default", "b"]) {
      ids.push(await fixture.create({ queue }));
      ids.push(await fixture.create({ queue, type: "mail" }));
      ids.push(await fixture.create({ queue }));
    }
    await fixture.engine.jobs.cancel(ids[2] ?? "");
    await settle();
    return { jobs: fixture.engine.jobs, ids };
  }

  test("goes through the queues by name, the latest job first, page by page", async () => {
    const { jobs, ids } = await filled();
    const [d1, d2, d3, b1, b2, b3] = ids;
    const seen: (string | undefined)[][] = [];
    let pageToken = "";
    do {
      const page = await jobs.list({ pageSize: 2, pageToken });
      seen.push(page.jobs.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toEqual([
      [b3, b2],
      [b1, d3],
      [d2, d1],
    ]);
  });

  test("chooses by queue, status and type", async () => {
    const { jobs, ids } = await filled();
    const [d1, d2, d3, b1, b2, b3] = ids;
    const idsOf = async (filter: Parameters<typeof jobs.list>[0]) => (await jobs.list(filter)).jobs.map(({ id }) => id);
    expect(await idsOf({ queue: "default" })).toEqual([d3, d2, d1]);
    expect(await idsOf({ statuses: ["CANCELED"] })).toEqual([d3]);
    expect(await idsOf({ statuses: ["CANCELED", "PENDING"], queue: "default" })).toEqual([d3, d2, d1]);
    expect(await idsOf({ type: "mail" })).toEqual([b2, d2]);
    expect(await idsOf({ type: "work", statuses: ["PENDING"] })).toEqual([b3, b1, d1]);
    expect(await idsOf({ type: "nothing" })).toEqual([]);
  });

  test("names every bad field", async () => {
    const { jobs } = await filled();
    const error = await rejection(jobs.list({ queue: "?", pageSize: 1001, statuses: ["LOST" as "DEAD"] }));
    expect(error).toEqual(badFields("queue", "statuses[0]", "pageSize"));
    expect(await rejection(jobs.list({ queue: "none" }))).toEqual(reason("QUEUE_NOT_FOUND"));
  });

  test("takes a token for its own filter only, the order of statuses aside", async () => {
    const { jobs } = await filled();
    const first = await jobs.list({ statuses: ["PENDING", "DONE"], pageSize: 1 });
    const pageToken = first.nextPageToken;
    expect((await jobs.list({ statuses: ["DONE", "PENDING"], pageSize: 3, pageToken })).jobs).toHaveLength(3);
    for (const other of [{}, { statuses: ["PENDING" as const] }, { queue: "b" }, { type: "work" }]) {
      expect(await rejection(jobs.list({ ...other, pageToken }))).toEqual(reason("PAGE_TOKEN_INVALID"));
    }
  });
});

test("creates are refused after close, the rest goes on", async () => {
  const fixture = new Fixture();
  const id = await fixture.create();
  const { jobs } = fixture.engine;
  jobs.close();
  expect(await rejection(jobs.create({ type: "work" }))).toEqual(
    expect.objectContaining({ reason: "SERVER_DRAINING", retryAfterMs: 1000 }),
  );
  expect(await rejection(jobs.createBatch([{ type: "work" }]))).toEqual(reason("SERVER_DRAINING"));
  expect((await jobs.list({})).jobs.map((job) => job.id)).toEqual([id]);
  expect((await jobs.cancel(id)).status).toBe("CANCELED");
});
