import fc from "fast-check";
import type { Redis } from "ioredis";
import { beforeEach, describe, expect, test } from "vitest";
import { writeSpec } from "../../../src/backends/redis/layout/codec.js";
import { FEATURES } from "../../../src/backends/redis/layout/features.js";
import { writeSettings } from "../../../src/backends/redis/layout/settings.js";
import type { RedisBackend } from "../../../src/backends/redis/redis-backend.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import {
  afterChange,
  afterHandOut,
  afterPause,
  afterRefund,
  freeSlots,
  MAKE_UP_MS,
  nextSlotAt,
  type RateLimit,
  type RateState,
} from "../../../src/model/queue/rate-limit.js";
import { newJob } from "../../support/job.js";
import { excessOf } from "../../support/rates.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { runs } from "../../support/runs.js";
import { signal } from "../../support/signal.js";
import { within } from "../../support/wait.js";
import { add, createQueue, done, lease } from "../contract/support.js";
import { commandCounts, newPrefix, type OpenOptions, openBackend, openEngine } from "./support/open.js";
import { createRunner } from "./support/scripts.js";

let redis: RedisServer;
let admin: Redis;
let at: OpenOptions;

beforeEach(async () => {
  redis ??= await startRedis();
  admin ??= redis.client();
  at = { url: redis.url, prefix: newPrefix() };
});

const FIRST = 119_173_640_645_246_976n;

/** A queue `mail` with a rate and so many jobs, on which scripts run with times that the test chooses. */
async function rated(rateLimit: RateLimit, jobs: number) {
  const runner = createRunner(admin, newPrefix(), "mail", FEATURES);
  const { run, base } = runner;
  await run("create", "rate", ...writeSettings({ ...DEFAULT_QUEUE_SETTINGS, rateLimit }));
  const specs = Array.from({ length: jobs }, (_, n) => {
    const id = String(FIRST + BigInt(n));
    return [id, writeSpec(newJob({ id, type: "send" }))];
  });
  await run("enqueue", 1, "c", jobs, ...specs.flat());
  let calls = 0;
  return {
    ...{ runner, base },
    /** Leases up to so many; returns how many there were. */
    async take(max: number): Promise<number> {
      runner.memo = `server.0 ${++calls} 0`;
      const reply = await run("lease", max, 3_600_000, "worker", `token${calls}`, "", "", "send");
      runner.memo = "";
      return Math.floor((reply.length - 1) / 2);
    },
    /** Gives back what the last call got. */
    async giveBack(): Promise<number> {
      runner.memo = `server.0 ${calls} 1`;
      const [count] = await run("giveBack", `token${calls}`);
      runner.memo = "";
      return Number(count);
    },
    /** What Redis knows of the rate; undefined: nothing was handed out yet. */
    async state(): Promise<RateState | undefined> {
      const text = await admin.hget(`${base}meta`, "rate_state");
      if (text === null) return undefined;
      const [tat, isBehind] = text.split(" ");
      return { tat: Number(tat), isBehind: isBehind === "1" };
    },
  };
}

const limit: fc.Arbitrary<RateLimit> = fc.record({
  count: fc.integer({ min: 1, max: 300 }),
  periodMs: fc.constantFrom(1000, 777, 60_000),
  burst: fc.integer({ min: 1, max: 12 }),
});

type Step =
  | { readonly kind: "take"; readonly max: number }
  | { readonly kind: "giveBack" }
  | { readonly kind: "pause" }
  | { readonly kind: "change"; readonly limit: RateLimit };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("take" as const), max: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "giveBack" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "pause" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("change" as const), limit }) },
);

const steps = fc.array(fc.record({ step, eighths: fc.integer({ min: 0, max: 4000 }) }), { maxLength: 25, size: "max" });

describe("the scripts", () => {
  test("reckon what a rate lets go as the function of the model does, to the last bit", async () => {
    await fc.assert(
      fc.asyncProperty(limit, steps, async (first, all) => {
        const jobs = 40;
        const { runner, take, giveBack, state } = await rated(first, jobs);
        let [rate, expected, left, last] = [first, undefined as RateState | undefined, jobs, 0];
        for (const { step, eighths } of all) {
          runner.now += eighths / 8;
          const { now } = runner;
          if (step.kind === "take") {
            const count = Math.min(step.max, left, freeSlots(rate, expected, now));
            expect(await take(step.max)).toBe(count);
            left -= count;
            last = count;
            if (count > 0) expected = afterHandOut(rate, expected, now, count, left > 0);
          } else if (step.kind === "giveBack") {
            expect(await giveBack()).toBe(last);
            if (last > 0) expected = afterRefund(rate, expected, last);
            left += last;
            last = 0;
          } else if (step.kind === "pause") {
            await runner.run("pause", 0);
            expected = afterPause(expected);
          } else {
            await runner.run("update", "rate", ...writeSettings({ rateLimit: step.limit }));
            expected = afterChange(rate, step.limit, expected, now);
            rate = step.limit;
          }
          expect(await state()).toEqual(expected);
          const [, figures] = (await runner.run("show")) as readonly (readonly Buffer[])[];
          const shown = Number(figures?.[figures.findIndex((each) => String(each) === "next_slot_at") + 1]);
          expect(shown).toBe(left === 0 ? 0 : Math.ceil(nextSlotAt(rate, expected, now) ?? 0));
        }
      }),
      { numRuns: runs(12) },
    );
  });

  test("have a sweep put right a time that lies too far ahead, as TIME stepped back by too little to be told", async () => {
    const rate = { count: 10, periodMs: 1000, burst: 1 };
    const { runner, take, state } = await rated(rate, 5);
    expect(await take(1)).toBe(1);
    runner.now -= 900;
    expect(await take(1)).toBe(0);
    await runner.run("sweep", 10, "server", 1);
    expect((await state())?.tat).toBe(runner.now + 100);
    runner.now += 100;
    expect(await take(1)).toBe(1);
  });

  test("keep nothing of a rate that is taken away", async () => {
    const { runner, take, state, base } = await rated({ count: 1, periodMs: 1000, burst: 1 }, 5);
    expect(await take(5)).toBe(1);
    await runner.run("update", "", "rate_limit", "");
    expect([await state(), await admin.hget(`${base}meta`, "rate_limit")]).toEqual([undefined, null]);
    expect(await take(5)).toBe(4);
  });
});

describe("a queue with a rate", () => {
  test("is left alone by servers that do not know of rates", async () => {
    const { backend } = await openBackend(at);
    await createQueue(backend, "mail", { rateLimit: { count: 1, periodMs: 1000, burst: 1 } });
    const { backend: older } = await openBackend(at, { features: [] });
    await add(backend, { queue: "mail" });
    expect(await lease(older, { queues: ["mail"] })).toEqual([]);
    await expect(older.updateQueue("mail", { rateLimit: null })).rejects.toMatchObject({ reason: "UPGRADE_REQUIRED" });
    expect(await lease(backend, { queues: ["mail"] })).toHaveLength(1);
  });

  test("never hands out more than that, to three servers that ask all the time, nor anything while it is paused", async () => {
    const rate = { count: 200, periodMs: 1000, burst: 5 };
    const backends: RedisBackend[] = [];
    for (let n = 0; n < 3; n++) backends.push((await openBackend(at)).backend);
    const [first] = backends as [RedisBackend];
    await createQueue(first, "mail", { rateLimit: rate });
    await add(first, ...Array.from({ length: 150 }, () => ({ queue: "mail" })));
    const times: number[] = [];
    const ids = new Set<string>();
    const take = async (backend: RedisBackend) => {
      while (ids.size < 120) {
        const leases = await lease(backend, { queues: ["mail"], max: 3, leaseMs: 60_000 });
        for (const { job } of leases) {
          ids.add(job.id);
          times.push(job.startedAt ?? 0);
        }
        await backend.complete(leases.map((each) => done(each)));
      }
    };
    const pauses: { readonly from: number; readonly to: number }[] = [];
    const pause = async () => {
      while (ids.size < 120) {
        await first.setPaused("mail", true);
        const from = await first.now();
        const to = await first.now();
        await first.setPaused("mail", false);
        pauses.push({ from, to });
      }
    };
    await within(Promise.all([...backends.map(take), pause()]), "the jobs are not handed out", 20_000);
    expect(ids.size).toBe(times.length);
    expect(times.filter((each) => pauses.some(({ from, to }) => each > from && each < to))).toEqual([]);
    // Stamps are whole ms.
    expect(excessOf(rate, times, MAKE_UP_MS + 1)).toBeLessThanOrEqual(0);
  });

  test("costs three servers a handful of calls for each slot, none of them a storm, and runs all of its jobs", async () => {
    const finished = signal();
    const ran: number[] = [];
    const handlers = {
      echo: () => {
        ran.push(ran.length);
        if (ran.length === 25) finished.fire();
      },
    };
    const engines = [];
    for (let n = 0; n < 3; n++) engines.push(await openEngine(at, { handlers, numWorkers: 5 }));
    const [engine] = engines as [(typeof engines)[number]];
    await engine.queues.create("mail", { rateLimit: { count: 25, periodMs: 1000, burst: 1 } });
    await admin.config("RESETSTAT");
    await engine.jobs.createBatch(
      Array.from({ length: 25 }, () => ({ queue: "mail", type: "echo", payload: undefined })),
    );
    await within(finished.fired, "not all jobs ran", 20_000);
    const calls = (await commandCounts(admin)).get("evalsha") ?? 0;
    // A sweep, a lease and a completion for each, and some that come late or find nothing.
    expect(calls).toBeLessThan(25 * 12);
  });
});
