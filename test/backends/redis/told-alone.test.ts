import type { Redis } from "ioredis";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { eventually } from "../../support/wait.js";
import { addDone, only, readAll } from "../contract/support.js";
import { commandCounts, newPrefix, type OpenOptions, openBackend } from "./support/open.js";
import { startProxy } from "./support/proxy.js";

// Where one server alone hears, it is told what it does with the answers of its calls, and nothing is published.

let redis: RedisServer;
let client: Redis;
let at: OpenOptions;

beforeAll(async () => {
  redis = await startRedis({ port: true });
  client = redis.client();
});

beforeEach(() => {
  at = { url: redis.url, prefix: newPrefix() };
});

type Server = Awaited<ReturnType<typeof openBackend>>;

/** How many messages are published meanwhile. */
async function published(work: () => Promise<unknown>): Promise<number> {
  await client.config("RESETSTAT");
  await work();
  return (await commandCounts(client)).get("publish") ?? 0;
}

/** Has a server create a job, of which all of these hear once. */
async function expectTold(server: Server, all: readonly Server[] = [server]): Promise<void> {
  for (const { heard } of all) heard.clear();
  const job = newJob();
  await server.backend.enqueue([job]);
  for (const { heard } of all) {
    await eventually(async () => heard.changesHeard[0], "the change");
    expect(heard.changesHeard.map(({ jobId }) => jobId)).toEqual([job.id]);
    expect(heard.readyHeard).toEqual(["default"]);
  }
}

test("a server alone is told once of each of its calls, with the answer", async () => {
  const one = await openBackend(at);
  const count = await published(async () => {
    await expectTold(one);
    one.heard.clear();
    const id = await addDone(one.backend);
    expect(one.heard.changesHeard.map(({ jobId, status }) => [jobId, status])).toEqual([
      [id, "PENDING"],
      [id, "RUNNING"],
      [id, "DONE"],
    ]);
    await one.backend.setPaused("default", true);
    one.heard.clear();
    await one.backend.setPaused("default", false);
    expect(one.heard.readyHeard).toContain("default");
  });
  expect(count).toBe(0);
});

test("a server that comes is told by the others from its first moment, and tells them, until it is gone", async () => {
  const one = await openBackend(at);
  const two = await openBackend(at);
  expect(await published(() => expectTold(one, [one, two]))).toBe(1);
  expect(await published(() => expectTold(two, [one, two]))).toBe(1);
  await two.backend.stop();
  await eventually(
    async () => (await client.pubsub("NUMSUB", createKeys(at.prefix).channel))[1] === 1 || undefined,
    "alone",
  );
  expect(await published(() => expectTold(one))).toBe(0);
});

test("whoever else hears the channel is told, though it is no server", async () => {
  const one = await openBackend(at);
  const other = redis.client();
  const messages: string[] = [];
  await other.subscribe(createKeys(at.prefix).channel);
  other.on("message", (_channel, message) => messages.push(message));
  await expectTold(one);
  await other.ping();
  expect(messages).toHaveLength(1);
});

test("a server that is not counted among those that hear is told, as behind a proxy that hears for several", async () => {
  const one = await openBackend(at);
  await client.zadd(createKeys(at.prefix).nodes, Date.now() + 60_000, "77");
  expect(await published(() => expectTold(one))).toBe(1);
});

test("a server that does not hear at the moment misses nothing", async () => {
  const one = await openBackend(at);
  const cursor = await one.backend.head();
  one.heard.clear();
  await client.call("CLIENT", "KILL", "TYPE", "pubsub");
  const jobs = Array.from({ length: 5 }, () => newJob());
  for (const job of jobs) await one.backend.enqueue([job]);
  await eventually(async () => one.heard.changesHeard[4], "the changes");
  expect(one.heard.changesHeard.map(({ jobId }) => jobId)).toEqual(jobs.map(({ id }) => id));
  expect((await readAll(one.backend, cursor)).changes).toHaveLength(5);
});

test("what a lost answer would have told is told when the connection is back", async () => {
  const proxy = await startProxy(redis.port ?? 0);
  const one = await openBackend({ ...at, url: `redis://127.0.0.1:${proxy.port}` });
  await addDone(one.backend);
  one.heard.clear();
  const job = newJob();
  void proxy.loseNextAnswer();
  expect(only(await one.backend.enqueue([job])).id).toBe(job.id);
  await eventually(async () => one.heard.changesHeard[0], "the change");
  expect(one.heard.changesHeard.map(({ jobId }) => jobId)).toEqual([job.id]);
  expect(one.heard.readyHeard).toContain("default");
});

test("a user without the right to count who hears is told by the channel", async () => {
  const rules = ["on", ">secret", "~*", "&*", "+@all", "-pubsub"];
  await client.call("ACL", "SETUSER", "uncounted", ...rules);
  await client.call("ACL", "LOG", "RESET");
  const one = await openBackend({ ...at, url: redis.url.replace("redis://", "redis://uncounted:secret@") });
  expect(await published(() => expectTold(one))).toBe(1);
  // Asked once, at the start: not by each script.
  expect(await client.call("ACL", "LOG")).toHaveLength(1);
});
