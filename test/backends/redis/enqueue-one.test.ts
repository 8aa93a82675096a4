import type { Redis } from "ioredis";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { featuresOf, writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from "../../../src/model/queue.js";
import { newJob, TRACE } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { newPrefix } from "./support/open.js";
import { createRunner, type ScriptRunner } from "./support/scripts.js";

// A job created alone has a script of its own, which is to leave the same behind as the one that creates many.

let client: Redis;
let subscriber: Redis;
let alone: Store;
let together: Store;

/** A queue under a prefix of its own, and what was published there. */
interface Store extends ScriptRunner {
  readonly messages: string[];
}

beforeAll(async () => {
  const redis = await startRedis();
  client = redis.client();
  subscriber = redis.client().setMaxListeners(0);
});

beforeEach(async () => {
  [alone, together] = [await open(), await open()];
});

async function open(): Promise<Store> {
  const prefix = newPrefix();
  const { channel } = createKeys(prefix);
  const messages: string[] = [];
  subscriber.on("message", (of: string, message: string) => {
    if (of === channel) messages.push(message);
  });
  await subscriber.subscribe(channel);
  return Object.assign(createRunner(client, prefix, "mail", FEATURES), { messages });
}

async function both(act: (store: Store) => Promise<unknown>): Promise<void> {
  await act(alone);
  await act(together);
}

const createQueue = (given: Partial<QueueSettings>) =>
  both((store) => {
    const settings = { ...DEFAULT_QUEUE_SETTINGS, ...given };
    return store.run("create", featuresOf(settings).join(","), ...writeSettings(settings));
  });

const createAlone = async (job: NewJob) => (await alone.run("enqueueOne", job.id, writeSpec(job))).map(String);
const createAmongMany = (store: Store, job: NewJob) => store.run("enqueue", 1, "c", 1, job.id, writeSpec(job));

/** The keys of a store with their values; what it remembers of calls in a form that scripts read alike is left out. */
async function contentOf({ base }: Store): Promise<unknown> {
  const keys = (await client.keys(`${base}*`)).sort();
  const values = await Promise.all(
    keys.map(async (key): Promise<unknown> => {
      const type = await client.type(key);
      if (type === "hash") return client.hgetall(key);
      if (type === "zset") return client.zrange(key, "0", "-1", "WITHSCORES");
      if (type === "set") return (await client.smembers(key)).sort();
      if (type === "stream") return client.xrange(key, "-", "+");
      return key.includes(":answers:") ? client.pttl(key).then((ms) => ms > 500_000) : client.get(key);
    }),
  );
  return keys.map((key, at) => [key.slice(base.length), values[at]]);
}

describe("a job created alone is stored, logged and told as one among many", () => {
  const cases: readonly (readonly [string, Partial<QueueSettings>])[] = [
    ["in a queue by priority", {}],
    ["in a queue by time", { ordering: "RUN_AFTER" }],
  ];
  test.each(cases)("%s", async (_name, settings) => {
    await createQueue(settings);
    const jobs = [
      newJob({ id: "119173640645246976", type: "echo", payload: '{"n":1}', priority: 5 }),
      newJob({ id: "7", type: "echo", payload: undefined, priority: 0, maxRetries: 100 }),
      newJob({
        id: "119173640645246978",
        type: 'späte/post: "neu"\\,',
        payload: new Uint8Array([0, 10, 255]),
        priority: 10,
      }),
      newJob({
        id: "119173640645246979",
        type: "a.b_c-d",
        metadata: { tenant: "ü\n" },
        traceContext: TRACE,
        timeoutMs: 5,
      }),
    ];
    for (const [at, job] of jobs.entries()) {
      await both(async (store) => {
        store.now += at;
        store.memo = `server-1.0 ${at} 0`;
      });
      expect(await createAlone(job)).toEqual([]);
      expect(await createAmongMany(together, job)).toEqual([[]]);
    }
    expect(await contentOf(alone)).toEqual(await contentOf(together));
    // Its answer comes behind all messages.
    await subscriber.ping();
    expect(alone.messages.filter((message) => message.includes("\n2"))).toHaveLength(jobs.length);
    expect(alone.messages).toEqual(together.messages);
  });

  test("while the queue counts what TIME was set ahead", async () => {
    await createQueue({});
    await both(async (store) => {
      store.memo = "server-1.0 1 0";
      store.now += 60_000;
      store.told = `${store.now} 60000 0`;
    });
    const job = newJob({ id: "119173640645246976" });
    await createAlone(job);
    await createAmongMany(together, job);
    expect(await contentOf(alone)).toEqual(await contentOf(together));
  });
});

test("whoever creates among many reads the answer of one created alone, and does it no more", async () => {
  await createQueue({});
  const job = newJob({ id: "119173640645246976" });
  alone.memo = "server-1.0 1 0";
  await createAlone(job);
  const before = await contentOf(alone);
  alone.memo = "server-1.0 1 1";
  expect(await createAlone(job)).toEqual(["M"]);
  expect(await createAmongMany(alone, job)).toEqual([[]]);
  expect(await contentOf(alone)).toEqual(before);
});

test.each<[string, Partial<QueueSettings>]>([
  ["a largest depth", { maxDepth: 10 }],
  ["jobs by key", { maxConcurrencyPerKey: 1 }],
  ["keys that take turns", { ordering: "FAIR" }],
  ["a rate", { rateLimit: { count: 1, periodMs: 1000, burst: 1 } }],
  ["defaults", { defaultMaxRetries: 1 }],
  ["a retention of its own", { completedTtlMs: 1 }],
])("a queue with %s is left to the script that knows of it", async (_name, settings) => {
  await createQueue(settings);
  const before = await contentOf(alone);
  alone.memo = "server-1.0 1 0";
  expect(await createAlone(newJob())).toEqual(["M"]);
  expect(await contentOf(alone)).toEqual(before);
});

test("a queue that is not there gets no job", async () => {
  alone.memo = "server-1.0 1 0";
  expect(await createAlone(newJob())).toEqual(["N"]);
  expect(await client.keys(`${alone.base}*`)).toEqual([`${alone.base}time`]);
});
