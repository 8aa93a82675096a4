import { describe, expect, test } from "vitest";
import type { Lease } from "../../../src/core/port/leases.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  done,
  expectAbout,
  failed,
  jobOf,
  LEASE_MS,
  lease,
  leasedIds,
  leaseOne,
  passTime,
  ref,
  statsOf,
} from "./support.js";

/** Leasing jobs: what a lease contains, limits, paused and unknown queues. */
export function describeLeasing(open: Open): void {
  describe("lease", () => {
    test("a leased job is RUNNING and says who runs it, since when, and which delivery it is", async () => {
      const opened = await open();
      const { backend, advance } = opened;
      const id = await addOne(backend, { payload: '{"n":1}', metadata: { k: "v" } });
      const before = await jobOf(backend, id);
      await advance(1000);
      const { job, token, expiresInMs } = await leaseOne(backend, { leaseMs: 7000, worker: "node-3/w" });
      expectAbout(job.startedAt, before.createdAt + 1000, opened);
      expect(job).toEqual({
        ...before,
        status: "RUNNING",
        pendingState: undefined,
        revision: 2,
        deliveries: 1,
        worker: "node-3/w",
        startedAt: job.startedAt,
        updatedAt: job.startedAt,
      });
      expect(token).not.toBe("");
      expect(expiresInMs).toBe(7000);
      expect(await jobOf(backend, id)).toEqual(job);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, running: 1, oldestReadyAgeMs: undefined });
    });

    test("never more than asked for, and nothing when nothing is ready or nothing is asked for", async () => {
      const { backend } = await open();
      expect(await lease(backend)).toEqual([]);
      await add(backend, {}, {}, {});
      expect(await lease(backend, { types: [] })).toEqual([]);
      expect(await lease(backend, { queues: [] })).toEqual([]);
      expect(await lease(backend, { types: ["other"] })).toEqual([]);
      expect(await lease(backend, { max: 2 })).toHaveLength(2);
      expect(await lease(backend, { max: 2 })).toHaveLength(1);
      expect(await lease(backend, { max: 2 })).toEqual([]);
    });

    test("callers at the same time never get the same job", async () => {
      const { backend } = await open();
      const ids = await add(backend, ...Array.from({ length: 50 }, () => ({})));
      const leases = (await Promise.all(Array.from({ length: 12 }, () => lease(backend, { max: 5 })))).flat();
      expect(leases.map(({ job }) => job.id).toSorted()).toEqual(ids.toSorted());
      expect(new Set(leases.map(({ token }) => token)).size).toBe(50);
    });

    test("every delivery has its own token and counts", async () => {
      const { backend } = await open();
      await addOne(backend);
      const tokens = new Set<string>();
      for (let delivery = 1; delivery <= 4; delivery++) {
        const leased = await leaseOne(backend, { worker: `w${delivery}` });
        expect(leased.job).toMatchObject({
          deliveries: delivery,
          retryCount: 0,
          lostLeases: 0,
          worker: `w${delivery}`,
        });
        tokens.add(leased.token);
        await backend.release([ref(leased)]);
      }
      expect(tokens.size).toBe(4);
    });

    test("tells which queues have no more jobs of these types for now", async () => {
      const { backend } = await open();
      await createQueue(backend, "limited", { maxConcurrency: 1 });
      await createQueue(backend, "paused");
      await backend.setPaused("paused", true);
      await add(backend, {}, {}, { queue: "limited" }, { queue: "limited" }, { queue: "paused" }, { type: "other" });
      const told: string[] = [];
      const emptied = (queue: string) => void told.push(queue);
      expect(await lease(backend, { queues: ["default"], max: 1, emptied })).toHaveLength(1);
      expect(told).toEqual([]);
      const rest = await lease(backend, { queues: ["default", "limited", "paused"], emptied });
      expect(rest).toHaveLength(2);
      expect(told).toEqual(["default", "limited", "paused"]);
    });

    test("a type or a queue that is named twice gives nothing twice", async () => {
      const { backend } = await open();
      const ids = await add(backend, {}, {});
      expect(await leasedIds(backend, { queues: ["default", "default"], types: ["echo", "echo"] })).toEqual(ids);
    });

    test("unknown queues are passed over", async () => {
      const { backend } = await open();
      const ids = await add(backend, {});
      expect(await leasedIds(backend, { queues: ["nowhere", "default", "elsewhere"] })).toEqual(ids);
      expect(await leasedIds(backend, { queues: ["nowhere"] })).toEqual([]);
    });

    test("a paused queue gives none until it is resumed; the others do, and its running jobs go on", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const [first, second] = await add(backend, {}, {});
      const other = await addOne(backend, { queue: "other" });
      const running = await leaseOne(backend);
      expect(running.job.id).toBe(first);
      await backend.setPaused("default", true);
      expect(await leasedIds(backend, { queues: ["default", "other"] })).toEqual([other]);
      expect(await leasedIds(backend)).toEqual([]);
      expect(await backend.complete([done(running)])).toMatchObject([{ outcome: "APPLIED" }]);
      await backend.setPaused("default", false);
      expect(await leasedIds(backend)).toEqual([second]);
    });
  });

  describe("max_concurrency", () => {
    /** Creates a queue with this limit and a backlog, and leases as many jobs as the limit allows. */
    async function limited({ backend }: OpenedBackend, maxConcurrency: number): Promise<readonly Lease[]> {
      await createQueue(backend, "limited", { maxConcurrency });
      await add(backend, ...Array.from({ length: 10 }, () => ({ queue: "limited" })));
      return lease(backend, { queues: ["limited"] });
    }

    const count = async ({ backend }: OpenedBackend) => (await lease(backend, { queues: ["limited"] })).length;

    test("bounds what runs at once, within one call and over several, and not other queues", async () => {
      const opened = await open();
      expect(await limited(opened, 3)).toHaveLength(3);
      expect(await count(opened)).toBe(0);
      const id = await addOne(opened.backend);
      expect(await leasedIds(opened.backend, { queues: ["limited", "default"] })).toEqual([id]);
    });

    test("callers at the same time do not get over it", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "limited", { maxConcurrency: 4 });
      await add(backend, ...Array.from({ length: 20 }, () => ({ queue: "limited" })));
      const leases = await Promise.all(
        Array.from({ length: 10 }, () => lease(backend, { queues: ["limited"], max: 3 })),
      );
      expect(leases.flat()).toHaveLength(4);
    });

    test("each way for a job to end frees a place", async () => {
      const opened = await open();
      const { backend } = opened;
      const [first, second, third, fourth] = await limited(opened, 5);
      if (!first || !second || !third || !fourth) throw new Error("no leases");
      await backend.complete([done(first)]);
      expect(await count(opened)).toBe(1);
      await backend.fail([failed(second)]);
      expect(await count(opened)).toBe(1);
      await backend.release([ref(third)]);
      expect(await count(opened)).toBe(1);
      await backend.cancel(fourth.job.id);
      expect(await count(opened)).toBe(0);
      await backend.release([ref(fourth)]);
      expect(await count(opened)).toBe(1);
      await passTime(opened, LEASE_MS);
      expect(await count(opened)).toBe(5);
    });

    test("a raised limit counts at once, a lowered one ends no lease", async () => {
      const opened = await open();
      const { backend } = opened;
      const leases = await limited(opened, 2);
      await backend.updateQueue("limited", { maxConcurrency: 3 });
      expect(await count(opened)).toBe(1);
      await backend.updateQueue("limited", { maxConcurrency: 1 });
      expect(await statsOf(backend, "limited")).toMatchObject({ running: 3 });
      await backend.complete(leases.map((given) => done(given)));
      expect(await count(opened)).toBe(0);
      await backend.updateQueue("limited", { maxConcurrency: 0 });
      expect(await count(opened)).toBe(7);
    });
  });
}
