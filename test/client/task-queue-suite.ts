import { type Job, type LocalTaskQueue, RawJson, type TaskQueue, TaskQueueError } from "gotaskq";
import { expect, test } from "vitest";
import { eventually, within } from "../support/wait.js";
import { CONVERSIONS } from "./conversions.js";

/** Jobs of the suite. Whatever runs them has these handlers. */
export const handlers = {
  echo: ({ payload }: { readonly payload: unknown }) => payload,
  letter: ({ payloadText = "" }: { readonly payloadText: string | undefined }) => new RawJson(payloadText),
  fails: () => {
    throw new Error("no luck 7");
  },
};

/** Opens a task queue whose jobs of the types above are run, and which is used by nobody else. */
export type OpenTaskQueue = () => TaskQueue | Promise<TaskQueue>;

/** A mistake, and how every task queue refuses it. */
type Mistake = readonly [
  what: string,
  make: (queue: TaskQueue) => Promise<unknown>,
  reason: string,
  fields?: readonly string[],
];

const UNKNOWN = "119535631612248064";
const MISTAKES: readonly Mistake[] = [
  ["no type", (q) => q.create({ type: "" }), "FIELD_INVALID", ["type"]],
  ["a type that is no text", (q) => q.create({ type: 5 } as never), "FIELD_INVALID", ["type"]],
  [
    "a half priority, and retries",
    (q) => q.create({ type: "t", priority: 1.5, maxRetries: 101 }),
    "FIELD_INVALID",
    ["priority", "maxRetries"],
  ],
  [
    "times that are none",
    (q) => q.create({ type: "t", delayMs: Number.NaN, timeoutMs: -1, ttlMs: 0 }),
    "FIELD_INVALID",
    ["delayMs", "timeoutMs", "ttlMs"],
  ],
  ["two times", (q) => q.create({ type: "t", delayMs: 1, runAfter: new Date() }), "FIELD_INVALID", ["runAfter"]],
  [
    "a backoff of both kinds",
    (q) => q.create({ type: "t", backoff: { baseDelayMs: 1, delaysMs: [1] } as never }),
    "FIELD_INVALID",
    ["backoff.baseDelayMs"],
  ],
  [
    "metadata that is no text",
    (q) => q.create({ type: "t", metadata: { a: 5 as never } }),
    "FIELD_INVALID",
    ['metadata["a"]'],
  ],
  [
    "a bad unique key",
    (q) => q.create({ type: "t", unique: { key: "", until: "NEVER" as never } }),
    "FIELD_INVALID",
    ["unique.key", "unique.until"],
  ],
  [
    "a bad trace",
    (q) => q.create({ type: "t", traceContext: { traceparent: "x" } }),
    "FIELD_INVALID",
    ["traceContext.traceparent"],
  ],
  [
    "a bad job of several",
    (q) => q.createBatch([{ type: "t" }, { type: "t", priority: 11 }, { type: "t", delayMs: -1 }]),
    "FIELD_INVALID",
    ["requests[1].priority", "requests[2].delayMs"],
  ],
  ["no jobs", (q) => q.createBatch([]), "FIELD_INVALID", ["requests"]],
  ["a queue that is none", (q) => q.create({ type: "t", queue: "nowhere" }), "QUEUE_NOT_FOUND"],
  ["a bad id", (q) => q.get("x"), "FIELD_INVALID", ["id"]],
  ["an id that is no text", (q) => q.get(5 as never), "FIELD_INVALID", ["id"]],
  ["a name that is no text", (q) => q.queues.create(undefined as never), "FIELD_INVALID", ["name"]],
  ["a page of no number", (q) => q.list({ pageSize: Number.NaN }).page(), "FIELD_INVALID", ["pageSize"]],
  ["a page of a part of a job", (q) => q.dlq.list({ pageSize: 1.5 }).page(), "FIELD_INVALID", ["pageSize"]],
  ["workers by no number", (q) => q.server.workers({ pageSize: Number.NaN }).page(), "FIELD_INVALID", ["pageSize"]],
  ["schedules by no number", (q) => q.schedules.list({ pageSize: Number.NaN }).page(), "FIELD_INVALID", ["pageSize"]],
  ["no number of jobs", (q) => q.cancelMatching({ types: ["t"] }, { max: Number.NaN }), "FIELD_INVALID", ["max"]],
  ["no number of groups", (q) => q.dlq.summarize({}, { maxGroups: Number.NaN }), "FIELD_INVALID", ["maxGroups"]],
  [
    "no number of times",
    (q) => q.schedules.preview({ everyMs: 5000 }, { count: Number.NaN }),
    "FIELD_INVALID",
    ["count"],
  ],
  [
    "an interval of no number",
    (q) => first(q.queues.watch({ minIntervalMs: Number.NaN })),
    "FIELD_INVALID",
    ["minIntervalMs"],
  ],
  [
    "metadata without a text",
    (q) => q.create({ type: "t", metadata: { team: undefined as never } }),
    "FIELD_INVALID",
    ['metadata["team"]'],
  ],
  [
    "a delay without a number",
    (q) => q.create({ type: "t", backoff: { delaysMs: [undefined as never] } }),
    "FIELD_INVALID",
    ["backoff.delaysMs[0]"],
  ],
  ["a bad id to wait for", (q) => q.wait("x"), "FIELD_INVALID", ["id"]],
  ["an unknown id", (q) => q.get(UNKNOWN), "JOB_NOT_FOUND"],
  ["an unknown id to wait for", (q) => q.wait(UNKNOWN), "JOB_NOT_FOUND"],
  ["an unknown id to cancel", (q) => q.cancel(UNKNOWN), "JOB_NOT_FOUND"],
  ["an unknown id to delete", (q) => q.delete(UNKNOWN), "JOB_NOT_FOUND"],
  ["an update of nothing", (q) => q.update(UNKNOWN, {}), "FIELD_INVALID", ["update"]],
  ["an update to two times", (q) => q.update(UNKNOWN, { delayMs: 1, runAfter: 5e12 }), "FIELD_INVALID"],
  ["a bad filter", (q) => q.count({ queues: ["?"], ids: ["x"] }), "FIELD_INVALID", ["queues[0]", "ids[0]"]],
  [
    "a bad query",
    (q) => q.list({ order: "UP" as never, statuses: ["GONE" as never] }).page(),
    "FIELD_INVALID",
    ["statuses[0]", "order"],
  ],
  ["a bad time in a filter", (q) => q.count({ createdAfter: Number.NaN }), "FIELD_INVALID", ["createdAfter"]],
  ["a bad page token", (q) => q.list({ pageToken: "x" }).page(), "PAGE_TOKEN_INVALID", ["pageToken"]],
  ["a filter of all", (q) => q.deleteMatching({}), "FIELD_INVALID", ["filter"]],
  ["a bad name of a queue", (q) => q.queues.create("No!"), "FIELD_INVALID", ["name"]],
  [
    "bad settings",
    (q) => q.queues.create("q", { weight: 0, completedTtlMs: -1 }),
    "FIELD_INVALID",
    ["settings.weight", "settings.completedTtlMs"],
  ],
  [
    "bad settings to change",
    (q) => q.queues.update("default", { weight: 1.5, defaultTimeoutMs: Number.NaN }),
    "FIELD_INVALID",
    ["settings.weight", "settings.defaultTimeoutMs"],
  ],
  ["the end of the queue that always is", (q) => q.queues.delete("default"), "FIELD_INVALID", ["name"]],
  ["an unknown queue", (q) => q.queues.get("nowhere"), "QUEUE_NOT_FOUND"],
  [
    "a bad watch of queues",
    (q) => first(q.queues.watch({ names: ["?"], minIntervalMs: 5 })),
    "FIELD_INVALID",
    ["names[0]", "minIntervalMs"],
  ],
  [
    "a bad watch",
    (q) => first(q.watchJobs({ queues: ["?"], types: [""] })),
    "FIELD_INVALID",
    ["queues[0]", "types[0]"],
  ],
  ["a watch of an unknown queue", (q) => first(q.watchJobs({ queues: ["nowhere"] })), "QUEUE_NOT_FOUND"],
  [
    "a schedule with two kinds of times",
    (q) => q.schedules.create({ name: "s", cron: "* * * * *", everyMs: 5000, job: { type: "t" } }),
    "FIELD_INVALID",
    ["everyMs"],
  ],
  [
    "a bad schedule",
    (q) => q.schedules.create({ name: "No!", cron: "x", jitterMs: -1, job: { type: "" } }),
    "FIELD_INVALID",
    ["name", "cron", "jitterMs", "job.type"],
  ],
  [
    "a bad payload in a schedule",
    (q) => q.schedules.create({ name: "s", everyMs: 5000, job: { type: "t", payload: [1n] } }),
    "FIELD_INVALID",
    ["job.payload"],
  ],
  ["an unknown schedule", (q) => q.schedules.get({ name: "none" }), "SCHEDULE_NOT_FOUND"],
  ["a dead job that is none", (q) => q.dlq.get(UNKNOWN), "JOB_NOT_FOUND"],
];

async function first<T>(stream: AsyncIterable<T>): Promise<T | undefined> {
  for await (const item of stream) return item;
  return undefined;
}

async function refusal(call: Promise<unknown>): Promise<unknown> {
  return within(
    call.then(
      () => "no error",
      (error: unknown) => error,
    ),
    "the refusal",
  );
}

/** What every task queue does alike. */
export function testTaskQueue(open: OpenTaskQueue): void {
  let opened: TaskQueue | Promise<TaskQueue> | undefined;
  const get = async () => {
    opened ??= open();
    return opened;
  };
  const done = (call: Promise<Job>) => within(call, "the end of a job");

  test("creates jobs, and tells what becomes of them", async () => {
    const queue = await get();
    await queue.queues.create("life");
    const asked = {
      queue: "life",
      type: "echo",
      payload: { n: 1 },
      key: "acme",
      metadata: { a: "b" },
      requestId: "once",
    };
    const { job, ...outcome } = await queue.create(asked);
    expect(outcome).toEqual({ deduplicated: false, replaced: false });
    const ended = await done(queue.wait(job.id));
    const { payload, result, payloadText, resultText, key, metadata } = ended;
    expect({ payload, result, payloadText, resultText, key, metadata }).toEqual({
      ...{ payload: { n: 1 }, result: { n: 1 }, payloadText: '{"n":1}', resultText: '{"n":1}' },
      ...{ key: "acme", metadata: { a: "b" } },
    });
    expect(JSON.parse(JSON.stringify({ ...ended }))).toMatchObject({ id: job.id, payload: { n: 1 }, status: "DONE" });
    expect((await queue.create(asked)).deduplicated).toBe(true);
    expect(await done(queue.createAndWait({ type: "echo", payload: null }))).toMatchObject({
      payload: null,
      result: null,
    });
    const [one, two] = await queue.createBatch([
      { type: "echo", queue: "life" },
      { type: "none", queue: "life" },
    ]);
    expect([await done(queue.wait(one?.id ?? ""))].map((each) => [each.payload, each.result])).toEqual([
      [undefined, undefined],
    ]);
    const listed: string[] = [];
    for await (const each of queue.list({ queue: "life", pageSize: 2 })) listed.push(each.id);
    expect(listed).toEqual([two?.id, one?.id, job.id]);
    const page = await queue.list({ queue: "life", pageSize: 2 }).page();
    expect((await queue.list({ queue: "life", pageSize: 2, pageToken: page.nextPageToken }).page()).items).toHaveLength(
      1,
    );
    expect(await queue.count({ queues: ["life"], types: ["echo"] })).toEqual({
      count: 2,
      hasMore: false,
      nextPageToken: "",
    });
    expect(
      await queue.update(two?.id ?? "", { priority: 3, payload: Uint8Array.of(7), delayMs: 60_000 }),
    ).toMatchObject({
      ...{ priority: 3, payload: Uint8Array.of(7), pendingState: "SCHEDULED" },
    });
    expect(await queue.run(two?.id ?? "")).toMatchObject({ status: "PENDING", pendingState: "READY" });
    expect(await queue.cancel(two?.id ?? "")).toMatchObject({ status: "CANCELED" });
    await queue.delete(two?.id ?? "");
    expect(await queue.deleteMatching({ queues: ["life"] })).toMatchObject({ count: 2 });
    await queue.queues.delete("life");
  });

  test("watches jobs and queues", async () => {
    const queue = await get();
    const seen: string[] = [];
    const changes = queue.watchJobs({ types: ["echo"] })[Symbol.asyncIterator]();
    await within(changes.next(), "the begin of a watch");
    const queues = queue.queues.watch({ names: ["default"], minIntervalMs: 100 })[Symbol.asyncIterator]();
    expect((await within(queues.next(), "the queues")).value).toMatchObject([{ name: "default" }]);
    const { job } = await queue.create({ type: "echo", payload: 1 });
    for await (const { status } of queue.watchJob(job.id)) seen.push(status);
    expect(seen.at(-1)).toBe("DONE");
    let status = "";
    while (status !== "DONE") {
      const { value } = await within(changes.next(), "a change");
      if (value.kind === "event" && value.change.jobId === job.id) ({ status } = value.change);
    }
    await changes.return?.();
    await queues.return?.();
  });

  test("has dead letters, settings and schedules", async () => {
    const queue = await get();
    await queue.queues.create("dead", { weight: 2 });
    const job = await done(queue.createAndWait({ queue: "dead", type: "fails", maxRetries: 0 }));
    expect(job).toMatchObject({ status: "DEAD", error: "no luck 7", result: undefined });
    expect((await queue.dlq.list({ queue: "dead" }).page()).items).toMatchObject([{ id: job.id }]);
    expect(await queue.dlq.summarize({ queue: "dead" })).toMatchObject({ count: 1, groups: [{ error: "no luck #" }] });
    await queue.queues.pause("dead");
    expect(await queue.dlq.replay(job.id)).toMatchObject({ status: "PENDING" });
    await queue.queues.resume("dead");
    await eventually(async () => ((await queue.get(job.id)).status === "DEAD" ? true : undefined), "the second death");
    expect(await queue.dlq.get(job.id)).toMatchObject({ error: "no luck 7" });
    expect(await queue.dlq.deleteMatching({ queue: "dead" })).toMatchObject({ count: 1 });
    expect((await queue.queues.update("dead", { maxDepth: 5 })).settings).toMatchObject({ weight: 2, maxDepth: 5 });
    expect((await queue.queues.list()).map(({ name }) => name)).toContain("dead");
    const made = await queue.schedules.create({
      ...{ queue: "dead", name: "s", everyMs: 3_600_000 },
      job: { type: "echo", payload: { n: 1 } },
    });
    expect(made).toMatchObject({
      cron: undefined,
      everyMs: 3_600_000,
      job: { type: "echo", payload: { n: 1 } },
      state: "ACTIVE",
    });
    const name = { queue: "dead", name: "s" };
    expect(await queue.schedules.update(name, { jitterMs: 5 })).toMatchObject({ jitterMs: 5, revision: 2 });
    expect(await queue.schedules.trigger(name)).toMatchObject({ schedule: "s", payload: { n: 1 } });
    expect((await queue.schedules.list({ queue: "dead" }).page()).items).toHaveLength(1);
    expect(await queue.schedules.preview({ everyMs: 1000 }, { count: 2, after: new Date() })).toHaveLength(2);
    await queue.schedules.delete(name);
    await queue.queues.delete("dead", { force: true });
  });

  test("takes payloads and results to the letter", async () => {
    const queue = await get();
    await queue.queues.create("letters");
    const letter = '{"b":9007199254740993, "a":1.50e2}';
    const payload = new RawJson(letter);
    const ended = await done(queue.createAndWait({ queue: "letters", type: "letter", payload }));
    expect([ended.payloadText, ended.resultText]).toEqual([letter, letter]);
    const [later] = await queue.createBatch([{ queue: "letters", type: "letter", payload, delayMs: 60_000 }]);
    const id = later?.id ?? "";
    expect((await queue.get(id)).payloadText).toBe(letter);
    expect((await queue.update(id, { payload: new RawJson("1.0") })).payloadText).toBe("1.0");
    const times = { queue: "letters", name: "letter", everyMs: 3_600_000 };
    const made = await queue.schedules.create({ ...times, job: { type: "letter", payload } });
    expect(made.payloadText).toBe(letter);
    // What was read makes another.
    const { job } = await queue.schedules.update(times, { job: { ...made.job, payload: new RawJson("[ ]") } });
    expect(job.payload).toEqual([]);
    expect((await queue.schedules.trigger(times)).payloadText).toBe("[ ]");
    await queue.queues.delete("letters", { force: true });
  });

  test("tells what it is", async () => {
    const { server } = await get();
    const info = await server.info();
    expect(info).toMatchObject({
      version: expect.stringMatching(/^\d/),
      durable: expect.any(Boolean),
      draining: false,
    });
    expect(info.limits).toMatchObject({ batch: 1000, payloadBytes: 1_048_576, defaultLeaseMs: 30_000 });
    expect(await server.health()).toBe("SERVING");
    for await (const worker of server.workers()) expect(worker.types).toContain("echo");
  });

  test.each(CONVERSIONS)("takes or refuses $given", async ({ make, arrives, refusal: text }) => {
    const queue = await get();
    const call = queue.create({ type: "echo", payload: make() });
    if (arrives === undefined) {
      expect(await refusal(call)).toMatchObject({
        reason: "FIELD_INVALID",
        violations: [{ field: "payload", description: expect.stringContaining(text ?? "") }],
      });
    } else {
      const { job } = await call;
      const { payload, result } = await done(queue.wait(job.id));
      expect([job.payload, payload, result]).toEqual([arrives.value, arrives.value, arrives.value]);
      if (arrives.text !== undefined) expect(job.payloadText).toBe(arrives.text);
    }
  });

  test.each(MISTAKES.map(([what, ...rest]) => ({ what, rest })))(
    "refuses $what",
    async ({ rest: [make, reason, fields] }) => {
      const error = await refusal(make(await get()));
      expect(error).toBeInstanceOf(TaskQueueError);
      const { violations, code, message } = error as TaskQueueError;
      expect((error as TaskQueueError).reason).toBe(reason);
      expect(code).toBe(reason.endsWith("_NOT_FOUND") ? "NOT_FOUND" : "INVALID_ARGUMENT");
      if (fields !== undefined) expect(violations.map(({ field }) => field)).toEqual(fields);
      if (violations.length > 0) expect(message).toContain(`${violations[0]?.field}: `);
    },
  );

  test("ends a wait by its signal or time", async () => {
    const queue = await get();
    const { job } = await queue.create({ type: "nobody", delayMs: 60_000 });
    const late = { reason: "DEADLINE_EXCEEDED", code: "DEADLINE_EXCEEDED" };
    expect(await refusal(queue.wait(job.id, { timeoutMs: 20 }))).toMatchObject(late);
    expect(await refusal(first(skip(queue.watchJob(job.id, { timeoutMs: 20 }))))).toMatchObject(late);
    const leave = new AbortController();
    const left = queue.wait(job.id, { signal: leave.signal });
    leave.abort("left");
    expect(await refusal(left)).toBe("left");
    for (const call of [queue.get, queue.cancel])
      expect(await refusal(call(job.id, { signal: leave.signal }))).toBe("left");
    expect(await refusal(first(queue.watchJobs({}, { signal: leave.signal })))).toBe("left");
    const gone = queue.wait(job.id);
    await queue.cancelMatching({ ids: [job.id] });
    expect(await gone).toMatchObject({ status: "CANCELED" });
  });
}

/** All but the first. */
async function* skip<T>(stream: AsyncIterable<T>): AsyncGenerator<T> {
  let count = 0;
  for await (const item of stream) if (count++ > 0) yield item;
}

/** The library and what is on top of it have what is beside the interface. */
export async function usesAndEnds(queue: LocalTaskQueue): Promise<unknown> {
  await using own = queue;
  await own.start();
  return (await own.createAndWait({ type: "echo", payload: 1 })).result;
}
