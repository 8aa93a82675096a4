import type { Redis } from "ioredis";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { featuresOf, writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { createKeys } from "../../../src/backends/redis/scripts/keys.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import { AUTOMATIC_PREFIX, REQUEST_ID_TTL_MS } from "../../../src/model/job/request-id.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from "../../../src/model/queue/queue.js";
import { newJob, TRACE } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { commandCounts, newPrefix } from "./support/open.js";
import { createRunner, type ScriptRunner } from "./support/scripts.js";

// What is simple and frequent is done by a part of its own at the start of its script. It is to answer, leave behind and tell what the
// rest of the script would: the same calls go to two stores, as first tries to one, and to the other as repeats of calls that were never
// done, for which the whole script runs.

let client: Redis;
let subscriber: Redis;
let lean: Store;
let whole: Store;

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
  [lean, whole] = [await open(), await open()];
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

let calls = 0;

/** Runs a script in both. Resolves to its answer, which must be the same. */
async function both(...[name, ...args]: Parameters<ScriptRunner["run"]>): Promise<unknown> {
  const call = calls++;
  lean.memo = `server-1.0 ${call} 0`;
  whole.memo = `server-1.0 ${call} 1`;
  const answer = await lean.run(name, ...args);
  expect(answer).toEqual(await whole.run(name, ...args));
  return answer;
}

function pass(ms: number): void {
  for (const store of [lean, whole]) store.now += ms;
}

async function createQueue(given: Partial<QueueSettings> = {}): Promise<void> {
  const settings = { ...DEFAULT_QUEUE_SETTINGS, ...given };
  await both("create", featuresOf(settings).join(","), ...writeSettings(settings));
}

const create = (job: NewJob, flags = "c", when = "") => both("enqueue", 1, flags, 1, job.id + when, writeSpec(job));

const lease = (given: { types?: readonly string[]; max?: number; maxBytes?: number | "" } = {}) => {
  const { types = ["echo"], max = 50, maxBytes = "" } = given;
  return both("lease", max, 30_000, "worker-1", `token${calls}`, maxBytes, "", ...types) as Promise<unknown[]>;
};

/** Leases all of these jobs, of one type, and completes them, each with its result, as a caller that has all tokens. */
async function runAll(results: Readonly<Record<string, string>>): Promise<unknown> {
  const token = `token${calls}`;
  await lease();
  pass(7);
  return complete(token, results);
}

const complete = (token: string, results: Readonly<Record<string, string>>) =>
  both("complete", ...Object.entries(results).flatMap(([id, result]) => [id, token, result]));

/** The keys of a store with their values; what it remembers of calls in a form that scripts read alike is left out. */
async function contentOf({ base }: Store): Promise<unknown> {
  const keys = (await client.keys(`${base}*`)).sort();
  const values = await Promise.all(
    keys.map(async (key): Promise<unknown> => {
      const type = await client.type(key);
      if (type === "hash") return client.hgetall(key);
      if (type === "zset") return client.zrange(key, "0", "-1", "WITHSCORES");
      if (type === "set") return (await client.smembers(key)).sort();
      if (type === "list") return client.lrange(key, 0, -1);
      if (type === "stream") return client.xrange(key, "-", "+");
      return key.includes(":answers:") ? (await client.pttl(key)) > 500_000 : client.get(key);
    }),
  );
  return keys.map((key, at) => [key.slice(base.length), values[at]]);
}

async function expectSame(messages: number): Promise<void> {
  expect(await contentOf(lean)).toEqual(await contentOf(whole));
  // Its answer comes behind all messages.
  await subscriber.ping();
  expect(lean.messages).toEqual(whole.messages);
  expect(lean.messages.length).toBeGreaterThanOrEqual(messages);
}

const JOBS: readonly NewJob[] = [
  newJob({ id: "119173640645246976", type: "echo", payload: '{"n":1}', priority: 5 }),
  newJob({ id: "7", type: "echo", payload: undefined, priority: 0, maxRetries: 100 }),
  newJob({
    id: "119173640645246978",
    type: 'späte/post: "neu"\\,',
    payload: new Uint8Array([0, 10, 255]),
    priority: 10,
  }),
  newJob({ id: "119173640645246979", type: "a.b_c-d", metadata: { of: "ü\n" }, traceContext: TRACE, timeoutMs: 5 }),
];

const TYPES = [...new Set(JOBS.map(({ type }) => type))];

describe.each<[string, Partial<QueueSettings>]>([
  ["by priority", {}],
  ["by time", { ordering: "RUN_AFTER" }],
])("in a queue %s", (_name, settings) => {
  beforeEach(() => createQueue(settings));

  test("jobs created one by one are stored, logged and told as those among many", async () => {
    for (const job of JOBS) {
      pass(1);
      expect(await create(job)).toEqual([[]]);
    }
    await expectSame(JOBS.length);
  });

  test("those with a request id are known by it, and forgotten as those among many", async () => {
    for (const [at, job] of JOBS.entries()) {
      pass(1);
      expect(await create(job, "cr|f", `|+0|digest${at}|re|quest ${at}`)).toEqual([[]]);
    }
    const [again] = (await create(newJob({ id: "8" }), "cr", "|+0|digest1|re|quest 1")) as [unknown[]];
    expect(again.slice(0, 3).map(String)).toEqual(["0", expect.stringMatching(/^\d{28}7 digest1$/), JOBS[1]?.id]);
    expect(await create(newJob({ id: "8" }), "cr", "|+0|digest1|re|quest 2")).toEqual([Buffer.from("R0")]);
    pass(REQUEST_ID_TTL_MS + 1);
    await create(newJob({ id: "9" }), "cr", "|+0|digest|another");
    await expectSame(JOBS.length + 1);
    expect(await client.hkeys(`${lean.base}requests`)).toHaveLength(5);
  });

  test("those with a request id of a client's own making are so too", async () => {
    for (const [at, job] of JOBS.entries()) {
      pass(1);
      expect(await create(job, "cr", `|+0|digest${at}|${AUTOMATIC_PREFIX}abc.${at}`)).toEqual([[]]);
    }
    await create(newJob({ id: "8" }), "cr", `|+0|digest1|${AUTOMATIC_PREFIX}abc.1`);
    // The request id alone says to a repeat what was created.
    for (const store of [lean, whole]) await client.unlink(`${store.base}answers:server-1.0`);
    await expectSame(JOBS.length);
    pass(REQUEST_ID_TTL_MS + 1);
    await create(newJob({ id: "9" }), "cr", `|+0|digest|${AUTOMATIC_PREFIX}abc.9`);
    for (const store of [lean, whole]) {
      expect(await client.hkeys(`${store.base}requests`)).toEqual([`${AUTOMATIC_PREFIX}abc.9`]);
    }
  });

  test("few jobs that are leased together are so too", async () => {
    for (const job of JOBS) {
      pass(1);
      await create(job);
    }
    for (const type of TYPES.slice(1)) {
      pass(10);
      expect((await lease({ types: [type] })).length).toBeGreaterThan(1);
    }
    // Only the first type has any left.
    expect(await lease({ types: [...TYPES, "none"].reverse() })).toHaveLength(5);
    expect(await lease({ types: TYPES })).toHaveLength(1);
    expect(await lease()).toHaveLength(1);
    await expectSame(JOBS.length + TYPES.length);
  });
});

describe.each<[string, Partial<QueueSettings>]>([
  ["by priority", {}],
  ["by time", { ordering: "RUN_AFTER" }],
])("in a queue %s", (_name, settings) => {
  test("few jobs that are completed are so as those among many", async () => {
    await createQueue(settings);
    for (const job of JOBS) await create(job);
    const [first, second, ...others] = JOBS.map(({ id }) => id) as [string, string, ...string[]];
    for (const [at, type] of TYPES.slice(1).entries()) {
      const token = `token${calls}`;
      await lease({ types: [type] });
      pass(5);
      expect(String(await complete(token, { [others[at] as string]: "" }))).toMatch(/^A 2 5 "/);
    }
    expect(String(await runAll({ [first]: 'j{"a":1}', [second]: "" }))).toBe('A 2 7 "echo"\nA 2 7 "echo"');
    await expectSame(JOBS.length + 2 * TYPES.length);
    expect(await client.hgetall(`${lean.base}meta`)).toMatchObject({ done: "4", completed: "4" });
  });
});

test("the answer of a completion is known to its repeat", async () => {
  await createQueue();
  await create(newJob({ id: "1" }));
  await lease();
  const args = ["1", `token${calls - 1}`, ""] as const;
  lean.memo = "server-1.0 79 0";
  const answer = await lean.run("complete", ...args);
  lean.memo = "server-1.0 79 1";
  expect(await lean.run("complete", ...args)).toEqual(answer);
});

test("what is simple needs no more than the start of its script", async () => {
  await createQueue();
  lean.isLean = true;
  await create(newJob({ id: "1" }));
  await create(newJob({ id: "2" }));
  await runAll({ "1": "", "2": "j1" });
  await create(newJob({ id: "3" }));
  await runAll({ "3": "" });
  await expectSame(6);
});

test("a create and a lease use no more than they need", async () => {
  await createQueue();
  await client.config("RESETSTAT");
  lean.memo = "server-1.0 1 0";
  const job = newJob();
  await lean.run("enqueue", 1, "c|f", 1, job.id, writeSpec(job));
  expect((await client.getBuffer(`${lean.base}answers:server-1.0`))?.subarray(0, 4)).toEqual(
    Buffer.from([0x31, 0x20, 0x92, 0xad]),
  );
  await lean.run("lease", 1, 30_000, "worker-1", "token", "", "", "none", job.type, "other");
  expect((await commandCounts(client)).get("zremrangebyrank")).toBeUndefined();
});

test("TIME that was set ahead, or back behind the creation of a job, is counted and held alike", async () => {
  await createQueue();
  pass(60_000);
  for (const store of [lean, whole]) store.told = `${store.now} 60000 0`;
  await create(newJob({ id: "1" }));
  pass(-100_000);
  for (const store of [lean, whole]) store.told = `${store.now} -100000 60000`;
  await lease();
  await create(newJob({ id: "2" }));
  await expectSame(3);
});

test("the answer of a create is known to its repeat, which creates nothing", async () => {
  await createQueue();
  const job = newJob({ id: "1" });
  lean.memo = "server-1.0 77 0";
  await lean.run("enqueue", 1, "c", 1, job.id, writeSpec(job));
  const before = await contentOf(lean);
  lean.memo = "server-1.0 77 1";
  pass(5);
  expect(await lean.run("enqueue", 1, "c", 1, job.id, writeSpec(job))).toEqual([[]]);
  await lean.run("look");
  expect((await contentOf(lean)) as unknown[]).toEqual(
    (before as [string, unknown][]).map(([key, value]) => [key, key === "time" ? String(lean.now) : value]),
  );
});

test("what was leased is known to a repeat", async () => {
  await createQueue();
  await create(newJob({ id: "1" }));
  const args = [5, 30_000, "worker-1", "token-a", "", "", "echo"] as const;
  lean.memo = "server-1.0 78 0";
  await lean.run("lease", ...args);
  lean.memo = "server-1.0 78 1";
  const [sign, id] = await lean.run("lease", ...args);
  expect([String(sign), String(id)]).toEqual(["=", "1"]);
});

describe("where more is to be thought of the whole script does it:", () => {
  test.each<[string, Partial<QueueSettings>]>([
    ["a largest depth", { maxDepth: 1 }],
    ["jobs by key", { maxConcurrencyPerKey: 1 }],
    ["keys that take turns", { ordering: "FAIR" }],
    ["a rate", { rateLimit: { count: 1, periodMs: 1000, burst: 1 } }],
    ["defaults", { defaultMaxRetries: 1, defaultTtlMs: 5000 }],
    ["a retention of its own", { completedTtlMs: 1 }],
    ["a largest concurrency", { maxConcurrency: 1 }],
  ])("%s of the queue", async (_name, settings) => {
    await createQueue(settings);
    await create(newJob({ id: "1" }), "c|f");
    await create(newJob({ id: "2" }), "c|f");
    await lease();
    await lease();
    await expectSame(2);
  });

  test("a queue that is not there, or paused", async () => {
    expect(await create(newJob({ id: "1" }))).toEqual([Buffer.from("N")]);
    expect(await lease()).toHaveLength(1);
    await createQueue();
    await create(newJob({ id: "1" }));
    await both("pause", 1);
    expect(await lease()).toHaveLength(1);
    await expectSame(2);
  });

  test("more jobs than are wanted, in number or bytes, or than are few", async () => {
    await createQueue();
    for (const id of ["11", "12", "13"]) await create(newJob({ id }));
    expect(await lease({ max: 2 })).toHaveLength(5);
    expect(await lease({ max: 2 })).toHaveLength(3);
    for (let id = 1; id <= 9; id++) await create(newJob({ id: String(id), payload: '"x"' }));
    expect(await lease({ max: 2 })).toHaveLength(5);
    await lease({ max: 5, maxBytes: 400 });
    await lease({ max: 5 });
    await lease({ max: 1 });
    await create(newJob({ id: "10", payload: `"${"x".repeat(500)}"` }));
    await lease({ maxBytes: 400 });
    await expectSame(13);
  });

  test("jobs that wait, that ran before, and several types", async () => {
    await createQueue();
    await create(newJob({ id: "1" }), "c", "|+500||");
    await create(newJob({ id: "2" }));
    expect(await lease()).toHaveLength(3);
    pass(1000);
    expect(await lease()).toHaveLength(3);
    await both("release", "1", `token${calls - 1}`);
    expect(await lease()).toHaveLength(3);
    await create(newJob({ id: "3", type: "other" }));
    expect(await lease({ types: ["echo", "other"] })).toHaveLength(3);
    await create(newJob({ id: "4" }));
    await create(newJob({ id: "5", type: "other" }));
    expect(await lease({ types: ["echo", "other"] })).toHaveLength(5);
    await create(newJob({ id: "6" }));
    expect(await lease({ types: ["echo", "echo"] })).toHaveLength(3);
    await create(newJob({ id: "7" }));
    const many = Array.from({ length: 40 }, (_, at) => `type${at}`);
    expect(await lease({ types: ["echo", ...many] })).toHaveLength(3);
    await expectSame(7);
  });

  test("completions that are late, of jobs that failed before, of many jobs, and the same job twice", async () => {
    await createQueue();
    for (const id of ["1", "2", "3", "4", "5", "6"]) await create(newJob({ id }));
    const token = `token${calls}`;
    await lease({ max: 6 });
    await both("complete", "1", token, "", "2", "another", "");
    await both("complete", "1", token, "");
    await both("complete", "3", token, "", "3", token, "");
    await both("complete", "none", token, "", "4", "", "");
    await both("fail", "2", token, "no luck", "", "", "+0");
    await runAll({ "2": "" });
    await both("complete", ...["4", "5", "6", "7", "8"].flatMap((id) => [id, token, ""]));
    await expectSame(9);
  });

  test("completions when finished jobs are too many, too old, or take too much", async () => {
    await createQueue();
    for (let id = 1; id <= 9; id++) {
      await create(newJob({ id: String(id) }));
      await runAll({ [id]: "" });
    }
    for (const store of [lean, whole]) store.maxCompleted = "5 1000000";
    await create(newJob({ id: "10" }));
    await runAll({ "10": "" });
    for (const store of [lean, whole]) store.maxCompleted = "5 2000";
    await create(newJob({ id: "11" }));
    await runAll({ "11": "" });
    pass(100_000_000);
    await create(newJob({ id: "12" }));
    await runAll({ "12": "" });
    await expectSame(36);
    expect(await client.hkeys(`${lean.base}specs`)).toEqual(["12"]);
  });

  test("completions after deletions, and by TIME that was set ahead", async () => {
    await createQueue();
    for (const id of ["1", "2", "3", "4"]) await create(newJob({ id }));
    await runAll({ "1": "", "2": "" });
    await both("remove", "2", "1");
    await create(newJob({ id: "5" }));
    await runAll({ "5": "" });
    for (const store of [lean, whole]) store.told = `${store.now + 60_000} 60000 0`;
    pass(60_000);
    await create(newJob({ id: "6" }));
    await runAll({ "6": "" });
    await expectSame(10);
  });

  test("creates of several jobs, with a request id for a later time, and checks", async () => {
    await createQueue();
    await create(newJob({ id: "1" }), "cr", "|+500|digest|request");
    await create(newJob({ id: "2" }), "cr", "|=5|digest|another");
    await create(newJob({ id: "3" }), "d");
    await create(newJob({ id: "4" }), "f");
    const [first, second] = [newJob({ id: "5" }), newJob({ id: "6" })];
    await both("enqueue", 1, "c", 2, first.id, writeSpec(first), second.id, writeSpec(second));
    await expectSame(3);
  });
});
