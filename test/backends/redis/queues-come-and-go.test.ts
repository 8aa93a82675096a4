import { beforeAll, describe, expect, test } from "vitest";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import type { Backend } from "../../../src/core/backend.js";
import { recordingLogger } from "../../support/logger.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { reading } from "../../support/rpc.js";
import { eventually, within } from "../../support/wait.js";
import { add, createQueue, readAll } from "../contract/support.js";
import { newPrefix, openBackend, openEngine } from "./support/open.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ port: true });
});

const place = () => ({ url: redis.url, prefix: newPrefix() });

/** As if the time for which the log of a deleted queue is kept were over. */
async function expire({ prefix }: { readonly prefix: string }, queue: string): Promise<void> {
  const keys = createKeys(prefix);
  expect(await redis.client().del(keys.position(queue), keys.log(queue))).toBe(2);
}

/** As if the log of a deleted queue were kept for half an hour more only, which cursors do not count. */
async function age({ prefix }: { readonly prefix: string }, queue: string): Promise<void> {
  const [keys, client, leftMs] = [createKeys(prefix), redis.client(), 30 * 60_000];
  await client.pexpire(keys.position(queue), leftMs);
  await client.pexpire(keys.log(queue), leftMs);
  await client.zadd(keys.gone, Date.now() + leftMs, queue);
  // Servers read that anew after a break.
  await client.call("CLIENT", "KILL", "TYPE", "pubsub");
}

/** Creates a queue and jobs in it, and deletes it. Resolves to cursors from before it, within it, and after it. */
async function comeAndGo(backend: Backend, queue: string) {
  const before = await backend.head();
  await createQueue(backend, queue);
  await add(backend, { queue }, { queue });
  const within = await backend.head();
  await backend.deleteQueue(queue, true);
  return { before, within, after: await backend.head() };
}

describe("a queue that was deleted", () => {
  test("is told to watchers while its log is kept, and not any more after that", async () => {
    const at = place();
    const { backend } = await openBackend(at);
    const cursors = await comeAndGo(backend, "old");
    const { changes } = await readAll(backend, cursors.within);
    expect(changes.map(({ queue, deleted }) => [queue, deleted])).toEqual([
      ...[["old", true] as const, ["old", true] as const],
    ]);
    await expire(at, "old");
    // Whoever looks into the log finds out.
    await expect(readAll(backend, cursors.within)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    const fresh = await backend.head();
    expect(fresh).not.toContain("old");
    expect(await readAll(backend, fresh)).toMatchObject({ changes: [], next: fresh });
  });

  test("leaves the cursors that have read all of it, and ends those that have not", async () => {
    const at = place();
    const { backend } = await openBackend(at);
    const cursors = await comeAndGo(backend, "old");
    await expire(at, "old");
    await expect(readAll(backend, cursors.within)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    const { changes, next } = await readAll(backend, cursors.after);
    expect(changes).toEqual([]);
    expect(next).not.toContain("old");
    await expect(readAll(backend, cursors.within)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    expect((await readAll(backend, cursors.before)).changes).toEqual([]);
    // A server that never knew it cannot tell what was missed.
    const { backend: later } = await openBackend(at);
    await expect(readAll(later, cursors.within)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    expect((await readAll(later, next)).changes).toEqual([]);
  });

  test("is not what a watch that begins later sees, and one under way goes on", async () => {
    const at = place();
    const engine = await openEngine(at, { numWorkers: 0 });
    const leave = new AbortController();
    const old = reading(engine.watches.watchJobs({}, undefined, leave.signal));
    await within(old.next(), "the first heartbeat");
    await comeAndGo(engine.backend, "old");
    const seen = await old.until(
      (event) => event.kind === "event" && event.change.deleted && event.change.revision === 2,
    );
    await expire(at, "old");
    const fresh = reading(engine.watches.watchJobs({}, undefined, leave.signal));
    expect(await fresh.next()).toMatchObject({ kind: "heartbeat" });
    const { job } = await engine.jobs.create({ type: "mark" });
    for (const watch of [fresh, old]) {
      const events = await watch.until((event) => event.kind === "event" && event.change.jobId === job.id);
      const told = events.filter((event) => event.kind === "event" && !seen.includes(event));
      const marks = told.filter((event) => event.kind === "event" && event.change.queue === "default");
      expect(marks).toHaveLength(1);
      if (watch === fresh) expect(told).toHaveLength(1);
    }
    leave.abort();
  });

  test("may be made again: its new jobs are told once, with its old log or without", async () => {
    const at = place();
    const { backend, heard } = await openBackend(at);
    for (const isKept of [true, false]) {
      const { within, after } = await comeAndGo(backend, "old");
      if (!isKept) {
        await expire(at, "old");
        await expect(readAll(backend, within)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
      }
      const cursor = isKept ? after : await backend.head();
      heard.clear();
      await createQueue(backend, "old");
      const [id] = await add(backend, { queue: "old" });
      await eventually(async () => (heard.changesHeard.length > 0 ? true : undefined), "the job");
      expect(heard.changesHeard.map(({ jobId }) => jobId)).toEqual([id]);
      expect((await readAll(backend, cursor)).changes.map(({ jobId }) => jobId)).toEqual([id]);
      await backend.deleteQueue("old", true);
    }
  });

  test.each([
    ["gone", 0, expire],
    ["gone", 40, expire],
    ["kept for less than an hour", 0, age],
    ["kept for less than an hour", 40, age],
  ])(
    "may be made again when its log is %s, beside %i others: no cursor ends, and nothing is told again",
    async (...row) => {
      const [, others, pass] = row;
      const at = place();
      const { backend } = await openBackend(at);
      for (let n = 0; n < others; n++) {
        await createQueue(backend, `q${n}`);
        await add(backend, { queue: `q${n}` });
      }
      const { within: early } = await comeAndGo(backend, "old");
      await pass(at, "old");
      const isOver = () =>
        readAll(backend, early).then(
          () => undefined,
          ({ reason }) => (reason === "WATCH_COMPACTED" ? true : undefined),
        );
      await eventually(isOver, "the end of its log");
      const cursor = await backend.head();
      expect(cursor).not.toContain("old");
      await createQueue(backend, "old");
      expect((await readAll(backend, cursor)).changes).toEqual([]);
      const ids = [...(await add(backend, { queue: "old" })), ...(await add(backend, {}))];
      const { backend: later } = await openBackend(at);
      for (const server of [backend, later]) {
        expect((await readAll(server, cursor)).changes.map(({ jobId }) => jobId)).toEqual(ids);
      }
    },
  );

  test("in QUEUES does not come back when the connection breaks", async () => {
    const own = await startRedis();
    const logger = recordingLogger();
    const engine = await openEngine({ url: own.url, prefix: newPrefix() }, { numWorkers: 0, queues: ["mail"], logger });
    await engine.queues.remove("mail", true);
    for (const type of ["normal", "pubsub"]) {
      const returns = () => logger.lines.filter(({ message }) => message === "Redis is there").length;
      const before = returns();
      await own.client().call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
      await eventually(async () => (returns() > before ? true : undefined), "the news that Redis is there");
      // Whatever the return brought about was asked for before this.
      await engine.queues.create(`after-${type}`);
      expect((await engine.queues.list()).map(({ name }) => name)).not.toContain("mail");
    }
  });
});

describe("a cursor of another server", () => {
  test("that names a queue which this one has not heard of yet reads on in it", async () => {
    const at = place();
    const { backend: one } = await openBackend(at);
    await createQueue(one, "new");
    await add(one, { queue: "new" });
    const cursor = await one.head();
    const [id] = await add(one, { queue: "new" });
    // As if the notices of the queue had not come: they are on their way.
    const { backend: two } = await openBackend({ ...at, prefix: newPrefix() });
    await expect(readAll(two, cursor)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    const { backend: three } = await openBackend(at);
    expect((await readAll(three, cursor)).changes.map(({ jobId }) => jobId)).toEqual([id]);
  });

  test("that names hundreds of queues which nobody knows costs nothing", async () => {
    const { backend } = await openBackend(place());
    const cursor = `${await backend.head()}${Array.from({ length: 500 }, (_, n) => `;q-${n}=1.1`).join("")}`;
    const admin = redis.client();
    await admin.config("RESETSTAT");
    await expect(readAll(backend, cursor)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    expect(await admin.info("commandstats")).not.toContain("cmdstat_xrange");
  });
});

describe("a Redis that does not answer", () => {
  test("is one line, however many calls wait for it", async () => {
    const own = await startRedis({ port: true });
    const logger = recordingLogger();
    const { backend } = await openBackend({ url: own.url, prefix: newPrefix() }, { logger });
    await own.kill("SIGSTOP");
    const calls = Array.from({ length: 500 }, (_, n) => backend.get([String(n + 1)]));
    const results = await within(Promise.allSettled(calls), "the refusals");
    expect(results.every(({ status }) => status === "rejected")).toBe(true);
    await own.kill("SIGCONT");
    const lines = logger.lines.filter(({ message }) => message.startsWith("Redis does not answer"));
    expect(lines).toHaveLength(1);
  });
});
