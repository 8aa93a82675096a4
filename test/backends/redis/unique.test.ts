import type { Redis } from "ioredis";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSpec, writeUnique } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import type { Backend } from "../../../src/core/backend.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import type { Unique } from "../../../src/model/job/unique.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { add, addDead, addOne, createQueue, done, jobOf, lease, only, readAll, statuses } from "../contract/support.js";
import { newPrefix, type OpenOptions, openBackend } from "./support/open.js";
import { createRunner } from "./support/scripts.js";

let redis: RedisServer;
let admin: Redis;
let at: OpenOptions;

beforeEach(async () => {
  redis ??= await startRedis();
  admin ??= redis.client();
  at = { url: redis.url, prefix: newPrefix() };
});

const requires = (queue: string) => admin.hget(`${at.prefix}:{${queue}}:meta`, "requires");
const unique = (key: string, given: Partial<Unique> = {}): Unique => ({ key, until: "FINISHED", holdMs: 0, ...given });
const create = async (backend: Backend, given: Partial<NewJob>) => only(await backend.enqueue([newJob(given)]));

describe("the first job with a unique key", () => {
  test("has its queue need servers that know of that, for good; others are refused there only", async () => {
    const { backend } = await openBackend(at);
    await createQueue(backend, "mail");
    await addOne(backend, { queue: "mail" });
    expect(await requires("mail")).toBeNull();
    const id = await addOne(backend, { queue: "mail", unique: unique("k") });
    expect(await requires("mail")).toBe("unique");
    await addOne(backend, { queue: "mail", unique: unique("l"), ttlMs: 60_000 });
    expect(await requires("mail")).toBe("unique,expiry");
    expect(await requires("default")).toBeNull();
    const { backend: older } = await openBackend(at, { features: [] });
    await expect(older.get([id])).rejects.toMatchObject({ reason: "UPGRADE_REQUIRED" });
    await addOne(older, {});
  });

  test("is refused while a live server does not know of that, and nothing of its batch is created", async () => {
    const { backend } = await openBackend(at);
    await createQueue(backend, "mail");
    const { backend: older } = await openBackend(at, { features: [] });
    const refused = { reason: "UPGRADE_REQUIRED", metadata: { queue: "mail", feature: "unique" } };
    await expect(add(backend, {}, { queue: "mail", unique: unique("k") })).rejects.toMatchObject(refused);
    expect(await requires("mail")).toBeNull();
    await older.stop();
    const id = await addOne(backend, { queue: "mail", unique: unique("k") });
    expect(await statuses(backend, [id])).toEqual(["PENDING"]);
  });
});

test("what a queue keeps of unique keys goes with the jobs that hold them", async () => {
  const { backend } = await openBackend(at);
  await createQueue(backend, "mail");
  const base = `${at.prefix}:{mail}:`;
  const keys = [`${base}unique`, `${base}unique_of`, `${base}unique_kept`];
  const given = { queue: "mail", unique: unique("k", { holdMs: 60_000 }) };
  const id = await addOne(backend, given);
  await backend.complete((await lease(backend, { queues: ["mail"] })).map((each) => done(each)));
  expect(await admin.exists(...keys)).toBe(3);
  await backend.remove([id], ["DONE"]);
  expect(await admin.exists(...keys)).toBe(0);
  await addOne(backend, given);
  await backend.purge("mail");
  expect(await admin.exists(...keys)).toBe(0);
  await addOne(backend, given);
  await backend.deleteQueue("mail", true);
  expect(await admin.exists(...keys)).toBe(0);
});

describe("a lease that reached nobody", () => {
  const ids = ["119173640645246976", "119173640645246977"];
  const base = () => `${at.prefix}:{mail}:`;
  const holder = () => admin.hget(`${base()}unique`, "k");

  /** Creates a job with a key until it is STARTED, and leases it. */
  async function leased(given: Partial<Unique>) {
    const runner = createRunner(admin, at.prefix, "mail", FEATURES);
    const { run } = runner;
    await run("create", "", ...writeSettings(DEFAULT_QUEUE_SETTINGS));
    const add = (id = "") => {
      const job = newJob({ id, type: "send", unique: unique("k", { until: "STARTED", ...given }) });
      return run("enqueueUnique", 1, "cus", 1, id, writeSpec(job), writeUnique(job));
    };
    await add(ids[0]);
    runner.memo = "server.0 1 0";
    await run("lease", 1, 60_000, "worker", "token", "", "", "send");
    runner.memo = "";
    const giveBack = async () => {
      runner.memo = "server.0 1 1";
      expect(await run("giveBack", "token")).toEqual([1]);
      runner.memo = "";
    };
    return { ...runner, add, giveBack };
  }

  test("is given back as if it had never been: the job takes its unique key back", async () => {
    const { giveBack, run } = await leased({});
    expect(await holder()).toBeNull();
    await giveBack();
    expect(await holder()).toBe(ids[0]);
    await run("lease", 1, 60_000, "worker", "token-2", "", "", "send");
    expect(await holder()).toBeNull();
  });

  test("has a job go without it when another has taken it", async () => {
    const { giveBack, add } = await leased({});
    await add(ids[1]);
    await giveBack();
    expect(await holder()).toBe(ids[1]);
    expect(await admin.hkeys(`${base()}unique_of`)).toEqual([ids[1]]);
  });

  test("leaves it its hold", async () => {
    const { giveBack } = await leased({ holdMs: 60_000 });
    const claim = () => admin.hget(`${base()}unique_of`, ids[0] ?? "");
    expect(await claim()).toMatch(/^h\d{13}k$/);
    const until = (await claim())?.slice(1);
    await giveBack();
    expect(await claim()).toBe(`s${until}`);
  });
});

describe("two servers", () => {
  const keys = Array.from({ length: 40 }, (_, n) => `key ${n}`);

  async function open() {
    const [{ backend: one }, { backend: two }] = [await openBackend(at), await openBackend(at)];
    const start = await one.head();
    /** Checks, from the log, that no two jobs with one key were unfinished at the same time. */
    async function checkLog() {
      const { changes } = await readAll(one, start);
      const jobs = await one.get([...new Set(changes.map(({ jobId }) => jobId))]);
      const keyOf = new Map(jobs.flatMap((job) => (job === undefined ? [] : [[job.id, job.unique?.key ?? ""]])));
      const open = new Map<string, string>();
      for (const { jobId, status } of changes) {
        const key = keyOf.get(jobId) ?? "";
        expect(open.get(key) ?? jobId, key).toBe(jobId);
        if (status === "PENDING" || status === "RUNNING" || status === "FAILED") open.set(key, jobId);
        else open.delete(key);
      }
    }
    return { one, two, checkLog };
  }

  test("that create at the same time create one job of each key", async () => {
    const { one, two, checkLog } = await open();
    const calls = keys.flatMap((key) =>
      [one, two, one, two].map((backend) => create(backend, { unique: unique(key) })),
    );
    const results = await Promise.all(calls);
    expect(results.filter(({ deduplicated }) => !deduplicated)).toHaveLength(keys.length);
    expect(new Set(results.map(({ id }) => id)).size).toBe(keys.length);
    await checkLog();
  });

  test("of which one completes as the other creates never have two at once", async () => {
    const { one, two, checkLog } = await open();
    for (let round = 0; round < 3; round++) {
      await Promise.all(keys.map((key) => create(one, { unique: unique(key) })));
      const leases = await lease(one);
      expect(leases).toHaveLength(keys.length);
      await Promise.all(
        leases.map(async (each) => {
          const [, made] = await Promise.all([
            one.complete([done(each)]),
            create(two, { unique: each.job.unique, payload: "later" }),
          ]);
          const isNew = made.id !== each.job.id;
          expect(made.deduplicated).toBe(!isNew);
          if (isNew) expect((await jobOf(one, made.id)).payload).toBe("later");
        }),
      );
      await two.complete((await lease(two)).map((each) => done(each)));
    }
    await checkLog();
  });

  test("of which one leases as the other replaces run what was said last", async () => {
    const { one, two } = await open();
    const started = (key: string) => unique(key, { until: "STARTED" });
    await Promise.all(keys.map((key) => create(one, { unique: started(key), payload: "old" })));
    const replace = keys.map((key) =>
      create(two, { unique: started(key), payload: "new", onConflict: "REPLACE" as const }),
    );
    const [first, second, ...made] = await Promise.all([lease(one, { max: 20 }), lease(one, { max: 20 }), ...replace]);
    const rest = await lease(one);
    const runs = [...first, ...second, ...rest].map(({ job }) => job);
    for (const [n, { id, met }] of made.entries()) {
      const ofKey = runs.filter(({ unique }) => unique?.key === keys[n]);
      // It was replaced while it waited; or it ran, and what was said last is another job.
      const expected =
        met === "REPLACED"
          ? [[id, "new"]]
          : [
              [expect.any(String), "old"],
              [id, "new"],
            ];
      expect(ofKey.map((job) => [job.id, job.payload])).toEqual(expected);
    }
    expect(made.every(({ met }) => met !== "KEPT")).toBe(true);
  });

  test("of which one replays as the other creates let one of both", async () => {
    const { one, two, checkLog } = await open();
    const dead = await Promise.all(keys.map((key, n) => addDead(one, { unique: unique(key), type: `doomed ${n}` })));
    await Promise.all(
      dead.map(async (id, n) => {
        const [[row], made] = await Promise.all([one.replay([id]), create(two, { unique: unique(keys[n] ?? "") })]);
        if (row?.outcome === "APPLIED") expect(made).toMatchObject({ id, deduplicated: true });
        else {
          expect(row).toEqual({ outcome: "KEY_HELD", by: made.id });
          expect(made.deduplicated).toBe(false);
        }
      }),
    );
    await checkLog();
  });
});
