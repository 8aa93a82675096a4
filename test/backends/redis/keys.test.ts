import fc from "fast-check";
import type { Redis } from "ioredis";
import { beforeAll, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { decode } from "../../../src/backends/redis/layout/decode.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { featuresOf, writeSettings } from "../../../src/backends/redis/layout/settings.js";
import { compareReady } from "../../../src/model/queue/order.js";
import { DEFAULT_QUEUE_SETTINGS, type QueueOrdering } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { runs } from "../../support/runs.js";
import { auditKeys } from "./support/key-audit.js";
import { newPrefix } from "./support/open.js";
import { createRunner } from "./support/scripts.js";

let redis: RedisServer;
let admin: Redis;

beforeAll(async () => {
  redis = await startRedis();
  admin = redis.client();
});

const KEYS = ["a", "b", "b1", "é:\\", ""];
const TYPES = ["x", "y"];
/** More than a key may have without being wide. */
const MANY_TYPES = [..."abcdefghijkl"];

interface NaiveJob {
  readonly number: string;
  readonly type: string;
  readonly key: string;
  readonly priority: number;
  readonly createdAt: number;
  runAfter: number;
}

/** The rules of keys, with every job looked at for each question. */
class Naive {
  ready: NaiveJob[] = [];
  running = new Map<NaiveJob, string>();
  limit = 0;
  turn = 0;
  arrivals = 0;
  turns = new Map<string, number>();
  active = new Map<string, number>();
  full = new Set<string>();

  constructor(readonly ordering: QueueOrdering) {}

  runs(key: string): number {
    return [...this.running.keys()].filter((job) => job.key === key).length;
  }

  add(job: NaiveJob): void {
    this.ready.push(job);
    this.look(job.key);
  }

  /** A key becomes active, or stops being so. */
  look(key: string): void {
    const isFull = key !== "" && this.limit > 0 && this.runs(key) >= this.limit;
    if (isFull) this.full.add(key);
    else this.full.delete(key);
    const isActive = !isFull && this.ready.some((job) => job.key === key);
    if (!isActive) this.active.delete(key);
    else if (!this.active.has(key)) {
      this.turns.set(key, Math.max(this.turns.get(key) ?? 0, this.turn));
      this.active.set(key, ++this.arrivals);
    }
  }

  lease(types: readonly string[], max: number, token: string): string[] {
    const ids: string[] = [];
    while (ids.length < max) {
      const candidates = this.ready.filter(({ type, key }) => types.includes(type) && this.active.has(key));
      const turnOf = (key: string) => (this.ordering === "FAIR" ? (this.turns.get(key) as number) : 0);
      const arrivalOf = (key: string) => (this.ordering === "FAIR" ? (this.active.get(key) as number) : 0);
      candidates.sort(
        (a, b) =>
          turnOf(a.key) - turnOf(b.key) || arrivalOf(a.key) - arrivalOf(b.key) || compareReady(this.ordering, a, b),
      );
      const [best] = candidates;
      if (best === undefined) break;
      this.ready.splice(this.ready.indexOf(best), 1);
      this.running.set(best, token);
      this.turn = Math.max(this.turn, this.turns.get(best.key) as number);
      this.turns.set(best.key, (this.turns.get(best.key) as number) + 1);
      this.look(best.key);
      ids.push(best.number);
    }
    return ids;
  }

  end(job: NaiveJob): void {
    this.running.delete(job);
    this.look(job.key);
  }

  setLimit(limit: number): void {
    const runs = new Map(KEYS.map((key) => [key, this.runs(key)]));
    this.limit = limit;
    const byRuns = (a: string, b: string) =>
      (runs.get(a) as number) - (runs.get(b) as number) || Buffer.compare(Buffer.from(a), Buffer.from(b));
    for (const key of [...this.full].sort(byRuns)) this.look(key);
    for (const key of KEYS) this.look(key);
  }
}

const at = fc.nat();
const stepOf = (types: readonly string[]) =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        add: fc.array(
          fc.record({ key: fc.constantFrom(...KEYS), type: fc.constantFrom(...types), priority: fc.nat(2) }),
          { minLength: 1, maxLength: types.length * 3 },
        ),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        lease: fc.integer({ min: 1, max: 8 }),
        types: fc.subarray([...types, "z"], { minLength: 1 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ end: at, how: fc.constantFrom("complete", "retry", "release", "bury", "lose") }),
    },
    { weight: 1, arbitrary: fc.record({ cancel: at }) },
    { weight: 1, arbitrary: fc.record({ limit: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ update: at, priority: fc.nat(2) }) },
    {
      weight: 1,
      arbitrary: fc.record({ delayed: fc.record({ key: fc.constantFrom(...KEYS), type: fc.constantFrom(...types) }) }),
    },
    { weight: 1, arbitrary: fc.record({ giveBack: fc.constant(true) }) },
  );

describe.each([
  ["PRIORITY", "some types", TYPES],
  ["RUN_AFTER", "some types", TYPES],
  ["FAIR", "some types", TYPES],
  ["PRIORITY", "many types", MANY_TYPES],
  ["FAIR", "many types", MANY_TYPES],
] as const)("keys of a %s queue with %s", (ordering, _, types) => {
  test("are bounded and served as said, whatever happens to their jobs, and all counts are right", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepOf(types), { maxLength: 40 }), fc.nat(3), async (steps, limit) => {
        const runner = createRunner(admin, newPrefix(), "mail", FEATURES);
        const { run, base } = runner;
        const settings = { ...DEFAULT_QUEUE_SETTINGS, ordering, maxConcurrencyPerKey: limit };
        await run("create", [...new Set([...featuresOf(settings), "keys"])].join(","), ...writeSettings(settings));
        const naive = new Naive(ordering);
        naive.limit = limit;
        let count = 0;
        for (const each of steps) {
          runner.now += 7;
          if ("add" in each) {
            const args: (string | Buffer)[] = [];
            for (const { key, type, priority } of each.add) {
              const number = String(1000 + count++);
              const job = newJob({ id: `${number}@mail`, type, priority, key: key === "" ? undefined : key });
              args.push(number, writeSpec(job));
              naive.add({ number, type, key, priority, createdAt: runner.now, runAfter: runner.now });
            }
            await run("enqueue", 1, "ck", each.add.length, ...args);
          } else if ("lease" in each) {
            const token = `t${count++}`;
            const got = await run("lease", each.lease, 1e9, "w", token, "", "", ...each.types);
            const records = String(got[0]).split("\n").slice(1, -1);
            const ids = records.map((record) => decode("change", Buffer.from(record)).id);
            expect(ids).toEqual(naive.lease(each.types, each.lease, token));
          } else if ("end" in each) {
            const [job, token] = [...naive.running][each.end % Math.max(1, naive.running.size)] ?? [];
            if (job === undefined) continue;
            const { how } = each;
            naive.end(job);
            if (how === "complete") await run("complete", job.number, token as string, "");
            else if (how === "bury") await run("fail", job.number, token as string, "no", "", "", "n");
            else {
              if (how === "retry") job.runAfter = runner.now;
              naive.add(job);
              if (how === "retry") await run("fail", job.number, token as string, "no", "", "", "+0");
              else if (how === "release") await run("release", job.number, token as string, "", "");
              else {
                await admin.zadd(`${base}leases`, runner.now, job.number);
                await run("sweep", 100, "server", 99);
              }
            }
          } else if ("cancel" in each) {
            const job = naive.ready[each.cancel % Math.max(1, naive.ready.length)];
            if (job === undefined) continue;
            naive.ready.splice(naive.ready.indexOf(job), 1);
            naive.look(job.key);
            await run("cancel", job.number);
          } else if ("update" in each) {
            const at = each.update % Math.max(1, naive.ready.length);
            const job = naive.ready[at];
            if (job === undefined) continue;
            naive.ready[at] = { ...job, priority: each.priority };
            await run("revise", job.number, each.priority, "", "", "");
          } else if ("delayed" in each) {
            const { key, type } = each.delayed;
            const number = String(1000 + count++);
            const job = newJob({ id: `${number}@mail`, type, key: key === "" ? undefined : key });
            await run("enqueue", 1, "ck", 1, `${number}|+3||`, writeSpec(job));
            const createdAt = runner.now;
            runner.now += 3;
            naive.add({ number, type, key, priority: job.priority, createdAt, runAfter: runner.now });
            await run("sweep", 100, "server", 99);
          } else if ("limit" in each) {
            naive.setLimit(each.limit);
            await run("update", "", ...writeSettings({ maxConcurrencyPerKey: each.limit }));
            await run("sweep", 100, "server", 99);
          } else if (types === TYPES) {
            // A lease that reached nobody: as if it had never been, but for the order of arrival and the turns of wide keys.
            runner.memo = `server.0 ${count} 0`;
            const token = `t${count++}`;
            await run("lease", 2, 1e9, "w", token, "", "", ...types);
            runner.memo = `server.0 ${count - 1} 1`;
            const ids = naive.lease(types, 2, token);
            expect(await run("giveBack", token)).toEqual([ids.length]);
            runner.memo = "";
            const jobs = ids.map((id) => [...naive.running.keys()].find(({ number }) => number === id) as NaiveJob);
            for (const job of jobs) {
              if (naive.active.has(job.key) || (naive.turns.get(job.key) as number) > naive.turn)
                naive.turns.set(job.key, (naive.turns.get(job.key) as number) - 1);
              naive.end(job);
              naive.add(job);
            }
          }
          await auditKeys(admin, base);
        }
        await run("purge", 3);
        await auditKeys(admin, base);
        await run("purge", 1000);
        await auditKeys(admin, base);
        expect(await run("beginDelete", 1, "server")).toHaveLength(1);
        while ((await run("continueDelete", 10, 1000, "server"))[0] !== 1);
        const left = (await admin.keys(`${base}*`)).map((key) => key.slice(base.length));
        expect(left.filter((key) => !/^(log|log_position|time|answers:.*)$/.test(key))).toEqual([]);
      }),
      { numRuns: runs(10) },
    );
  });
});
