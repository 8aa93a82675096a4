import { describe, expect, test } from "vitest";
import type { Open } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  failed,
  lease,
  leasedIds,
  leaseOne,
  passTime,
  readAll,
  ref,
  statsOf,
  tickAll,
} from "./support.js";

const SLOW = { backoff: { baseDelayMs: 60_000, maxDelayMs: 60_000 }, maxRetries: 5 };

/** What PENDING jobs wait for. */
export function describePendingStates(open: Open): void {
  describe("the figures of what jobs wait for", () => {
    test("tell those apart that are ready, scheduled, and wait out a backoff", async () => {
      const opened = await open();
      const { backend } = opened;
      await add(backend, { type: "a", ...SLOW }, { type: "b" }, { type: "c" });
      await add(backend, { delayMs: 120_000 }, { runAfter: (await opened.now()) + 120_000 });
      await backend.fail([failed(await leaseOne(backend, { types: ["a"] }))]);
      const told = { ...failed(await leaseOne(backend, { types: ["b"] })), retry: { afterMs: 120_000 } };
      await backend.fail([told]);
      await backend.release([{ ...ref(await leaseOne(backend, { types: ["c"] })), delayMs: 120_000 }]);
      await addOne(backend);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 3, retrying: 2, limited: 0, running: 0 });
      await passTime(opened, 60_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 2, scheduled: 3, retrying: 1, limited: 0 });
      await passTime(opened, 61_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 6, scheduled: 0, retrying: 0, limited: 0 });
    });

    test("count a retry that is due at once as ready, and one that is dead not at all", async () => {
      const { backend } = await open();
      await add(backend, {}, { maxRetries: 0 });
      const [first, second] = await lease(backend);
      if (!first || !second) throw new Error("no leases");
      await backend.fail([{ ...failed(first), retry: { afterMs: 0 } }, failed(second)]);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, retrying: 0, dead: 1 });
    });

    test("count a retrying job no more once it is run, cancelled, purged or deleted with its queue", async () => {
      const { backend } = await open();
      await createQueue(backend, "gone");
      const ids = await add(backend, SLOW, SLOW, SLOW);
      await addOne(backend, { queue: "gone", ...SLOW });
      await backend.fail(
        [...(await lease(backend)), ...(await lease(backend, { queues: ["gone"] }))].map((l) => failed(l)),
      );
      expect([(await statsOf(backend)).retrying, (await statsOf(backend, "gone")).retrying]).toEqual([3, 1]);
      await backend.run(ids[0] ?? "");
      await backend.cancel(ids[1] ?? "");
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0, retrying: 1 });
      expect(await leasedIds(backend)).toEqual([ids[0]]);
      expect(await backend.purge("default")).toBe(1);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, retrying: 0 });
      const cursor = await backend.head();
      await backend.deleteQueue("gone", true);
      await tickAll(backend);
      expect((await readAll(backend, cursor)).changes).toMatchObject([{ queue: "gone", deleted: true }]);
      await createQueue(backend, "gone");
      expect(await statsOf(backend, "gone")).toMatchObject({ ready: 0, retrying: 0 });
    });

    test("count a retrying job as such though it is changed, and as scheduled once it is given another time", async () => {
      const { backend } = await open();
      const ids = await add(backend, SLOW, SLOW);
      await backend.fail((await lease(backend)).map((leased) => failed(leased)));
      for (const id of ids) await backend.update(id, { priority: 9, payload: "[1]" });
      expect(await statsOf(backend)).toMatchObject({ scheduled: 0, retrying: 2 });
      await backend.update(ids[0] ?? "", { delayMs: 60_000 });
      expect(await statsOf(backend)).toMatchObject({ scheduled: 1, retrying: 1 });
      await backend.update(ids[1] ?? "", { delayMs: 0 });
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 1, retrying: 0 });
      expect(await leasedIds(backend)).toEqual([ids[1]]);
    });

    test("have a backoff last as long as was said, whatever the wall clock does", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, SLOW);
      await backend.fail([failed(await leaseOne(backend))]);
      await opened.stepWall(86_400_000);
      await passTime(opened, 59_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, retrying: 1 });
      await opened.stepWall(-2 * 86_400_000);
      await passTime(opened, 1000);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, retrying: 0 });
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("tell what is due and held back, as the queue runs as many as it may, from what is ready", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "narrow", { maxConcurrency: 2 });
      const queue = "narrow";
      await add(backend, { queue }, { queue }, { queue }, { queue }, { queue, delayMs: 60_000 });
      const figures = { running: 0, ready: 4, limited: 0, scheduled: 1, retrying: 0 };
      expect(await statsOf(backend, queue)).toMatchObject(figures);
      const [first, second] = await lease(backend, { queues: [queue], leaseMs: 3_600_000 });
      if (!first || !second) throw new Error("no leases");
      expect(await statsOf(backend, queue)).toMatchObject({ ...figures, running: 2, ready: 0, limited: 2 });
      await backend.complete([{ ...ref(first), result: undefined }]);
      expect(await statsOf(backend, queue)).toMatchObject({ ...figures, running: 1, ready: 2 });
      await leaseOne(backend, { queues: [queue], leaseMs: 3_600_000 });
      await passTime(opened, 60_000);
      expect(await statsOf(backend, queue)).toMatchObject({ running: 2, ready: 0, limited: 2, scheduled: 0 });
      await backend.setPaused(queue, true);
      expect(await statsOf(backend, queue)).toMatchObject({ ready: 0, limited: 2 });
      await backend.updateQueue(queue, { maxConcurrency: 3 });
      expect(await statsOf(backend, queue)).toMatchObject({ ready: 2, limited: 0 });
    });
  });
}
