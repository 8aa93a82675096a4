import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import { newJob } from "../../support/job.js";
import { startRedis } from "../../support/redis.js";
import { newSchedule } from "../../support/schedule.js";
import { add, done, leaseOne } from "../contract/support.js";
import { newPrefix, openBackend } from "./support/open.js";

const MIB = 1024 * 1024;
const RESULT = "1".repeat(500_000);

/** A backend on a Redis of its own that has so much memory left. */
async function open(room: number, waiting: number) {
  const redis = await startRedis();
  const admin = redis.client();
  const { backend } = await openBackend({ url: redis.url, prefix: newPrefix() });
  const ids = await add(backend, ...Array.from({ length: waiting }, () => ({})));
  const used = async () => Number(/^used_memory:(\d+)/m.exec(await admin.info("memory"))?.[1]);
  const limit = (await used()) + room;
  await admin.config("SET", "maxmemory", limit);
  return { backend, ids, used, limit };
}

async function completeNext(backend: Backend, result: string) {
  const lease = await leaseOne(backend);
  expect(await backend.complete([done(lease, result)])).toMatchObject([{ outcome: "APPLIED" }]);
  return (await backend.get([lease.job.id]))[0];
}

describe("when the memory of Redis is full", () => {
  test("completions go on, and the oldest finished jobs go for the new results", async () => {
    const { backend, ids, used, limit } = await open(12 * MIB, 60);
    for (const id of ids) {
      const job = await completeNext(backend, RESULT);
      expect(job).toMatchObject({ id, status: "DONE", result: RESULT, resultDropped: false });
    }
    expect(await used()).toBeLessThan(limit + 4 * MIB);
    const kept = (await backend.get(ids)).flatMap((job) => job?.id ?? []);
    expect(kept.length).toBeGreaterThan(5);
    expect(kept).toEqual(ids.slice(-kept.length));
  });

  test("creates are refused, and a result that has no room is left out, which its job says", async () => {
    const { backend, ids, used, limit } = await open(8 * MIB, 3);
    const payload = new Uint8Array(200_000);
    const fill = async () => {
      for (let count = 0; count < 200; count++) await backend.enqueue([newJob({ type: "never", payload })]);
    };
    await expect(fill()).rejects.toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: 1000 });
    for (const id of ids) {
      const job = await completeNext(backend, RESULT);
      expect(job).toMatchObject({ id, status: "DONE", result: undefined, resultDropped: true });
    }
    expect(await used()).toBeLessThan(limit + MIB);
  });

  test("no schedule is created or gets larger, and one can be paused", async () => {
    const redis = await startRedis();
    const { backend } = await openBackend({ url: redis.url, prefix: newPrefix() });
    const now = await backend.now();
    const first = newSchedule(now, { nextRunAt: now + 60_000 });
    const was = await backend.createSchedule(first);
    await redis.client().config("SET", "maxmemory", 1);
    const full = { reason: "QUEUE_FULL", retryAfterMs: 1000 };
    await expect(backend.createSchedule(newSchedule(now, { name: "other" }))).rejects.toMatchObject(full);
    const spec = { ...first.spec, job: { ...first.spec.job, payload: new Uint8Array(1000) } };
    const larger = { spec, paused: false, nextRunAt: undefined, was };
    await expect(backend.updateSchedule(larger)).rejects.toMatchObject(full);
    expect(await backend.updateSchedule({ ...larger, spec: first.spec, paused: true })).toMatchObject({ paused: true });
  });
});
