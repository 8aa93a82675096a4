import { describe, expect, test } from "vitest";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addOne,
  changesOf,
  done,
  expectAbout,
  expectUntouched,
  failed,
  jobOf,
  LEASE_MS,
  lease,
  leaseOne,
  only,
  passTime,
  readAll,
  ref,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

/** How late the end of a lease may be noticed, ms. */
const LATE_MS = 1000;

/**
 * Does what the maintenance of a server does until `isOver`: calls `tick` when the backend has asked for it and at no
 * other time. Returns how long that took, ms.
 */
async function maintain({ backend, heard, advance, settled }: OpenedBackend, isOver: () => Promise<boolean>) {
  await settled();
  let waitMs = Math.min(...heard.dueHeard);
  for (let elapsed = 0, turn = 0; turn < 1000; turn++) {
    expect(waitMs).toBeLessThan(Number.POSITIVE_INFINITY);
    await advance(waitMs);
    elapsed += waitMs;
    heard.clear();
    const { nextInMs = Number.POSITIVE_INFINITY } = await backend.tick();
    await settled();
    if (await isOver()) return elapsed;
    waitMs = Math.max(0, Math.min(nextInMs, ...heard.dueHeard));
  }
  throw new Error("it never came to an end");
}

/** Leases that nobody extends. */
export function describeLeaseExpiry(open: Open): void {
  describe("a lease that ran out", () => {
    test("gives the job back: no retry used, one lost lease more, same priority and place", async () => {
      const opened = await open();
      const { backend, slackMs } = opened;
      const id = await addOne(backend, { priority: 4, maxRetries: 0 });
      const cursor = await backend.head();
      const before = await leaseOne(backend, { leaseMs: 5000 });
      await passTime(opened, 4999 - slackMs);
      expect(await statuses(backend, [id])).toEqual(["RUNNING"]);
      await opened.advance(1 + slackMs);
      expect(await backend.tick()).toMatchObject({
        lost: [
          { jobId: id, queue: "default", type: "echo", status: "PENDING", deliveries: 1, worker: before.job.worker },
        ],
      });
      expect(before.job.worker).not.toBe("");
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({
        status: "PENDING",
        retryCount: 0,
        lostLeases: 1,
        deliveries: 1,
        priority: 4,
        runAfter: before.job.runAfter,
        revision: 3,
        finishedAt: undefined,
      });
      expect(job.error).toMatch(/lease/);
      expect(job.attemptErrors).toEqual([{ at: job.updatedAt, error: job.error, delivery: 1, worker: "worker-1" }]);
      expect((await changesOf(backend, id, cursor)).map(({ status }) => status)).toEqual(["RUNNING", "PENDING"]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, running: 0 });
      expect((await leaseOne(backend)).job).toMatchObject({ id, deliveries: 2, lostLeases: 1 });
      expect((await backend.tick()).lost).toEqual([]);
    });

    test("a late completion, failure, release or extension answers LEASE_LOST", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await passTime(opened, LEASE_MS);
      await expectUntouched(backend, [id], async () => {
        expect(await backend.complete([done(leased)])).toEqual([{ outcome: "LEASE_LOST" }]);
        expect(await backend.fail([failed(leased)])).toEqual([{ outcome: "LEASE_LOST" }]);
        expect(await backend.release([ref(leased)])).toEqual([{ outcome: "LEASE_LOST" }]);
        expect(await backend.extend([{ ...ref(leased), leaseMs: LEASE_MS }])).toMatchObject([
          { outcome: "LEASE_LOST" },
        ]);
      });
    });

    test.each([50, 1000, 30_000])("is noticed within 1 s when it lasts %i ms", async (leaseMs) => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      await leaseOne(backend, { leaseMs });
      const elapsed = await maintain(opened, async () => (await jobOf(backend, id)).status === "PENDING");
      expect(elapsed).toBeGreaterThanOrEqual(leaseMs - opened.slackMs);
      expect(elapsed).toBeLessThanOrEqual(leaseMs + LATE_MS);
    });

    test.each([12_300, 5200])("is noticed within 1 s after an extension to %i ms, too", async (endMs) => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend, { leaseMs: 5000 });
      await backend.extend([{ ...ref(leased), leaseMs: endMs }]);
      const elapsed = await maintain(opened, async () => (await jobOf(backend, id)).status === "PENDING");
      expect(elapsed).toBeGreaterThanOrEqual(endMs - opened.slackMs);
      expect(elapsed).toBeLessThanOrEqual(endMs + LATE_MS);
    });

    test("leases of different lengths end each at its own time", async () => {
      const opened = await open();
      const { backend } = opened;
      const ids = await add(backend, {}, {}, {}, {});
      for (const leaseMs of [3000, 1000, 4000, 2000]) await leaseOne(backend, { leaseMs });
      const lost = [];
      for (let second = 0; second < 4; second++) {
        await passTime(opened, 1000);
        const now = await statuses(backend, ids);
        lost.push(now.map((status) => (status === "PENDING" ? 1 : 0)).join(""));
      }
      expect(lost).toEqual(["0100", "0101", "1101", "1111"]);
    });

    test("an extension postpones the end, again and again", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend, { leaseMs: 3000 });
      for (let turn = 0; turn < 10; turn++) {
        await passTime(opened, 2000);
        const result = only(await backend.extend([{ ...ref(leased), leaseMs: 3000 }]));
        expect(result.outcome).toBe("OK");
        expect(result.expiresInMs).toBeCloseTo(3000);
      }
      await passTime(opened, 2900);
      expect(await statuses(backend, [id])).toEqual(["RUNNING"]);
      await passTime(opened, 100);
      expect(await statuses(backend, [id])).toEqual(["PENDING"]);
      expect((await jobOf(backend, id)).lostLeases).toBe(1);
    });

    test("an extension never ends the lease sooner", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend, { leaseMs: 10_000 });
      await opened.advance(1000);
      const [result] = await backend.extend([{ ...ref(leased), leaseMs: 500 }]);
      expect(result?.expiresInMs).toBeLessThanOrEqual(9000);
      expect(result?.expiresInMs).toBeGreaterThanOrEqual(9000 - opened.slackMs);
      await passTime(opened, 8900);
      expect(await statuses(backend, [id])).toEqual(["RUNNING"]);
      await passTime(opened, 100);
      expect(await statuses(backend, [id])).toEqual(["PENDING"]);
    });

    test("an extension of no length and without progress tells what is left, and changes nothing", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await opened.advance(LEASE_MS / 2);
      const before = await jobOf(backend, id);
      const cursor = await backend.head();
      const [asked] = await backend.extend([ref(leased)]);
      expect(asked?.outcome).toBe("OK");
      expectAbout(LEASE_MS / 2, asked?.expiresInMs ?? 0, opened);
      await backend.cancel(id);
      expect(await backend.extend([ref(leased), { ...ref(leased), token: "none" }])).toMatchObject([
        { outcome: "CANCEL_REQUESTED" },
        { outcome: "LEASE_LOST", expiresInMs: 0 },
      ]);
      expect(await jobOf(backend, id)).toMatchObject({ revision: before.revision + 1, cancelRequested: true });
      expect((await readAll(backend, cursor)).changes).toHaveLength(1);
      await passTime(opened, LEASE_MS / 2);
      expect(await backend.extend([ref(leased)])).toEqual([{ outcome: "LEASE_LOST", expiresInMs: 0 }]);
    });

    test("a settled or released lease does not run out any more", async () => {
      const opened = await open();
      const { backend } = opened;
      const [first, second] = await add(backend, {}, {});
      if (!first || !second) throw new Error("no jobs");
      const [one, two] = await lease(backend);
      if (!one || !two) throw new Error("no leases");
      await backend.complete([done(one)]);
      await backend.release([ref(two)]);
      await expectUntouched(backend, [first, second], async () => {
        await opened.advance(LEASE_MS);
        expect((await backend.tick()).lost).toEqual([]);
      });
    });

    test("a new lease is not ended by the end of the one before", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      await backend.release([ref(await leaseOne(backend, { leaseMs: 2000 }))]);
      await opened.advance(1000);
      await leaseOne(backend, { leaseMs: 2000 });
      await passTime(opened, 1500);
      expect(await statuses(backend, [id])).toEqual(["RUNNING"]);
      await passTime(opened, 500);
      expect(await statuses(backend, [id])).toEqual(["PENDING"]);
    });

    test("more lost leases than allowed make the job DEAD, with the reason", async () => {
      const opened = await open({ maxLostLeases: 2 });
      const { backend } = opened;
      const id = await addOne(backend);
      const lost = [];
      for (let at = 0; at < 3; at++) {
        await leaseOne(backend);
        await opened.advance(LEASE_MS);
        lost.push(only((await backend.tick()).lost).status);
      }
      expect(lost).toEqual(["PENDING", "PENDING", "DEAD"]);
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({ status: "DEAD", lostLeases: 3, retryCount: 0, deliveries: 3 });
      expect(job.error).toMatch(/poison/);
      expect(job.finishedAt).toBe(job.updatedAt);
      expect(job.attemptErrors).toHaveLength(3);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 0, dead: 1 });
      const dead = await backend.listDead({ queue: "default", limit: 10, order: "NEWEST" });
      expect(dead.jobs.map((each) => each.id)).toEqual([id]);
    });

    test("one whose worker is gone is given back as lost: it counts like one that ran out", async () => {
      const opened = await open({ maxLostLeases: 1 });
      const { backend } = opened;
      const id = await addOne(backend, { maxRetries: 0 });
      const first = await leaseOne(backend);
      const given = { ...ref(first), isLost: true };
      expect(only(await backend.release([given]))).toMatchObject({
        outcome: "APPLIED",
        applied: { status: "PENDING" },
      });
      expect(only(await backend.release([given]))).toEqual({ outcome: "ALREADY_APPLIED" });
      expect(await jobOf(backend, id)).toMatchObject({ status: "PENDING", lostLeases: 1, retryCount: 0 });
      await backend.release([{ ...ref(await leaseOne(backend)), isLost: false }]);
      expect((await jobOf(backend, id)).lostLeases).toBe(1);
      const last = { ...ref(await leaseOne(backend)), isLost: true };
      expect(only(await backend.release([last]))).toMatchObject({ outcome: "APPLIED", applied: { status: "DEAD" } });
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({ status: "DEAD", lostLeases: 2, retryCount: 0, deliveries: 3 });
      expect(job.error).toMatch(/poison/);
      expect(job.attemptErrors).toHaveLength(2);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 0, dead: 1 });
    });

    test("one given back as lost whose cancel was asked for is CANCELED", async () => {
      const { backend } = await open({ maxLostLeases: 0 });
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      const settled = await backend.release([{ ...ref(leased), isLost: true }]);
      expect(only(settled)).toMatchObject({ outcome: "CANCELED", applied: { status: "CANCELED" } });
      expect((await jobOf(backend, id)).status).toBe("CANCELED");
    });

    test("with no lost lease allowed the first one is the last", async () => {
      const opened = await open({ maxLostLeases: 0 });
      const id = await addOne(opened.backend);
      await leaseOne(opened.backend);
      await passTime(opened, LEASE_MS);
      expect(await statuses(opened.backend, [id])).toEqual(["DEAD"]);
    });

    test("ends a cancel that was asked for: the job is CANCELED, poison or not", async () => {
      const opened = await open({ maxLostLeases: 0 });
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      await opened.advance(LEASE_MS);
      expect((await backend.tick()).lost).toEqual([
        {
          ...{ jobId: id, queue: "default", type: "echo", status: "CANCELED" },
          ...{ deliveries: 1, worker: leased.job.worker },
        },
      ]);
      const job = await jobOf(backend, id);
      expect(job.status).toBe("CANCELED");
      expect(job.finishedAt).toBe(job.updatedAt);
      expect(await backend.complete([done(leased)])).toEqual([{ outcome: "CANCELED" }]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 0, dead: 0, done: 0 });
    });

    test("very many at once are dealt with in bounded steps, none forgotten", async () => {
      const opened = await open();
      const { backend } = opened;
      for (let batch = 0; batch < 3; batch++) {
        await add(backend, ...Array.from({ length: 1000 }, () => ({})));
        expect(await lease(backend)).toHaveLength(1000);
      }
      await opened.advance(LEASE_MS);
      const results = await tickAll(backend);
      expect(results.flatMap(({ lost }) => lost)).toHaveLength(3000);
      expect(await statsOf(backend)).toMatchObject({ ready: 3000, running: 0 });
    });
  });
}
