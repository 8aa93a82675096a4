import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import { startRedis } from "../../support/redis.js";
import { add, createQueue, done, fatal, lease, ref, tickAll } from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";

/** Longest that a script may keep everybody else waiting, ms. */
const LONGEST_MS = 20;

const WAITING = 20_000;
const BATCH = 1000;

async function addMany(backend: Backend, count: number, given: Parameters<typeof add>[1] = {}): Promise<void> {
  const payload = JSON.stringify({ text: "x".repeat(89) });
  for (let made = 0; made < count; made += BATCH) {
    const jobs = Array.from({ length: BATCH }, (_, n) => ({ payload, priority: n % 11, ...given }));
    await add(backend, ...jobs);
  }
}

/** Uses everything that takes many jobs at once, in the largest batches. */
async function useAll(backend: Backend): Promise<void> {
  await addMany(backend, WAITING / 2);
  await addMany(backend, BATCH, { delayMs: 1, type: "delayed" });
  await tickAll(backend);
  await lease(backend, { types: ["delayed"] });
  for (let turn = 0; turn < 4; turn++) {
    const leases = await lease(backend);
    expect(leases).toHaveLength(BATCH);
    await backend.extend(
      leases.map((each) => ({ ...ref(each), leaseMs: 60_000, progress: { percent: 1, message: "m" } })),
    );
    if (turn === 0) await backend.release(leases.map(ref));
    else if (turn === 1) await backend.fail(leases.map((each) => fatal(each)));
    else await backend.complete(leases.map((each) => done(each, '"result"')));
  }
  const dead = await backend.listDead({ queue: "default", limit: BATCH, order: "NEWEST" });
  expect(dead.jobs).toHaveLength(BATCH);
  await backend.replay(dead.jobs.map(({ id }) => id));
  for (const statuses of [[], ["DONE" as const], ["DEAD" as const]]) {
    await backend.list({ queue: "default", statuses, limit: BATCH });
  }
  const finished = await backend.list({ queue: "default", statuses: ["DONE"], limit: BATCH });
  await backend.remove(
    finished.jobs.map(({ id }) => id),
    ["DONE"],
  );
  await backend.get(finished.jobs.map(({ id }) => id));
  await backend.purge("default", 5000);
  await lease(backend, { leaseMs: 1 });
  await tickAll(backend);
  await createQueue(backend, "many");
  await addMany(backend, 5 * BATCH, { queue: "many" });
  await backend.deleteQueue("many", true);
  await backend.queues();
}

describe("scripts on many jobs", () => {
  // A script that the machine interrupts takes long too, now and then; one that does too much does so each time.
  test(`none keeps Redis for more than ${LONGEST_MS} ms`, { retry: 4 }, async () => {
    const redis = await startRedis();
    const { backend } = await openBackend({ url: redis.url, prefix: newPrefix() });
    for (let turn = 0; turn < 2; turn++) await useAll(backend);
    const times = new Map<string, number[]>();
    for (const { ms, command } of await redis.slowlog(1)) {
      const [name = "", script = ""] = command;
      if (!/^eval/i.test(name)) continue;
      // Redis cuts long texts in its log: the first call of a script is told apart by its name only.
      const key = /^evalsha$/i.test(name) ? script : "first calls";
      times.set(key, [...(times.get(key) ?? []), ms]);
    }
    expect(times.size).toBeGreaterThan(5);
    for (const [script, all] of times) {
      if (all.length < 3) continue;
      const middle = all.toSorted((a, b) => a - b)[Math.floor((all.length - 1) / 2)];
      expect(middle, `calls of ${script} in ms: ${all}`).toBeLessThan(LONGEST_MS);
    }
  });
});
