import { beforeAll, describe, expect, test, vi } from "vitest";
import { QueueLooks } from "../../../src/backends/redis/log/queue-looks.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import type { Backend } from "../../../src/core/backend.js";
import { deferred } from "../../core/support/async.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { eventually } from "../../support/wait.js";
import { add, createQueue, readAll } from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});

const QUEUES = Array.from({ length: 45 }, (_, n) => `queue-with-a-long-name-that-fills-cursors-${n}`);

/** A store with more queues than a cursor names, a job in each, and a server. */
async function manyQueues() {
  const at = { url: redis.url, prefix: newPrefix() };
  const { backend, heard } = await openBackend(at);
  await Promise.all(QUEUES.map((queue) => createQueue(backend, queue)));
  await add(backend, ...QUEUES.map((queue) => ({ queue })));
  return { at, backend, heard };
}

/** Two servers on a store with these queues, one of them beyond a proxy, and where the log ends. */
async function besideAnother() {
  const own = await startRedis({ port: true });
  const at = { url: own.url, prefix: newPrefix() };
  const proxy = await startProxy(own.port ?? 0);
  const { backend: other } = await openBackend(at);
  await Promise.all(QUEUES.map((queue) => createQueue(other, queue)));
  const { backend } = await openBackend({ ...at, url: `redis://127.0.0.1:${proxy.port}` });
  return { proxy, other, backend, cursor: await backend.head() };
}

const idsBehind = async (backend: Backend, cursor: string) =>
  (await readAll(backend, cursor)).changes.map(({ jobId }) => jobId);

/** A job in every second queue, one after the other. */
async function addSome(backend: Backend): Promise<string[]> {
  const ids: string[] = [];
  for (const queue of QUEUES.filter((_, n) => n % 2 === 0)) ids.push(...(await add(backend, { queue })));
  return ids;
}

describe("a cursor of more queues than it names", () => {
  test("is short and goes on at the same server, at another and at one that starts later", async () => {
    const { at, backend } = await manyQueues();
    const { backend: other } = await openBackend(at);
    const cursor = await backend.head();
    expect(cursor.length).toBeLessThanOrEqual(1024);
    expect(await idsBehind(backend, cursor)).toEqual([]);
    const ids = await addSome(other);
    const { backend: later } = await openBackend(at);
    for (const each of [backend, other, later]) {
      await eventually(async () => ((await idsBehind(each, cursor)).length === ids.length ? true : undefined), "all");
      const { entries } = await readAll(each, cursor, {}, 3);
      expect(entries.map(({ change }) => change.jobId)).toEqual(ids);
      for (const { cursor: within } of entries) expect(within.length).toBeLessThanOrEqual(1024);
      const middle = entries[9]?.cursor as string;
      for (const again of [backend, other, later]) expect(await idsBehind(again, middle)).toEqual(ids.slice(10));
    }
  });

  test("goes on over a queue that was deleted and made again, and over the changes of an older server", async () => {
    const { at, backend } = await manyQueues();
    const [gone = "", old = ""] = QUEUES;
    const cursor = await backend.head();
    await backend.deleteQueue(gone, true);
    await createQueue(backend, gone);
    const [again] = await add(backend, { queue: gone });
    // What a server does that writes no stamps: the message of the last change once more, as the next.
    const client = redis.client();
    const keys = createKeys(at.prefix);
    const [[, [, message = ""] = []] = []] = await client.xrevrange(keys.log(old), "+", "-", "COUNT", 1);
    await client.hincrby(keys.position(old), "changes", 1);
    const [head = "", ...lines] = message.split("\n");
    // Up to `from`.
    const words = head.split(" ").slice(0, 11);
    words[2] = "2";
    words[4] = String(Date.now());
    const written = [words.join(" "), ...lines].join("\n");
    await client.xadd(keys.log(old), "2-0", "m", written);
    await client.publish(keys.channel, written);
    const [last] = await add(backend, { queue: old });
    const { backend: later } = await openBackend(at);
    for (const each of [backend, later]) {
      const { changes } = await readAll(each, cursor);
      expect(changes.map(({ queue, deleted }) => [queue, deleted])).toEqual([
        [gone, true],
        [gone, false],
        [old, false],
        [old, false],
      ]);
      expect([changes[1]?.jobId, changes[3]?.jobId]).toEqual([again, last]);
      expect(await idsBehind(each, await each.head())).toEqual([]);
    }
  });

  test("tells nothing of what a server did itself while it hears nothing of the others", async () => {
    const { proxy, other, backend, cursor } = await besideAnother();
    proxy.deaden("the channel's");
    const [first = "", ...rest] = QUEUES;
    const ids = await add(other, { queue: first });
    for (const queue of rest) ids.push(...(await add(backend, { queue })));
    const read = async () => {
      // While it hears nothing it says that it cannot tell, or tells what it knows for sure.
      const page = await backend.read(cursor, 1000, {}).catch((error) => {
        expect(error).toMatchObject({ reason: "BACKEND_UNAVAILABLE" });
      });
      if (page === undefined) return undefined;
      // It has heard of everything then.
      await other.head();
      expect((await idsBehind(other, page.next)).length + page.entries.length).toBe(ids.length);
      return page.entries.length === ids.length ? page : undefined;
    };
    const { entries } = await eventually(read, "all changes");
    expect(entries.map(({ change }) => change.jobId)).toEqual(ids);
  });

  test("is not told before all is looked at again, though the break came while its reader waited", async () => {
    const { proxy, other, backend, cursor } = await besideAnother();
    const looked = deferred();
    const look = QueueLooks.prototype.all;
    const looks = vi.spyOn(QueueLooks.prototype, "all").mockImplementation(async function (this: QueueLooks, queues) {
      await looked.promise;
      return look.call(this, queues);
    });
    proxy.deaden("the channel's");
    const [first = "", second = ""] = QUEUES;
    const ids = [...(await add(other, { queue: first })), ...(await add(backend, { queue: second }))];
    const read = async () => {
      const { entries } = await backend.read(cursor, 1000, {});
      return entries.map(({ change }) => change.jobId);
    };
    // The channel is found to be silent, and is connected anew: readers begin all the while.
    const reads: Promise<string[] | undefined>[] = [];
    const begin = async () => {
      reads.push(read().catch(() => undefined));
      return looks.mock.calls.length > 0 ? true : undefined;
    };
    await eventually(begin, "the looks after the break");
    expect((await Promise.all(reads)).filter((told) => told !== undefined)).toEqual([]);
    looked.resolve();
    expect(await eventually(() => read().catch(() => undefined), "the changes")).toEqual(ids);
  });

  test("names only the queues of its filter, and is for no others", async () => {
    const { backend } = await manyQueues();
    const filter = { queues: new Set(QUEUES.slice(3, 5)) };
    const all = await backend.head();
    const { next } = await readAll(backend, all, filter);
    expect(next.length).toBeLessThan(200);
    const [id] = await add(backend, { queue: QUEUES[3] as string }, { queue: QUEUES[5] as string });
    expect((await readAll(backend, next, filter)).changes.map(({ jobId }) => jobId)).toEqual([id]);
    expect((await readAll(backend, all, filter)).changes.map(({ jobId }) => jobId)).toEqual([id]);
    for (const other of [{}, { queues: new Set(QUEUES.slice(3, 6)) }]) {
      await expect(readAll(backend, next, other)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    }
  });

  test("is refused, and loses nothing in silence, when Redis lost writes", async () => {
    const { at, backend } = await manyQueues();
    await addSome(backend);
    const cursor = await backend.head();
    // As after a failover to a replica that did not have the last change of a queue, long ago by now.
    const client = redis.client();
    const keys = createKeys(at.prefix);
    const [last = "", before = ""] = (await client.xrevrange(keys.log(QUEUES[0] as string), "+", "-")).map(
      ([id]) => id,
    );
    await client.xdel(keys.log(QUEUES[0] as string), last);
    await client.hset(keys.position(QUEUES[0] as string), "changes", before.split("-")[0] as string);
    const { backend: later } = await openBackend(at);
    await expect(readAll(later, cursor)).rejects.toMatchObject({ reason: "WATCH_COMPACTED" });
    expect(await idsBehind(later, await later.head())).toEqual([]);
  });
});
