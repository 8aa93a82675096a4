import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { QueueOrdering, ReadyKey } from "../../../src/model/queue/queue.js";
import { newJob } from "../../support/job.js";
import { runs } from "../../support/runs.js";
import type { BackendHarness, Open } from "./harness.js";
import { naiveOrder } from "./naive-order.js";
import {
  add,
  addOne,
  createQueue,
  expectAbout,
  jobOf,
  LEASE_MS,
  lease,
  leasedIds,
  leaseOne,
  passTime,
  ref,
  statsOf,
} from "./support.js";

/** A time at which all jobs are ready, ms since 1970. */
const PAST = 1_700_000_000_000;

const ORDERINGS: readonly QueueOrdering[] = ["PRIORITY", "RUN_AFTER"];

/** The order in which ready jobs are leased. */
export function describeOrdering(open: Open, harness: BackendHarness): void {
  describe("the order of ready jobs", () => {
    test("PRIORITY: highest priority, then earliest start time, creation, id", async () => {
      const { backend, advance } = await open();
      const [late, early] = await add(
        backend,
        { priority: 5, runAfter: PAST + 1 },
        { priority: 5, runAfter: PAST, id: "900000000000000002" },
      );
      await advance(1000);
      const [sameTime, sameAll, low, high] = await add(
        backend,
        { priority: 5, runAfter: PAST, id: "900000000000000001" },
        { priority: 5, runAfter: PAST, id: "900000000000000003" },
        { priority: 0, runAfter: PAST - 1000 },
        { priority: 10 },
      );
      expect(await leasedIds(backend)).toEqual([high, early, sameTime, sameAll, late, low]);
    });

    test("RUN_AFTER: earliest start time, then highest priority, creation, id", async () => {
      const { backend, advance } = await open();
      await backend.updateQueue("default", { ordering: "RUN_AFTER" });
      const [late, early] = await add(
        backend,
        { priority: 10, runAfter: PAST + 1 },
        { priority: 5, runAfter: PAST, id: "900000000000000002" },
      );
      await advance(1000);
      const [sameTime, sameAll, earliest, high] = await add(
        backend,
        { priority: 5, runAfter: PAST, id: "900000000000000001" },
        { priority: 5, runAfter: PAST, id: "900000000000000003" },
        { priority: 0, runAfter: PAST - 1000 },
        { priority: 6, runAfter: PAST },
      );
      expect(await leasedIds(backend)).toEqual([earliest, high, early, sameTime, sameAll, late]);
    });

    test.each(ORDERINGS)("%s: ids are compared as numbers, whatever their length", async (ordering) => {
      const { backend } = await open();
      await backend.updateQueue("default", { ordering });
      const inOrder = ["7", "99999999999999999", "100000000000000000", "1000000000000000000"];
      await add(backend, ...inOrder.toReversed().map((id) => ({ id, runAfter: PAST })));
      expect(await leasedIds(backend)).toEqual(inOrder);
    });

    test.each(ORDERINGS)("%s: start times long ago and at odd milliseconds keep their order", async (ordering) => {
      const { backend } = await open();
      await backend.updateQueue("default", { ordering });
      const times = [-62_000_000_000_000, -1, 0, 1, 999, 1000, PAST, PAST + 1, PAST + 2];
      const ids = await add(backend, ...times.map((runAfter) => ({ runAfter })).toReversed());
      expect(await leasedIds(backend)).toEqual(ids.toReversed());
    });

    test("a late job of priority 9 overtakes a backlog of priority 0 under PRIORITY, not under RUN_AFTER", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "fifo", { ordering: "RUN_AFTER" });
      const backlog = Array.from({ length: 50 }, () => ({}));
      const first = await add(backend, ...backlog);
      const fifo = await add(backend, ...backlog.map(() => ({ queue: "fifo" })));
      await opened.advance(1000);
      const urgent = await addOne(backend, { priority: 9 });
      const waits = await addOne(backend, { priority: 9, queue: "fifo" });
      expect((await leaseOne(backend)).job.id).toBe(urgent);
      expect(await leasedIds(backend)).toEqual(first);
      expect(await leasedIds(backend, { queues: ["fifo"] })).toEqual([...fifo, waits]);
    });

    test.each(ORDERINGS)("%s: the best among the asked types wins, others are not given", async (ordering) => {
      const { backend } = await open();
      await backend.updateQueue("default", { ordering });
      const types = ["a", "b", "c"];
      const jobs = Array.from({ length: 12 }, (_, at) => ({
        type: types[at % 3],
        priority: ordering === "PRIORITY" ? 10 - Math.floor(at / 2) : 0,
        runAfter: PAST + at,
      }));
      const ids = await add(backend, ...jobs);
      const ofTypes = (...wanted: string[]) => ids.filter((_, at) => wanted.includes(jobs[at]?.type ?? ""));
      expect(await leasedIds(backend, { types: ["none"] })).toEqual([]);
      expect(await leasedIds(backend, { types: ["c", "a"] })).toEqual(ofTypes("a", "c"));
      expect(await leasedIds(backend, { types: ["a", "b", "c"] })).toEqual(ofTypes("b"));
    });

    test("a job of another type that blocks the line is never waited for", async () => {
      const { backend } = await open();
      await add(backend, ...Array.from({ length: 300 }, () => ({ type: "blocked", priority: 10 })));
      const id = await addOne(backend, { type: "free" });
      expect((await leaseOne(backend, { types: ["free"] })).job.id).toBe(id);
    });

    test("a delayed job becomes ready exactly at its time", async () => {
      const opened = await open();
      const { backend, slackMs } = opened;
      const id = await addOne(backend, { delayMs: 60_000, priority: 10 });
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 59_999 - slackMs);
      expect(await leasedIds(backend)).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 1 });
      await passTime(opened, 1 + slackMs);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0 });
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test.each(ORDERINGS)(
      "%s: a delayed job stands where its start time puts it, once it is ready",
      async (ordering) => {
        const opened = await open();
        const { backend, advance } = opened;
        await backend.updateQueue("default", { ordering });
        const [first, delayed] = await add(backend, {}, { delayMs: 1000 });
        await advance(2000);
        const last = await addOne(backend);
        await passTime(opened, 0);
        expect(await leasedIds(backend)).toEqual([first, delayed, last]);
      },
    );

    test("queues give in the order of the request, the first as many as it has", async () => {
      const { backend } = await open();
      await createQueue(backend, "second");
      await createQueue(backend, "third");
      const mine = await add(backend, {}, {});
      const second = await add(backend, ...[9, 10, 8].map((priority) => ({ queue: "second", priority })));
      const third = await add(backend, { queue: "third", priority: 10 });
      expect(await leasedIds(backend, { queues: ["default", "second", "third"], max: 4 })).toEqual([
        ...mine,
        second[1],
        second[0],
      ]);
      expect(await leasedIds(backend, { queues: ["third", "second"], max: 4 })).toEqual([...third, second[2]]);
    });

    test.each(ORDERINGS)(
      "%s: a released job and one whose lease ran out return to their old places",
      async (ordering) => {
        const opened = await open();
        const { backend } = opened;
        await backend.updateQueue("default", { ordering });
        const ids: string[] = [];
        for (let at = 0; at < 5; at++) {
          ids.push(await addOne(backend));
          await opened.advance(10);
        }
        const leases = await lease(backend, { max: 4 });
        expect(leases.map(({ job }) => job.id)).toEqual(ids.slice(0, 4));
        // The first and the third are released; the leases of the others expire.
        await backend.release([leases[2], leases[0]].flatMap((given) => (given ? [ref(given)] : [])));
        await passTime(opened, LEASE_MS);
        const late = await addOne(backend);
        expect(await leasedIds(backend)).toEqual([...ids, late]);
      },
    );

    test("giving a job back does not move its start time", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { delayMs: 500 });
      const { runAfter } = await jobOf(backend, id);
      await passTime(opened, 1000);
      await backend.release([ref(await leaseOne(backend))]);
      expect((await jobOf(backend, id)).runAfter).toBe(runAfter);
      expectAbout((await statsOf(backend)).oldestReadyAgeMs, 500, opened);
    });

    test.each(ORDERINGS)("%s: any mix of jobs comes out sorted, however many are leased at once", async (ordering) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(arbitraryPlace, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 8 }),
          fc.integer({ min: 1, max: 40 }),
          async (batches, max) => {
            const opened = await harness.open();
            try {
              const { backend } = opened;
              await backend.updateQueue("default", { ordering });
              const jobs: (ReadyKey & { readonly id: string })[] = [];
              for (const batch of batches) {
                const given = batch.map((place) => newJob({ ...place, runAfter: PAST + place.runAfter }));
                const results = await backend.enqueue(given);
                jobs.push(
                  ...results.map((result, at) => ({
                    ...result,
                    priority: batch[at]?.priority ?? 0,
                    number: result.id,
                  })),
                );
                await opened.advance(1);
              }
              const ids: string[] = [];
              for (;;) {
                const leases = await backend.lease({
                  queues: ["default"],
                  types: TYPES,
                  max,
                  leaseMs: 1000,
                  worker: "",
                });
                ids.push(...leases.map(({ job }) => job.id));
                if (leases.length < max) break;
              }
              expect(ids).toEqual(jobs.toSorted((a, b) => naiveOrder(ordering, a, b)).map(({ id }) => id));
            } finally {
              await opened.close();
            }
          },
        ),
        { numRuns: runs(16) },
      );
    });
  });
}

const TYPES = ["a", "b", "c"];

const arbitraryPlace = fc.record({
  type: fc.constantFrom(...TYPES),
  priority: fc.integer({ min: 0, max: 10 }),
  runAfter: fc.integer({ min: 0, max: 3 }),
});
