import { beforeAll, describe, expect, test } from "vitest";
import type { Connection } from "../../../../src/backends/redis/link/connection.js";
import { QueueRegistry } from "../../../../src/backends/redis/queues/queue-registry.js";
import { createKeys } from "../../../../src/backends/redis/scripts/keys.js";
import type { Backend } from "../../../../src/core/backend.js";
import { FakeClock } from "../../../support/fake-clock.js";
import { type RedisServer, startRedis } from "../../../support/redis.js";
import { eventually } from "../../../support/wait.js";
import { createQueue } from "../../contract/support.js";
import { commandCounts, newPrefix, openBackend, openEngine } from "../support/open.js";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});

const namesOf = async (backend: Backend) => (await backend.queueNames()).map(({ name }) => name);

/** Resolves when this server knows these queues beside the default one, and no others. */
async function untilKnown(backend: Backend, names: readonly string[]): Promise<void> {
  const wanted = ["default", ...names].sort().join();
  const check = async () => ((await namesOf(backend)).join() === wanted ? true : undefined);
  await eventually(check, "the list of the queues");
}

test("a clock that was days ahead for a second does not end the logs of queues that are deleted later", () => {
  const heard = { entered() {}, announced() {}, left() {}, over() {}, forgotten() {} };
  const registry = new QueueRegistry({} as Connection, createKeys("p"), new FakeClock(), heard);
  const day = 24 * 3_600_000;
  const now = Date.UTC(2026, 10, 1);
  registry.take({ name: "a", version: 1, entry: { stamp: "1", weight: 1 }, keptUntil: 0 }, now + 10 * day);
  registry.take({ name: "b", version: 2, entry: undefined, keptUntil: now + day }, now);
  expect(registry.isOver("b")).toBe(false);
  expect(registry.logs).toEqual(["a", "b"]);
});

describe("the list of queues", () => {
  test("costs as much to change with hundreds of queues as with a few, on every server", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const engines = [await openEngine(at, { numWorkers: 0 }), await openEngine(at, { numWorkers: 0 })];
    const [one, two] = engines;
    if (one === undefined || two === undefined) throw new Error("no servers");
    const admin = redis.client();
    // Redis knows all scripts from here on.
    await one.queues.create("first");
    await one.queues.remove("first", true);
    const names: string[] = [];
    const costs: Map<string, number>[] = [];
    for (const count of [3, 300]) {
      while (names.length < count) {
        names.push(`q-${names.length}`);
        await one.queues.create(names.at(-1) as string);
      }
      await untilKnown(two.backend, names);
      await untilKnown(one.backend, names);
      await admin.config("RESETSTAT");
      for (let n = 0; n < 10; n++) await one.queues.create(`new-${count}-${n}`);
      await untilKnown(two.backend, [...names, ...Array.from({ length: 10 }, (_, n) => `new-${count}-${n}`)]);
      for (let n = 0; n < 10; n++) await one.queues.remove(`new-${count}-${n}`, true);
      await untilKnown(two.backend, names);
      const counts = await commandCounts(admin);
      // What servers do now and then by themselves, and what this test asks.
      for (const command of ["info", "config|resetstat", "ping", "set", "get", "time"]) counts.delete(command);
      costs.push(counts);
    }
    const [few = new Map(), many = new Map()] = costs;
    // Heartbeats come in between; one call more for each of the 20 changes would be 20.
    for (const [command, count] of many) expect(count - (few.get(command) ?? 0), command).toBeLessThan(10);
  });

  test("is read again when a change was missed, and when the list was lost and begun anew", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const { backend: one } = await openBackend(at);
    const { backend: two } = await openBackend(at);
    const admin = redis.client();
    const keys = createKeys(at.prefix);
    await createQueue(one, "a");
    await untilKnown(two, ["a"]);
    // As if the notice of a change had not come.
    await admin.hset(keys.queues, "silent", "1:1");
    await admin.incr(keys.listed);
    await createQueue(one, "b");
    await untilKnown(two, ["a", "b", "silent"]);
    await admin.hdel(keys.queues, "a", "silent");
    await admin.del(keys.listed);
    await createQueue(one, "c");
    await untilKnown(two, ["b", "c"]);
    await untilKnown(one, ["b", "c"]);
  });

  test("is the same on all servers that make and delete the same queues at the same time", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const servers = await Promise.all([openBackend(at), openBackend(at), openBackend(at)]);
    const reasons = new Set<string>();
    await Promise.all(
      servers.map(async ({ backend }, server) => {
        for (let turn = 0; turn < 60; turn++) {
          const name = `q-${(turn * 7 + server) % 5}`;
          const isMade = (turn + server) % 2 === 0;
          const step = isMade ? createQueue(backend, name) : backend.deleteQueue(name, true);
          await step.catch(({ reason }: { reason: string }) => reasons.add(reason));
        }
      }),
    );
    for (const reason of reasons) expect(["QUEUE_EXISTS", "QUEUE_NOT_FOUND"]).toContain(reason);
    const settled = async () => {
      const entries = await redis.client().hgetall(createKeys(at.prefix).queues);
      const listed = Object.keys(entries).sort();
      const known = await Promise.all(servers.map(({ backend }) => namesOf(backend)));
      for (const { backend } of servers) await backend.tick();
      const existing =
        (await servers[0]?.backend.queues(["default", ...Array.from({ length: 5 }, (_, n) => `q-${n}`)])) ?? [];
      const all = [...known, existing.map(({ name }) => name)].map(String);
      return all.every((text) => text === String(listed)) ? true : undefined;
    };
    await eventually(settled, "one list on all servers");
  });

  test("shows a weight that another server changed", async () => {
    const at = { url: redis.url, prefix: newPrefix() };
    const { backend: one } = await openBackend(at);
    const { backend: two } = await openBackend(at);
    await createQueue(one, "mail");
    await one.updateQueue("mail", { weight: 9 });
    expect(await one.queueNames()).toContainEqual({ name: "mail", weight: 9 });
    const heavier = async () => (await two.queueNames()).find(({ weight }) => weight === 9);
    expect(await eventually(heavier, "the new weight")).toEqual({ name: "mail", weight: 9 });
  });
});
