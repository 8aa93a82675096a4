import type { Redis } from "ioredis";
import { beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import { type RedisServer, startRedis } from "../../support/redis.js";
import { openWith } from "../contract/harness.js";
import { createRedisHarness, oneServer } from "../contract/redis-harness.js";
import { add, createQueue, done, fatal, lease, leaseOne, tickAll } from "../contract/support.js";
import { auditKeys } from "./support/key-audit.js";
import { commandCounts } from "./support/open.js";

let redis: RedisServer;
let client: Redis;

beforeAll(async () => {
  redis = await startRedis();
  client = redis.client();
});

const open = openWith(createRedisHarness(() => oneServer(redis)));

const names = (count: number) => Array.from({ length: count }, (_, at) => `type-${String(at).padStart(3, "0")}`);

/** Calls `act`, and returns how many calls of each command that took in Redis. */
async function commandsOf(act: () => Promise<unknown>): Promise<Map<string, number>> {
  await client.config("RESETSTAT");
  await act();
  return commandCounts(client);
}

const statsOf = async (backend: Backend) => (await backend.queues(["default"]))[0]?.stats;

test("the figures of a queue with hundreds of types are true, and cost a reading no more than those of one", async () => {
  const { backend, advance, now } = await open();
  const types = names(300);
  await add(backend, { type: "first" });
  const one = (await commandsOf(() => statsOf(backend))).get("zrangebyscore") ?? 0;
  // Of one type among them a job of low priority has been ready for a while.
  await add(backend, { type: "type-123", runAfter: (await now()) - 60_000 });
  for (const priority of [3, 9]) await add(backend, ...types.map((type) => ({ type, priority })));
  expect(await statsOf(backend)).toMatchObject({
    ready: 602,
    oldestReadyAgeMs: 60_000,
    readyTypes: ["first", ...types].slice(0, 20),
  });
  await advance(5000);
  const again = await commandsOf(async () => {
    expect(await statsOf(backend)).toMatchObject({ ready: 602, oldestReadyAgeMs: 65_000 });
  });
  expect(again.get("zrangebyscore") ?? 0).toBeLessThanOrEqual(one);
  expect(again.get("smembers") ?? 0).toBe(0);
  // What was found is not used for ever.
  await lease(backend, { types: ["type-123", "first"] });
  await advance(5000);
  const later = await commandsOf(async () => {
    expect(await statsOf(backend)).toMatchObject({ oldestReadyAgeMs: 10_000, readyTypes: types.slice(0, 20) });
  });
  expect(later.get("evalsha")).toBeGreaterThan(5);
  expect(later.get("zrangebyscore") ?? 0).toBeLessThan(300 * 4);
});

test("many types that come down to a few are told as they are at once", async () => {
  const { backend, now } = await open();
  await add(backend, ...names(50).map((type) => ({ type })));
  expect((await statsOf(backend))?.readyTypes).toHaveLength(20);
  await lease(backend, { types: names(49) });
  expect(await statsOf(backend)).toMatchObject({ ready: 1, readyTypes: ["type-049"] });
  await lease(backend, { types: names(50) });
  expect(await statsOf(backend)).toMatchObject({ ready: 0, readyTypes: [], oldestReadyAgeMs: undefined });
  const at = await now();
  await add(backend, ...names(50).map((type) => ({ type, runAfter: at - 1000 })));
  expect((await backend.setPaused("default", true)).stats).toMatchObject({ ready: 50, oldestReadyAgeMs: 1000 });
});

test("a thousand outcomes of one queue are several scripts, in order of the given", async () => {
  const { backend } = await open();
  await add(backend, ...names(1000).map((type) => ({ type, payload: undefined })));
  const leases = await lease(backend, { types: names(1000) });
  expect(leases).toHaveLength(1000);
  const [first, ...rest] = leases.map((each) => fatal(each));
  if (first === undefined) throw new Error("no lease");
  const given = [{ ...first, token: "wrong" }, ...rest, first];
  let outcomes: readonly string[] = [];
  const commands = await commandsOf(async () => {
    outcomes = (await backend.fail(given)).map(({ outcome }) => outcome);
  });
  expect(outcomes).toEqual(["LEASE_LOST", ...rest.map(() => "APPLIED"), "APPLIED"]);
  expect(commands.get("evalsha")).toBeGreaterThan(5);
});

describe("one key with jobs of thousands of types", () => {
  const MANY = 2000;
  const count = (counts: Map<string, number>) => [...counts.values()].reduce((sum, each) => sum + each, 0);

  test.each([
    ["is held back by its limit", { maxConcurrencyPerKey: 1 } as const, { key: "tenant" }],
    ["takes turns", { ordering: "FAIR" } as const, { key: "tenant" }],
    ["takes turns with nobody", { ordering: "FAIR" } as const, {}],
  ])("that %s: no create, lease or completion costs by their number", async (_, settings, given) => {
    const { backend } = await open();
    const types = names(MANY);
    const jobs = (some: readonly string[]) => some.map((type) => ({ queue: "wide", type, ...given }));
    await createQueue(backend, "wide", settings);
    for (let at = 0; at < MANY; at += 100) await add(backend, ...jobs(types.slice(at, at + 100)));
    const take = (some: readonly string[]) => lease(backend, { queues: ["wide"], types: some, max: 1 });
    for (const type of [types[7], types[7], types[1900], types[40]] as string[]) {
      const another = await commandsOf(() => add(backend, ...jobs([type])));
      expect(count(another)).toBeLessThan(60);
      let leases: Awaited<ReturnType<typeof take>> = [];
      expect(count(await commandsOf(async () => (leases = await take([type]))))).toBeLessThan(1200);
      expect(leases.map(({ job }) => job.type)).toEqual([type]);
      if ("maxConcurrencyPerKey" in settings) expect(await take(types.slice(100, 110))).toEqual([]);
      const ended = await commandsOf(() => backend.complete(leases.map((each) => done(each))));
      expect(count(ended)).toBeLessThan(1200);
    }
  });

  test("gets all of them back when it is full no more, in steps that sweeps go on with", async () => {
    const opened = await open();
    const { backend } = opened;
    await createQueue(backend, "wide", { maxConcurrencyPerKey: 1 });
    const types = names(MANY);
    await add(backend, { queue: "wide", type: "first", key: "tenant" });
    const first = await leaseOne(backend, { queues: ["wide"], types: ["first"] });
    for (let at = 0; at < MANY; at += 100) {
      await add(backend, ...types.slice(at, at + 100).map((type) => ({ queue: "wide", type, key: "tenant" })));
    }
    const stats = async () => (await backend.queues(["wide"]))[0]?.stats;
    expect(await stats()).toMatchObject({ ready: 0, limited: MANY });
    await backend.complete([done(first)]);
    for (let sweeps = 0; sweeps < 40 && (await stats())?.limited !== 0; sweeps++) await tickAll(backend);
    expect(await stats()).toMatchObject({ ready: MANY, limited: 0 });
    const base = (await client.keys("*{wide}:meta"))[0]?.slice(0, -"meta".length) as string;
    await auditKeys(client, base);
    const last = await leaseOne(backend, { queues: ["wide"], types: types.slice(-1) });
    expect(last.job.type).toBe(types.at(-1));
    expect(await lease(backend, { queues: ["wide"], types: types.slice(0, 50) })).toEqual([]);
    await backend.complete([done(last)]);
    const seen = new Set<string>();
    while (seen.size < 50) {
      const one = await leaseOne(backend, { queues: ["wide"], types: types.slice(0, 50) });
      seen.add(one.job.type);
      await backend.complete([done(one)]);
    }
  });
});
