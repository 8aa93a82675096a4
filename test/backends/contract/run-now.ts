import { describe, expect, test } from "vitest";
import type { Open } from "./harness.js";
import {
  add,
  addDead,
  addDone,
  addOne,
  changesOf,
  expectAbout,
  expectRefused,
  expectUntouched,
  failed,
  jobOf,
  leasedIds,
  leaseOne,
  passTime,
  ref,
  statsOf,
} from "./support.js";

/** Running waiting jobs before their time. */
export function describeRunNow(open: Open): void {
  describe("run", () => {
    test.each([
      ["a delay", () => ({ delayMs: 60_000 })],
      ["a time of its own", (now: number) => ({ runAfter: now + 60_000 })],
    ])("a job that waits for %s is ready now", async (_name, when) => {
      const opened = await open();
      const { backend, heard } = opened;
      const id = await addOne(backend, when(await opened.now()));
      expect(await leasedIds(backend)).toEqual([]);
      await opened.settled();
      heard.clear();
      const cursor = await backend.head();
      const now = await opened.now();
      const job = await backend.run(id);
      expect(job).toMatchObject({ id, status: "PENDING", revision: 2, deliveries: 0, retryCount: 0 });
      expectAbout(job.runAfter, now, opened);
      expect(await jobOf(backend, id)).toEqual(job);
      expect(await changesOf(backend, id, cursor)).toMatchObject([
        { status: "PENDING", revision: 2, runAfter: job.runAfter },
      ]);
      await heard.heardReady("default");
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 0 });
      expect(await leasedIds(backend)).toEqual([id]);
      // Its old time means nothing any more.
      await passTime(opened, 5000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, running: 1 });
    });

    test("a job that waits for its retry has it now, and may wait again for the next", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { backoff: { baseDelayMs: 60_000, maxDelayMs: 60_000 }, maxRetries: 5 });
      await backend.fail([failed(await leaseOne(backend))]);
      expect(await backend.run(id)).toMatchObject({ status: "PENDING", retryCount: 1, error: "it broke" });
      await backend.fail([failed(await leaseOne(backend))]);
      // The time of the first wait is not that of the second.
      await passTime(opened, 30_000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, retrying: 1 });
      expect(await backend.run(id)).toMatchObject({ retryCount: 2 });
      await backend.fail([failed(await leaseOne(backend))]);
      await passTime(opened, 59_000);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 1000);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("it is ready from then on, behind those that were ready before", async () => {
      const opened = await open();
      const { backend } = opened;
      const [late = "", first = ""] = await add(backend, { delayMs: 60_000 }, {});
      await passTime(opened, 1000);
      await backend.run(late);
      await passTime(opened, 1000);
      const last = await addOne(backend);
      expect(await leasedIds(backend)).toEqual([first, late, last]);
    });

    test("many that are run leave those that wait in their order", async () => {
      const opened = await open();
      const { backend } = opened;
      const runAfter = (await opened.now()) + 10_000;
      const timed = Array.from({ length: 40 }, (_, at) => ({ runAfter: runAfter + ((at * 7) % 40) * 1000 }));
      const ids = await add(backend, ...timed);
      const isRun = (at: number) => at % 3 !== 0;
      for (const [at, id] of ids.entries()) if (isRun(at)) await backend.run(id);
      const waiting = ids.filter((_, at) => !isRun(at));
      expect(await statsOf(backend)).toMatchObject({ ready: ids.length - waiting.length, scheduled: waiting.length });
      const leaseMs = 3_600_000;
      await leasedIds(backend, { leaseMs });
      const order = waiting.toSorted((a, b) => ((ids.indexOf(a) * 7) % 40) - ((ids.indexOf(b) * 7) % 40));
      const seen: string[] = [];
      for (let second = 0; second < 50; second++) {
        await passTime(opened, 1000);
        seen.push(...(await leasedIds(backend, { leaseMs })));
      }
      expect(seen).toEqual(order);
    });

    test("a job that is ready stays as it is, one whose time has come just now too", async () => {
      const opened = await open();
      const { backend } = opened;
      const [ready = "", due = ""] = await add(backend, {}, { delayMs: 1000 });
      await opened.advance(1000);
      await expectUntouched(backend, [ready, due], async () => {
        for (const id of [ready, due]) expect(await backend.run(id)).toEqual(await jobOf(backend, id));
      });
    });

    test("jobs in other states, and unknown ones, are refused", async () => {
      const { backend } = await open();
      const canceled = await addOne(backend);
      await backend.cancel(canceled);
      const running = await addOne(backend);
      await leaseOne(backend);
      const ids = [await addDone(backend), await addDead(backend), canceled, running];
      await expectUntouched(backend, ids, async () => {
        for (const id of ids) await expectRefused(backend.run(id), "JOB_STATE_CONFLICT");
      });
      await expectRefused(backend.run("4711"), "JOB_NOT_FOUND");
    });

    test("it may be cancelled and deleted like any other", async () => {
      const opened = await open();
      const { backend } = opened;
      const [first = "", second = ""] = await add(backend, { delayMs: 9000 }, { delayMs: 9000 });
      await backend.run(first);
      await backend.run(second);
      expect(await backend.cancel(first)).toMatchObject({ status: "CANCELED", revision: 3 });
      expect(await backend.purge("default")).toBe(1);
      await passTime(opened, 9000);
      expect(await leasedIds(backend)).toEqual([]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0 });
    });

    test("and a lease and a cancel at the same time: it runs at most once, and never after its cancel", async () => {
      const { backend } = await open();
      for (let turn = 0; turn < 10; turn++) {
        const id = await addOne(backend, { delayMs: 60_000 });
        const [ran, leased, job] = await Promise.all([
          backend.run(id).catch((error) => error.reason),
          leasedIds(backend),
          backend.cancel(id),
        ]);
        expect(["JOB_STATE_CONFLICT", id]).toContain(ran.id ?? ran);
        expect(job.status).toBe(leased.length === 0 ? "CANCELED" : "RUNNING");
        expect(await leasedIds(backend)).toEqual([]);
      }
    });
  });
}

/** Giving jobs back for a while. */
export function describeSnooze(open: Open): void {
  describe("a release with a delay", () => {
    test("has the job wait for that long, with no retry used and no error", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { maxRetries: 0 });
      const leased = await leaseOne(backend);
      const now = await opened.now();
      expect(await backend.release([{ ...ref(leased), delayMs: 5000 }])).toMatchObject([
        { outcome: "APPLIED", applied: { status: "PENDING" } },
      ]);
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({ status: "PENDING", retryCount: 0, lostLeases: 0, deliveries: 1, error: "" });
      expect(job.attemptErrors).toEqual([]);
      expectAbout(job.runAfter, now + 5000, opened);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 1, running: 0 });
      await passTime(opened, 4900 - opened.slackMs);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 100 + opened.slackMs);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("is remembered like any other release", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const release = { ...ref(await leaseOne(backend)), delayMs: 5000 };
      await backend.release([release]);
      await expectUntouched(backend, [id], async () => {
        expect(await backend.release([release])).toEqual([{ outcome: "ALREADY_APPLIED" }]);
      });
    });

    test("puts it behind what is ready by then, as of its new time; without a delay it is before", async () => {
      const opened = await open();
      const { backend } = opened;
      const [kept = "", snoozed = "", again = ""] = await add(backend, {}, {}, {});
      const leases = [await leaseOne(backend), await leaseOne(backend), await leaseOne(backend)];
      expect(leases.map(({ job }) => job.id)).toEqual([kept, snoozed, again]);
      await passTime(opened, 500);
      const other = await addOne(backend);
      await passTime(opened, 500);
      await backend.release(
        leases.map((each, at) => ({ ...ref(each), delayMs: at === 0 ? undefined : at === 1 ? 1000 : 0 })),
      );
      await passTime(opened, 1000);
      await passTime(opened, 500);
      const last = await addOne(backend);
      expect(await leasedIds(backend)).toEqual([kept, other, again, snoozed, last]);
    });

    test("lasts as long as was said, whatever the wall clock does", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      await backend.release([{ ...ref(await leaseOne(backend)), delayMs: 20_000 }]);
      await opened.stepWall(86_400_000);
      await passTime(opened, 19_000);
      expect(await leasedIds(backend)).toEqual([]);
      await opened.stepWall(-2 * 86_400_000);
      await passTime(opened, 1000);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("acknowledges a cancel: CANCELED at once", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.cancel(id);
      expect(await backend.release([{ ...ref(leased), delayMs: 5000 }])).toMatchObject([{ outcome: "CANCELED" }]);
      expect(await jobOf(backend, id)).toMatchObject({ status: "CANCELED" });
      expect(await statsOf(backend)).toMatchObject({ scheduled: 0 });
    });

    test("and a cancel at the same time: it is CANCELED, whichever came first", async () => {
      const { backend } = await open();
      for (let turn = 0; turn < 10; turn++) {
        const id = await addOne(backend);
        const leased = await leaseOne(backend);
        await Promise.all([backend.release([{ ...ref(leased), delayMs: 5000 }]), backend.cancel(id)]);
        expect(await jobOf(backend, id)).toMatchObject({ status: "CANCELED" });
      }
    });

    test("may be ended by a run", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      await backend.release([{ ...ref(await leaseOne(backend)), delayMs: 5000 }]);
      await backend.run(id);
      expect(await leasedIds(backend)).toEqual([id]);
    });
  });
}
