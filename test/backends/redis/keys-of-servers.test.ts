import type { Redis } from "ioredis";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { featuresOf, writeSettings } from "../../../src/backends/redis/layout/settings.js";
import type { Backend } from "../../../src/core/backend.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueSettings } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import {
  add,
  addOne,
  createQueue,
  done,
  failed,
  lease,
  leasedIds,
  readAll,
  ref,
  statuses,
} from "../contract/support.js";
import { auditKeys } from "./support/key-audit.js";
import { commandCounts, newPrefix, type OpenOptions, openBackend } from "./support/open.js";
import { createRunner, type ScriptRunner } from "./support/scripts.js";

let redis: RedisServer;
let admin: Redis;
let at: OpenOptions;

beforeAll(async () => {
  redis = await startRedis();
  admin = redis.client();
});
beforeEach(() => {
  at = { url: redis.url, prefix: newPrefix() };
});

const requires = (queue: string) => admin.hget(`${at.prefix}:{${queue}}:meta`, "requires");

describe("a queue", () => {
  test("needs servers that know keys from its first job with one on, when it is FAIR, or bounds keys; for good", async () => {
    const { backend } = await openBackend(at);
    for (const queue of ["mail", "plain"]) await createQueue(backend, queue);
    await createQueue(backend, "fair", { ordering: "FAIR" });
    await createQueue(backend, "bound", { maxConcurrencyPerKey: 1 });
    await createQueue(backend, "timed", { ordering: "RUN_AFTER" });
    await add(backend, { queue: "mail" }, { queue: "plain" });
    expect(await requires("mail")).toBeNull();
    const [id = ""] = await add(backend, { queue: "mail", key: "a" }, { queue: "mail", key: "b", ttlMs: 60_000 });
    expect((await requires("mail"))?.split(",").toSorted()).toEqual(["expiry", "keys"]);
    expect(await Promise.all(["fair", "bound", "timed", "plain"].map(requires))).toEqual(["keys", "keys", null, null]);
    await backend.updateQueue("bound", { maxConcurrencyPerKey: 0 });
    expect(await requires("bound")).toBe("keys");
    const { backend: older } = await openBackend(at, { features: FEATURES.filter((each) => each !== "keys") });
    await expect(older.get([id])).rejects.toMatchObject({ reason: "UPGRADE_REQUIRED", metadata: { feature: "keys" } });
    await addOne(older, { queue: "plain" });
    expect(await leasedIds(backend, { queues: ["mail"] })).toHaveLength(3);
  });

  test("is given no job with a key while a live server knows none, and nothing of that batch", async () => {
    const { backend } = await openBackend(at);
    const { backend: older } = await openBackend(at, { features: [] });
    const refused = { reason: "UPGRADE_REQUIRED", metadata: { queue: "default", feature: "keys" } };
    await expect(add(backend, {}, { key: "a" })).rejects.toMatchObject(refused);
    await expect(backend.updateQueue("default", { maxConcurrencyPerKey: 1 })).rejects.toMatchObject(refused);
    expect(await leasedIds(backend)).toEqual([]);
    await older.stop();
    expect(await statuses(backend, await add(backend, {}, { key: "a" }))).toEqual(["PENDING", "PENDING"]);
  });
});

describe("servers that race for the jobs of a few keys", () => {
  const KEYS = ["a", "b", "c", undefined];
  const LIMIT = 2;
  const JOBS = 120;

  test.each(["PRIORITY", "FAIR"] as const)(
    "never run more of a key than it may, and run all (%s)",
    async (ordering) => {
      const servers: Backend[] = [];
      for (let n = 0; n < 3; n++) servers.push((await openBackend(at)).backend);
      const [first] = servers as [Backend];
      await createQueue(first, "mail", { ordering, maxConcurrencyPerKey: LIMIT });
      const from = await first.head();
      const jobs = Array.from({ length: JOBS }, (_, n) => ({
        ...{ queue: "mail", key: KEYS[n % KEYS.length], type: n % 3 === 0 ? "x" : "y" },
        ...{ backoff: { delaysMs: [1] }, delayMs: n % 7 === 0 ? 1 : 0 },
      }));
      const ids = await add(first, ...jobs);
      const keyOf = new Map(ids.map((id, n) => [id, jobs[n]?.key]));
      const ended = new Set<string>();
      /** One worker: takes some, and ends each in one way or another. */
      async function work(backend: Backend, seed: number): Promise<void> {
        for (let turn = seed; ended.size < JOBS; turn++) {
          const types = turn % 2 === 0 ? ["x", "y"] : ["y", "x"];
          const leases = await lease(backend, { queues: ["mail"], types, max: 1 + (turn % 5) });
          for (const [n, each] of leases.entries()) {
            const way = (turn + n) % 4;
            if (way === 0 && each.job.deliveries === 1) await backend.release([ref(each)]);
            else if (way === 1 && each.job.retryCount === 0)
              await backend.fail([{ ...failed(each), retry: { afterMs: 0 } }]);
            else {
              await backend.complete([done(each)]);
              ended.add(each.job.id);
            }
          }
          if (leases.length === 0) await backend.tick();
        }
      }
      await Promise.all(servers.flatMap((backend, n) => [work(backend, n), work(backend, n + 3)]));
      const running = new Map<string, Set<string>>();
      let most = 0;
      for (const { jobId, status } of (await readAll(first, from)).changes) {
        const key = keyOf.get(jobId);
        if (key === undefined) continue;
        const those = running.get(key) ?? new Set();
        running.set(key, those);
        if (status === "RUNNING") those.add(jobId);
        else those.delete(jobId);
        most = Math.max(most, those.size);
      }
      expect(most).toBe(LIMIT);
      expect(new Set(await statuses(first, ids))).toEqual(new Set(["DONE"]));
      await auditKeys(admin, `${at.prefix}:{mail}:`);
    },
  );
});

/** A queue with so many jobs, those of a key one after the other. Types in turns. */
async function filled(settings: Partial<QueueSettings>, jobs: number, keys: number): Promise<ScriptRunner> {
  const runner = createRunner(admin, newPrefix(), "mail", FEATURES);
  const all = { ...DEFAULT_QUEUE_SETTINGS, ...settings };
  await runner.run("create", featuresOf(all).join(","), ...writeSettings(all));
  for (let from = 0; from < jobs; from += 500) {
    const args = Array.from({ length: Math.min(500, jobs - from) }, (_, n) => {
      const job = newJob({ id: String(10_000 + from + n), type: "send", key: `tenant-${(from + n) % keys}` });
      return [job.id, writeSpec(job)];
    });
    await runner.run("enqueue", 1, "cks", args.length, ...args.flat());
  }
  return runner;
}

/** Ids of the jobs that a call leases. */
async function leased(runner: ScriptRunner, max: number, token: string): Promise<string[]> {
  const [message] = await runner.run("lease", max, 60_000, "worker", token, "", "", "send");
  return [...String(message).matchAll(/^0\d{94}(\d+) /gm)].map(([, id]) => id as string);
}

describe("what a lease and a completion cost", () => {
  /** Commands of a lease of five jobs and of their completion, where all but a few of the keys are full. */
  async function cost(settings: Partial<QueueSettings>, jobs: number, keys: number): Promise<number[]> {
    const runner = await filled(settings, jobs, keys);
    for (let held = 0; held < keys - 10; )
      held += (await leased(runner, Math.min(200, keys - 10 - held), `h${held}`)).length;
    expect(Number(await admin.hget(`${runner.base}meta`, "held"))).toBe((keys - 10) * (jobs / keys - 1));
    const counts: number[] = [];
    const steps: readonly ((ids: readonly string[]) => Promise<readonly string[]>)[] = [
      () => leased(runner, 5, "token"),
      async (ids) => {
        await runner.run("complete", ...ids.flatMap((id) => [id, "token", ""]));
        return ids;
      },
    ];
    let ids: readonly string[] = [];
    for (const step of steps) {
      await admin.call("CONFIG", "RESETSTAT");
      ids = await step(ids);
      expect(ids).toHaveLength(5);
      counts.push([...(await commandCounts(admin)).values()].reduce((sum, calls) => sum + calls, 0));
    }
    return counts;
  }

  test.each(["PRIORITY", "RUN_AFTER", "FAIR"] as const)(
    "does not grow with the jobs and keys that are held back (%s)",
    async (ordering) => {
      const settings = { ordering, maxConcurrencyPerKey: 1 };
      expect(await cost(settings, 20_000, 2000)).toEqual(await cost(settings, 200, 20));
    },
  );

  test("and that of a purge grows with the jobs that it deletes only", async () => {
    const purge = async (jobs: number, keys: number) => {
      const runner = await filled({ ordering: "FAIR", maxConcurrencyPerKey: 1 }, jobs, keys);
      await leased(runner, 100, "token");
      await admin.call("CONFIG", "RESETSTAT");
      expect(await runner.run("purge", 200)).toEqual([200]);
      const calls = [...(await commandCounts(admin)).values()].reduce((sum, count) => sum + count, 0);
      await auditKeys(admin, runner.base);
      return calls;
    };
    expect(await purge(600, 600)).toBeLessThan(200 * 10);
    expect(await purge(3000, 1000)).toBeLessThan(200 * 10);
    expect(await purge(600, 3)).toBeLessThan(200);
  });

  test("has no commands of keys in a queue that has none", async () => {
    const runner = await filled({}, 0, 1);
    const ids = Array.from({ length: 50 }, (_, n) => String(10_000 + n));
    const args = ids.flatMap((id) => [id, writeSpec(newJob({ id, type: "send" }))]);
    await runner.run("enqueue", 1, "c", 50, ...args);
    await admin.call("CONFIG", "RESETSTAT");
    expect(await leased(runner, 50, "token")).toEqual(ids);
    await runner.run("complete", ...ids.flatMap((id) => [id, "token", ""]));
    const counts = await commandCounts(admin);
    expect([...counts.values()].reduce((sum, calls) => sum + calls, 0)).toBeLessThan(150);
    for (const name of ["zmscore", "hrandfield"]) expect(counts.get(name), name).toBeUndefined();
  });
});

describe("the bytes of a lease", () => {
  test.each([
    [700, 2500],
    [1_000_000, 4 * 2 ** 20],
    [1_000_000, 2_500_000],
    [10_000, 1],
  ])("end it in a FAIR queue where they do in any: jobs of %i bytes, most %i", async (size, most) => {
    const taken = async (settings: Partial<QueueSettings>) => {
      const runner = await filled(settings, 0, 1);
      for (let n = 0; n < 8; n++) {
        const id = String(10_000 + n);
        const job = newJob({ id, type: "send", payload: `"${"x".repeat(size)}"` });
        await runner.run("enqueue", 1, "c", 1, id, writeSpec(job));
      }
      const parts = await runner.run("lease", 8, 60_000, "worker", "token", most, "", "send");
      return { count: Math.floor((parts.length - 1) / 2), isFull: parts.length % 2 === 0 };
    };
    const plain = await taken({});
    expect(plain.isFull).toBe(true);
    expect(await taken({ ordering: "FAIR" })).toEqual(plain);
  });
});

describe("a limit of keys that was changed", () => {
  const limitTo = ({ run }: ScriptRunner, maxConcurrencyPerKey: number) =>
    run("update", "keys", ...writeSettings({ maxConcurrencyPerKey }));

  test("holds from the next lease on, whether or not a sweep has come, and its keys are held back from then on", async () => {
    const runner = await filled({ maxConcurrencyPerKey: 0 }, 12, 2);
    expect(await leased(runner, 6, "first")).toHaveLength(6);
    await limitTo(runner, 2);
    expect(await leased(runner, 6, "second")).toEqual([]);
    await auditKeys(admin, runner.base);
    await runner.run("complete", "10000", "first", "");
    expect(await leased(runner, 6, "third")).toEqual([]);
    await runner.run("complete", "10002", "first", "");
    expect(await leased(runner, 6, "fourth")).toEqual(["10006"]);
    await auditKeys(admin, runner.base);
  });

  test("holds for very many keys that a lease meets: it sees to some of them, and the next one to the others", async () => {
    const runner = await filled({ maxConcurrencyPerKey: 0 }, 900, 450);
    for (const token of ["first", "other"]) expect(await leased(runner, 225, token)).toHaveLength(225);
    await limitTo(runner, 1);
    const heldNow = async () => Number(await admin.hget(`${runner.base}meta`, "held"));
    expect(await leased(runner, 10, "second")).toEqual([]);
    expect(await heldNow()).toBeGreaterThan(0);
    expect(await heldNow()).toBeLessThan(450);
    expect(await leased(runner, 10, "third")).toEqual([]);
    expect(await heldNow()).toBe(450);
    await auditKeys(admin, runner.base);
  });

  test.each([
    ["lifted", 0],
    ["raised", 2],
  ])("and was %s lets the jobs of a few keys come with each sweep, until all have", async (_name, limit) => {
    const runner = await filled({ maxConcurrencyPerKey: 1 }, 15, 5);
    expect(await leased(runner, 10, "first")).toHaveLength(5);
    await limitTo(runner, limit);
    const held: number[] = [];
    for (let dueInMs = 0; dueInMs === 0; ) {
      [dueInMs] = (await runner.run("sweep", 4, "server", 1)) as [number];
      held.push(Number(await admin.hget(`${runner.base}meta`, "held")));
    }
    expect(held).toEqual([6, 2, 0]);
    await auditKeys(admin, runner.base);
    expect(await leased(runner, 20, "second")).toHaveLength(limit === 0 ? 10 : 5);
  });

  test("and was lowered takes the keys out of what is ready with sweeps, though nobody asks for jobs", async () => {
    const runner = await filled({ maxConcurrencyPerKey: 0 }, 15, 5);
    expect(await leased(runner, 5, "first")).toHaveLength(5);
    await limitTo(runner, 1);
    for (let dueInMs = 0; dueInMs === 0; ) [dueInMs] = (await runner.run("sweep", 2, "server", 1)) as [number];
    expect(await runner.run("countReady", "send")).toEqual([0]);
    await auditKeys(admin, runner.base);
  });
});
