import { describe, expect, test } from "vitest";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addOne,
  changesOf,
  createQueue,
  done,
  expectAbout,
  failed,
  jobOf,
  leasedIds,
  leaseOne,
  passTime,
  ref,
  statsOf,
  statuses,
  tickAll,
} from "./support.js";

const DAY = 24 * 3600 * 1000;

/** The two ways to say by when a job has to begin, `ms` from now. */
const WAYS: readonly (readonly [string, (opened: OpenedBackend, ms: number) => Promise<Partial<NewJob>>])[] = [
  ["a ttl", async (_opened, ms) => ({ ttlMs: ms })],
  ["a time", async (opened, ms) => ({ expiresAt: (await opened.now()) + ms })],
];

/** Jobs that are of no use when they begin too late. */
export function describeExpiry(open: Open): void {
  describe.each(WAYS)("a job that expires after %s", (_name, within) => {
    test("is CANCELED then, when it was not handed out", async () => {
      const opened = await open();
      const { backend } = opened;
      const now = await opened.now();
      const id = await addOne(backend, await within(opened, 5000));
      const cursor = await backend.head();
      const before = await jobOf(backend, id);
      expectAbout(before.expiresAt, now + 5000, opened);
      await passTime(opened, 4900 - opened.slackMs);
      expect(await statuses(backend, [id])).toEqual(["PENDING"]);
      await opened.advance(100 + opened.slackMs);
      const ticks = await tickAll(backend);
      expect(ticks.flatMap(({ expired }) => expired)).toEqual([{ jobId: id, queue: "default", type: "echo" }]);
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({
        ...{ status: "CANCELED", error: "expired before it ran", revision: 2, deliveries: 0, attemptErrors: [] },
        ...{ startedAt: undefined, expiresAt: before.expiresAt },
      });
      expect(job.finishedAt).toBe(job.updatedAt);
      expect(await changesOf(backend, id, cursor)).toMatchObject([
        { status: "CANCELED", error: "expired before it ran", revision: 2 },
      ]);
      expect(await statsOf(backend)).toMatchObject({ ready: 0, scheduled: 0 });
      expect(await leasedIds(backend)).toEqual([]);
    });

    test("is due then: the listener is told, and each tick tells the next", async () => {
      const opened = await open();
      const { backend, heard } = opened;
      heard.clear();
      await addOne(backend, await within(opened, 5000));
      await opened.settled();
      expect(Math.min(...heard.dueHeard)).toBeLessThanOrEqual(5000);
      expect((await tickAll(backend)).at(-1)?.nextInMs).toBeLessThanOrEqual(5000);
    });

    test("is never handed out after that, though no tick has come, and others are", async () => {
      const opened = await open();
      const { backend } = opened;
      const late = await within(opened, 1000);
      const ids = await add(backend, late, late, {}, { ...late, type: "other" });
      await opened.advance(1000);
      expect(await leasedIds(backend, { types: ["echo", "other"] })).toEqual([ids[2]]);
      const ticks = await tickAll(backend);
      // Each is told once, whoever found it.
      expect(ticks.flatMap(({ expired }) => expired.map(({ jobId }) => jobId)).toSorted()).toEqual(
        [ids[0], ids[1], ids[3]].toSorted(),
      );
      expect(await statuses(backend, ids)).toEqual(["CANCELED", "CANCELED", "RUNNING", "CANCELED"]);
    });

    test("is kept when it began before, whatever comes of it", async () => {
      const opened = await open();
      const { backend } = opened;
      const within5s = await within(opened, 5000);
      const ids = await add(backend, within5s, within5s, within5s, within5s);
      const [ran, retried, released, lost] = [
        await leaseOne(backend),
        await leaseOne(backend),
        await leaseOne(backend),
        await leaseOne(backend, { leaseMs: 1000 }),
      ];
      await backend.complete([done(ran)]);
      await backend.fail([failed(retried)]);
      await backend.release([ref(released)]);
      expect(lost.job.status).toBe("RUNNING");
      await passTime(opened, 6000);
      expect(await statuses(backend, ids)).toEqual(["DONE", "PENDING", "PENDING", "PENDING"]);
      expect((await leasedIds(backend)).toSorted()).toEqual(ids.slice(1).toSorted());
    });

    test("stays DEAD, and is not touched after its replay", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { ...(await within(opened, 5000)), maxRetries: 0 });
      await backend.fail([failed(await leaseOne(backend))]);
      await passTime(opened, 6000);
      expect(await statuses(backend, [id])).toEqual(["DEAD"]);
      await backend.replay([id]);
      await passTime(opened, 1000);
      expect(await leasedIds(backend)).toEqual([id]);
    });

    test("expires while it is scheduled, while its queue is paused, and after it was told to run now", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "still");
      await backend.setPaused("still", true);
      const given = { queue: "still", ...(await within(opened, 5000)) };
      const ids = await add(
        backend,
        { ...given, delayMs: 9000 },
        { ...given, runAfter: (await opened.now()) + 9000 },
        given,
        { ...given, delayMs: 9000 },
      );
      await backend.run(ids[3] ?? "");
      await passTime(opened, 5000);
      expect(await statuses(backend, ids)).toEqual(["CANCELED", "CANCELED", "CANCELED", "CANCELED"]);
      expect(await statsOf(backend, "still")).toMatchObject({ ready: 0, scheduled: 0 });
      await passTime(opened, 9000);
      expect(await statsOf(backend, "still")).toMatchObject({ ready: 0, scheduled: 0 });
    });

    test("makes room in a full queue, and may be cancelled or purged before", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "small", { maxDepth: 2 });
      const given = { queue: "small", ...(await within(opened, 1000)) };
      const [canceled = "", left = ""] = await add(backend, given, given);
      await backend.cancel(canceled);
      await passTime(opened, 1000);
      expect(await jobOf(backend, canceled)).toMatchObject({ status: "CANCELED", error: "", revision: 2 });
      expect(await statuses(backend, [left])).toEqual(["CANCELED"]);
      const again = { queue: "small", ...(await within(opened, 1000)) };
      await add(backend, again, again);
      expect(await backend.purge("small")).toBe(2);
      await opened.advance(1000);
      expect((await tickAll(backend)).flatMap(({ expired }) => expired)).toEqual([]);
    });

    test("and its lease or cancel at the same time: it ran, or it never does", async () => {
      const opened = await open();
      const { backend } = opened;
      for (let turn = 0; turn < 10; turn++) {
        const id = await addOne(backend, await within(opened, 1000));
        await opened.advance(turn % 2 === 0 ? 1000 : 900 - opened.slackMs);
        const [leased] = await Promise.all([leasedIds(backend), backend.tick(), backend.cancel(id)]);
        const job = await jobOf(backend, id);
        if (leased.length > 0) expect(job).toMatchObject({ status: "RUNNING", deliveries: 1, cancelRequested: true });
        else expect(job).toMatchObject({ status: "CANCELED", deliveries: 0 });
        if (turn % 2 === 0) expect(leased).toEqual([]);
      }
    });

    test("many of them at once are all cancelled, and none of them is handed out meanwhile", async () => {
      const opened = await open();
      const { backend } = opened;
      const late = await within(opened, 1000);
      const ids = await add(backend, ...Array.from({ length: 450 }, () => late), {});
      await opened.advance(1000);
      const leased: string[] = [];
      for (let turn = 0; turn < 10; turn++) leased.push(...(await leasedIds(backend, { max: 5 })));
      await tickAll(backend);
      leased.push(...(await leasedIds(backend)));
      expect(leased).toEqual([ids.at(-1)]);
      expect(new Set(await statuses(backend, ids.slice(0, -1)))).toEqual(new Set(["CANCELED"]));
    });

    test("is told by its create when that is repeated, and a repeat that comes too late creates none", async () => {
      const opened = await open();
      const { backend } = opened;
      const given = { ...(await within(opened, 1000)), requestId: "r" };
      const id = await addOne(backend, given);
      await passTime(opened, 1000);
      expect(await addOne(backend, given)).toBe(id);
    });
  });

  describe("a time to expire", () => {
    test("that is over cancels the job at once", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend, { expiresAt: (await opened.now()) - 1000 });
      expect(await leasedIds(backend)).toEqual([]);
      await tickAll(backend);
      expect(await jobOf(backend, id)).toMatchObject({ status: "CANCELED", error: "expired before it ran" });
    });

    test.each([10 * DAY, -10 * DAY])(
      "is kept against the clock, which is set by %i ms, and a ttl is not",
      async (ms) => {
        const opened = await open();
        const { backend } = opened;
        const expiresAt = (await opened.now()) + 20_000;
        const [timed = "", measured = ""] = await add(backend, { expiresAt }, { ttlMs: 20_000 });
        await passTime(opened, 1000);
        await opened.stepWall(ms);
        // A backend may notice it at a call only.
        await statsOf(backend);
        await tickAll(backend);
        expect(await statuses(backend, [timed, measured])).toEqual([ms > 0 ? "CANCELED" : "PENDING", "PENDING"]);
        await passTime(opened, 18_900 - opened.slackMs);
        expect(await statuses(backend, [measured])).toEqual(["PENDING"]);
        await passTime(opened, 100 + opened.slackMs);
        expect(await statuses(backend, [timed, measured])).toEqual([ms > 0 ? "CANCELED" : "PENDING", "CANCELED"]);
      },
    );
  });
}
