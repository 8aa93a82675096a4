import { describe, expect, test } from "vitest";
import type { Failure } from "../../../src/core/port/leases.js";
import type { Backoff } from "../../../src/model/job/job.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  addOne,
  changesOf,
  expectAbout,
  failed,
  fatal,
  jobOf,
  leasedIds,
  leaseOne,
  only,
  passTime,
  statsOf,
} from "./support.js";

/** Lets the next job fail. Returns the ms that it then waits, and the settlement. */
async function failNext(opened: OpenedBackend, given: Partial<Failure> = {}) {
  const { backend } = opened;
  const leased = await leaseOne(backend);
  const settlement = only(await backend.fail([{ ...failed(leased), ...given }]));
  const job = await jobOf(backend, leased.job.id);
  return { job, settlement, waitMs: job.runAfter - job.updatedAt };
}

/** Failed attempts: retries, backoff, death. */
export function describeFailing(open: Open): void {
  describe("fail", () => {
    test("uses a retry and lets the job wait for its backoff", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { priority: 3, backoff: { baseDelayMs: 2000, maxDelayMs: 60_000 } });
      const leased = await leaseOne(backend);
      await opened.advance(700);
      const settlement = only(await backend.fail([failed(leased, "smtp: 451 – später")]));
      expectAbout(settlement.applied?.durationMs, 700, opened);
      expect(settlement).toMatchObject({
        outcome: "APPLIED",
        applied: { queue: "default", type: "echo", status: "PENDING" },
      });
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({
        status: "PENDING",
        retryCount: 1,
        lostLeases: 0,
        deliveries: 1,
        priority: 3,
        error: "smtp: 451 – später",
        finishedAt: undefined,
      });
      expect(job.runAfter - job.updatedAt).toBe(2000);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, retrying: 1, running: 0 });
      await passTime(opened, 1999 - opened.slackMs);
      expect(await leasedIds(backend)).toEqual([]);
      await passTime(opened, 1 + opened.slackMs);
      expect((await leaseOne(backend)).job).toMatchObject({ id, deliveries: 2, retryCount: 1 });
    });

    test.each([
      [0, [100, 200, 400, 500, 500]],
      [0.5, [120, 240, 480, 600, 600]],
      [1, [140, 280, 560, 700, 700]],
    ])("the backoff doubles up to its maximum, plus jitter %f of 40 %%", async (jitter, expected) => {
      const opened = await open();
      await addOne(opened.backend, { backoff: { baseDelayMs: 100, maxDelayMs: 500 }, maxRetries: 10 });
      const waits = [];
      for (let at = 0; at < expected.length; at++) {
        waits.push((await failNext(opened, { jitter })).waitMs);
        await passTime(opened, 1000);
      }
      expect(waits).toEqual(expected);
    });

    test.each<[string, Backoff, readonly number[]]>([
      ["of a fixed wait", { baseDelayMs: 300, maxDelayMs: 5000, multiplier: 1 }, [300, 300, 300]],
      ["of another multiplier", { baseDelayMs: 100, maxDelayMs: 500, multiplier: 1.5 }, [100, 150, 225, 337, 500, 500]],
      ["of a list", { delaysMs: [500, 0, 700] }, [500, 0, 700, 700]],
    ])("a backoff %s is kept, and waited out", async (_what, backoff, expected) => {
      const opened = await open();
      // With and without other fields that only some jobs have.
      for (const metadata of [{}, { a: "b" }] as Record<string, string>[]) {
        const id = await addOne(opened.backend, { backoff, metadata, maxRetries: expected.length });
        expect(only(await opened.backend.get([id]))?.backoff).toEqual(backoff);
        for (const waitMs of expected) {
          expect((await failNext(opened, { jitter: 0 })).waitMs).toBe(waitMs);
          await passTime(opened, 1000);
        }
        expect((await failNext(opened)).job).toMatchObject({ status: "DEAD", backoff, metadata });
      }
    });

    test("a backoff of 0 and the largest number of retries do not break it", async () => {
      const opened = await open();
      await addOne(opened.backend, { backoff: { baseDelayMs: 0, maxDelayMs: 0 }, maxRetries: 100 });
      for (let retry = 1; retry <= 100; retry++) {
        expect(await failNext(opened, { jitter: 1 })).toMatchObject({ waitMs: 0, job: { retryCount: retry } });
      }
      expect(await failNext(opened)).toMatchObject({ job: { status: "DEAD", retryCount: 100, deliveries: 101 } });
    });

    test("a wait that the worker asks for takes the place of the backoff, and uses a retry too", async () => {
      const opened = await open();
      const id = await addOne(opened.backend, { maxRetries: 2 });
      expect(await failNext(opened, { retry: { afterMs: 42_000 }, jitter: 1 })).toMatchObject({
        waitMs: 42_000,
        job: { status: "PENDING", retryCount: 1 },
      });
      await passTime(opened, 42_000);
      expect(await failNext(opened, { retry: { afterMs: 0 } })).toMatchObject({ waitMs: 0, job: { retryCount: 2 } });
      expect(await statsOf(opened.backend)).toMatchObject({ ready: 1 });
      expect(await failNext(opened, { retry: { afterMs: 0 } })).toMatchObject({ job: { id, status: "DEAD" } });
    });

    test("NEVER sends the job to the dead at once", async () => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend, { maxRetries: 5 });
      const { job, settlement } = await failNext(opened, { retry: "NEVER", error: "bad input" });
      expect(settlement).toMatchObject({ outcome: "APPLIED", applied: { status: "DEAD" } });
      expect(job).toMatchObject({ status: "DEAD", retryCount: 0, error: "bad input" });
      expect(job.finishedAt).toBe(job.updatedAt);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0, running: 0, dead: 1 });
    });

    test.each([0, 1, 3])("with %i retries the attempt after the last one is deadly", async (maxRetries) => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend, { maxRetries });
      const seen = [];
      for (let attempt = 0; attempt <= maxRetries; attempt++) {
        const { job } = await failNext(opened);
        seen.push([job.status, job.retryCount]);
        await passTime(opened, 10_000);
      }
      const retries = Array.from({ length: maxRetries }, (_, at) => ["PENDING", at + 1]);
      expect(seen).toEqual([...retries, ["DEAD", maxRetries]]);
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("the last error and the last ten attempts are kept", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { maxRetries: 20 });
      const times: number[] = [];
      for (let attempt = 1; attempt <= 12; attempt++) {
        const leased = await leaseOne(backend, { worker: `w${attempt}` });
        await backend.fail([failed(leased, `error ${attempt}`)]);
        times.push((await jobOf(backend, id)).updatedAt);
        await passTime(opened, 10_000);
      }
      const job = await jobOf(backend, id);
      expect(job.error).toBe("error 12");
      expect(job.attemptErrors).toEqual(
        Array.from({ length: 10 }, (_, at) => ({
          at: times[at + 2],
          error: `error ${at + 3}`,
          delivery: at + 3,
          worker: `w${at + 3}`,
        })),
      );
    });

    test("it is one step that shows as two changes: FAILED, then what comes of it", async () => {
      const { backend, heard, settled } = await open();
      const id = await addOne(backend, { maxRetries: 1, backoff: { baseDelayMs: 0, maxDelayMs: 0 } });
      const first = await leaseOne(backend);
      const cursor = await backend.head();
      await backend.fail([failed(first, "one")]);
      const second = await leaseOne(backend);
      await backend.fail([failed(second, "two")]);
      const changes = await changesOf(backend, id, cursor);
      expect(changes).toMatchObject([
        { status: "FAILED", revision: 3, retryCount: 0, error: "one", finishedAt: undefined },
        { status: "PENDING", revision: 4, retryCount: 1, error: "one" },
        { status: "RUNNING", revision: 5, retryCount: 1, error: "one" },
        { status: "FAILED", revision: 6, retryCount: 1, error: "two" },
        { status: "DEAD", revision: 7, retryCount: 1, error: "two" },
      ]);
      const job = await jobOf(backend, id);
      expect(job.revision).toBe(7);
      expect(changes[4]).toMatchObject({ finishedAt: job.finishedAt, updatedAt: job.updatedAt });
      await settled();
      expect(heard.changesHeard.slice(-5)).toEqual(changes);
    });

    test("a batch of failures is settled item by item", async () => {
      const { backend } = await open();
      await addOne(backend);
      await addOne(backend);
      const first = await leaseOne(backend);
      const second = await leaseOne(backend);
      const settlements = await backend.fail([fatal(first, "a"), { ...failed(second, "b"), retry: { afterMs: 5 } }]);
      expect(settlements.map(({ applied }) => applied?.status)).toEqual(["DEAD", "PENDING"]);
      expect(await backend.get([first.job.id, second.job.id])).toMatchObject([
        { status: "DEAD", error: "a" },
        { status: "PENDING", error: "b", retryCount: 1 },
      ]);
    });
  });
}
