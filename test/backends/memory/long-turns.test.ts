import { describe, expect, test } from "vitest";
import type { ChangeBatch } from "../../../src/core/port/changes.js";
import type { Lease } from "../../../src/core/port/leases.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { openWith } from "../contract/harness.js";
import { memoryHarness } from "../contract/memory-harness.js";
import { add, done, lease, leaseOne } from "../contract/support.js";

const open = openWith(memoryHarness);

/** Most jobs that one operation may touch. */
const MOST = 1000;

const MAIL = { queue: "mail" };

async function openMail() {
  const opened = await open();
  const { backend, heard } = opened;
  await backend.createQueue("mail", DEFAULT_QUEUE_SETTINGS);
  const fill = async (count: number, given = {}) => {
    for (let left = count; left > 0; left -= 500) {
      await add(backend, ...Array.from({ length: Math.min(left, 500) }, () => ({ ...MAIL, ...given })));
    }
  };
  /** Sizes of what the listener was told from now on, by operation. */
  const batches: number[] = [];
  const listen = () => {
    const changes = heard.changes.bind(heard);
    heard.changes = (batch: ChangeBatch) => {
      batches.push(batch.changes.length);
      changes(batch);
    };
  };
  return { ...opened, fill, batches, listen };
}

describe("no operation of the memory backend takes long", () => {
  test("a deleted queue is gone at once, and ticks forget its jobs in parts", async () => {
    const { backend, heard, fill, batches, listen } = await openMail();
    await fill(3500);
    const held = await lease(backend, { queues: ["mail"], max: 3 });
    heard.clear();
    listen();
    await backend.deleteQueue("mail", true);
    expect(await backend.queues(["mail"])).toEqual([]);
    expect(heard.queuesHeard).toBe(1);
    expect(heard.dueHeard).toContain(0);
    // Those that somebody runs are told first.
    const first = heard.changesHeard.slice(0, 3).map(({ jobId }) => jobId);
    expect(first.sort()).toEqual(held.map(({ job }) => job.id).sort());
    let ticks = 0;
    for (; (await backend.tick()).nextInMs === 0; ticks++) expect(ticks).toBeLessThan(10);
    expect(ticks).toBeGreaterThan(1);
    expect(Math.max(...batches)).toBeLessThanOrEqual(MOST);
    const changes = heard.changesHeard;
    expect(changes.every(({ deleted, queue }) => deleted && queue === "mail")).toBe(true);
    expect(new Set(changes.map(({ jobId }) => jobId)).size).toBe(3500);
    expect(changes).toHaveLength(3500);
  });

  test("a queue that is created again meanwhile has nothing of the old one", async () => {
    const { backend, heard, fill, advance } = await openMail();
    await fill(3000, { requestId: undefined });
    const [old] = await backend.enqueue([newJob({ ...MAIL, requestId: "once", digest: "d" })]);
    const held = await leaseOne(backend, { queues: ["mail"] });
    await backend.deleteQueue("mail", true);
    const queue = await backend.createQueue("mail", { ...DEFAULT_QUEUE_SETTINGS, maxConcurrency: 1 });
    expect(queue.stats).toMatchObject({ ready: 0, scheduled: 0, running: 0, dead: 0, done: 0 });
    const [fresh] = await backend.enqueue([newJob({ ...MAIL, requestId: "once", digest: "d" })]);
    expect(fresh?.deduplicated).toBe(false);
    expect(fresh?.id).not.toBe(old?.id);
    expect(await backend.get([held.job.id])).toEqual([undefined]);
    expect(await backend.complete([done(held)])).toEqual([{ outcome: "LEASE_LOST" }]);
    heard.clear();
    // The lease of the old job runs out before the job was forgotten, and after.
    await advance(60_000);
    const lost = [];
    for (let tick = await backend.tick(); ; tick = await backend.tick()) {
      lost.push(...tick.lost);
      if (tick.nextInMs !== 0) break;
    }
    expect(lost).toEqual([]);
    expect(heard.changesHeard.filter(({ deleted }) => !deleted)).toEqual([]);
    expect(heard.changesHeard.some(({ jobId }) => jobId === fresh?.id)).toBe(false);
    const [after] = await backend.queues(["mail"]);
    expect(after?.stats).toMatchObject({ ready: 1, running: 0 });
    const listed = await backend.list({ queue: "mail", limit: 10 });
    expect(listed.jobs.map(({ id }) => id)).toEqual([fresh?.id]);
  });

  test("jobs that are due at one moment become ready in parts, all of them", async () => {
    const { backend, fill, advance, now } = await openMail();
    await fill(3500, { runAfter: (await now()) + 1000 });
    await advance(1000);
    await leaseOne(backend, { queues: ["mail"] });
    const ready = async () => (await backend.queues(["mail"]))[0]?.stats.ready ?? 0;
    // The lease made some ready, and so does each reading of the figures.
    const first = await ready();
    expect(first).toBeLessThanOrEqual(2 * MOST);
    for (let ticks = 0; (await backend.tick()).nextInMs === 0; ticks++) expect(ticks).toBeLessThan(10);
    expect(await ready()).toBe(3499);
  });

  test("leases that were extended and come up together are put back in parts", async () => {
    const { backend, fill, advance } = await openMail();
    await fill(2500);
    const held = [];
    for (let left = 3; left > 0; left--) held.push(...(await lease(backend, { queues: ["mail"], leaseMs: 1000 })));
    await backend.extend(held.map(({ job, token }) => ({ jobId: job.id, token, leaseMs: 60_000 })));
    await advance(2000);
    expect(await backend.tick()).toEqual({ lost: [], expired: [], schedules: [], nextInMs: 0 });
    expect(await backend.tick()).toEqual({ lost: [], expired: [], schedules: [], nextInMs: 0 });
    expect((await backend.tick()).nextInMs).toBeGreaterThan(0);
    expect((await backend.queues(["mail"]))[0]?.stats.running).toBe(2500);
  });

  test("a listing passes over a bounded number of jobs that are gone, and goes on behind them", async () => {
    const { backend, fill } = await openMail();
    await fill(51_000);
    await backend.purge("mail", 25_000);
    const query = { queue: "mail", order: "OLDEST" as const, limit: 10 };
    const first = await backend.list(query);
    expect(first).toMatchObject({ jobs: [], next: expect.any(String) });
    const second = await backend.list({ ...query, after: first.next });
    expect(second.jobs).toHaveLength(10);
    const next = await leaseOne(backend, { queues: ["mail"] });
    expect(second.jobs[0]?.id).toBe(next.job.id);
  });

  test("a key with jobs of very many types is held back, and comes back, in parts", async () => {
    const { backend, heard } = await openMail();
    const many = 12_000;
    await backend.updateQueue("mail", { maxConcurrencyPerKey: 1 });
    const take = (...types: string[]) => lease(backend, { queues: ["mail"], types, max: 10 });
    const stats = async () => (await backend.queues(["mail"]))[0]?.stats;
    await add(backend, { ...MAIL, type: "first", key: "tenant" });
    const [first] = await take("first");
    for (let at = 0; at < many; at += 500) {
      await add(backend, ...Array.from({ length: 500 }, (_, n) => ({ ...MAIL, type: `t${at + n}`, key: "tenant" })));
    }
    expect(await stats()).toMatchObject({ ready: 0, limited: many });
    heard.clear();
    await backend.complete([done(first as Lease)]);
    expect((await stats())?.ready).toBeLessThan(many / 2);
    expect(heard.dueHeard).toContain(0);
    for (let ticks = 0; (await backend.tick()).nextInMs === 0; ticks++) expect(ticks).toBeLessThan(20);
    expect(await stats()).toMatchObject({ ready: many, limited: 0 });
    for (const type of ["t0", "t11999"]) {
      const held = await take(type);
      expect(held.map(({ job }) => job.type)).toEqual([type]);
      expect(await take("t1", "t5000", "t11998")).toEqual([]);
      await backend.complete(held.map((each) => done(each)));
    }
    while ((await backend.tick()).nextInMs === 0);
    const [last] = await take("t1", "t5000", "t11998");
    expect(last?.job.type).toBe("t1");
  });
});
