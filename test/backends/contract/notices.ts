import { describe, expect, test } from "vitest";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addDead,
  addOne,
  createQueue,
  done,
  failed,
  LEASE_MS,
  lease,
  leasedIds,
  leaseOne,
  passTime,
  ref,
  statsOf,
  tickAll,
} from "./support.js";

/** Returns what the listener hears while `act` runs. */
async function during({ heard, settled }: OpenedBackend, act: () => Promise<unknown>) {
  await settled();
  heard.clear();
  await act();
  await settled();
  const typesOf = (queue: string) => heard.readyTypesHeard.get(queue) ?? new Set();
  return { ready: new Set(heard.readyHeard), typesOf, dueMs: Math.min(...heard.dueHeard) };
}

/** When workers are woken and when maintenance is asked for. Nobody polls: what is not announced is not done. */
export function describeNotices(open: Open): void {
  describe("the listener hears that jobs of a queue may be ready", () => {
    test("when one is created, and not when it is to wait", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "other");
      expect((await during(opened, () => addOne(backend))).ready).toEqual(new Set(["default"]));
      expect((await during(opened, () => addOne(backend, { queue: "other" }))).ready).toEqual(new Set(["other"]));
      expect((await during(opened, () => addOne(backend, { delayMs: 1000 }))).ready).toEqual(new Set());
    });

    test("and of which types, whatever characters they have, or that they may be of any", async () => {
      const opened = await open();
      const { backend } = opened;
      const names = ["echo", "a b,c%20*", "späte Post ✉", "-", "*", "x\ny"];
      const jobs = names.map((type) => ({ type }));
      expect((await during(opened, () => add(backend, ...jobs))).typesOf("default")).toEqual(new Set(names));
      const leased = await leaseOne(backend, { types: ["a b,c%20*"] });
      expect((await during(opened, () => backend.release([ref(leased)]))).typesOf("default")).toEqual(
        new Set(["a b,c%20*"]),
      );
      const resumed = await during(opened, () => backend.setPaused("default", false));
      expect(resumed.typesOf("default")).toEqual(new Set(names));
      const many = Array.from({ length: 1000 }, (_, at) => ({ type: `type-${at}` }));
      const types = (await during(opened, () => add(backend, ...many))).typesOf("default");
      expect(types.has("any") || types.size === many.length).toBe(true);
    });

    test("of all types that wait, when a place under max_concurrency is free again", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "q", { maxConcurrency: 1 });
      await add(backend, { queue: "q" }, { queue: "q", type: "a" }, { queue: "q", type: "b" });
      const leased = await leaseOne(backend, { queues: ["q"] });
      expect((await during(opened, () => backend.complete([done(leased)]))).typesOf("q")).toEqual(new Set(["a", "b"]));
    });

    test("when one is given back, retried at once, or replayed", async () => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend);
      const first = await leaseOne(backend);
      expect((await during(opened, () => backend.release([ref(first)]))).ready).toContain("default");
      const second = await leaseOne(backend);
      const retry = { ...failed(second), retry: { afterMs: 0 } };
      expect((await during(opened, () => backend.fail([retry]))).ready).toContain("default");
      const dead = await addDead(backend);
      expect((await during(opened, () => backend.replay([dead]))).ready).toContain("default");
    });

    test("when a lease ran out", async () => {
      const opened = await open();
      await addOne(opened.backend);
      await leaseOne(opened.backend);
      expect((await during(opened, () => passTime(opened, LEASE_MS))).ready).toContain("default");
    });

    test("when a scheduled one has come up", async () => {
      const opened = await open();
      await addOne(opened.backend, { delayMs: 5000 });
      expect((await during(opened, () => passTime(opened, 4000))).ready).toEqual(new Set());
      expect((await during(opened, () => passTime(opened, 1000))).ready).toContain("default");
    });

    test("when a scheduled one has come up, even if somebody else saw it first", async () => {
      const opened = await open();
      const { backend, advance } = opened;
      const looks = [
        () => backend.queues(),
        () => leasedIds(backend, { types: ["other"] }),
        () => leasedIds(backend, { max: 0 }),
        () => backend.updateQueue("default", {}),
        () => statsOf(backend),
      ];
      for (const look of looks) {
        await addOne(backend, { delayMs: 5000 });
        const notices = await during(opened, async () => {
          await advance(5000);
          await look();
          await tickAll(backend);
        });
        expect(notices.ready).toContain("default");
        expect(await leasedIds(backend, { leaseMs: 3_600_000 })).toHaveLength(1);
      }
    });

    test("when a place under max_concurrency is free again", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "q", { maxConcurrency: 1 });
      for (let at = 0; at < 6; at++) await addOne(backend, { queue: "q" });
      const next = () => leaseOne(backend, { queues: ["q"] });
      let leased = await next();
      expect(await lease(backend, { queues: ["q"] })).toEqual([]);
      expect((await during(opened, () => backend.complete([done(leased)]))).ready).toContain("q");
      leased = await next();
      expect((await during(opened, () => backend.fail([failed(leased)]))).ready).toContain("q");
      leased = await next();
      await backend.cancel(leased.job.id);
      expect((await during(opened, () => passTime(opened, LEASE_MS))).ready).toContain("q");
      await next();
      expect((await during(opened, () => backend.updateQueue("q", { maxConcurrency: 2 }))).ready).toContain("q");
      await next();
    });

    test("when a queue is resumed", async () => {
      const opened = await open();
      const { backend } = opened;
      await addOne(backend);
      await backend.setPaused("default", true);
      expect((await during(opened, () => backend.setPaused("default", false))).ready).toContain("default");
    });
  });

  describe("the listener hears when a tick is due", () => {
    test("for a job that is to wait, a retry, and a lease: at that time at the latest", async () => {
      const opened = await open();
      const { backend } = opened;
      expect((await during(opened, () => addOne(backend, { delayMs: 70_000 }))).dueMs).toBeLessThanOrEqual(70_000);
      expect((await during(opened, () => addOne(backend, { delayMs: 7000 }))).dueMs).toBeLessThanOrEqual(7000);
      await addOne(backend, { backoff: { baseDelayMs: 400, maxDelayMs: 400 } });
      let token = "";
      let jobId = "";
      const leasing = await during(opened, async () => {
        const leased = await leaseOne(backend, { leaseMs: 2000 });
        token = leased.token;
        jobId = leased.job.id;
      });
      expect(leasing.dueMs).toBeLessThanOrEqual(2000);
      const failure = { jobId, token, error: "e", retry: "DEFAULT" as const, jitter: 0 };
      expect((await during(opened, () => backend.fail([failure]))).dueMs).toBeLessThanOrEqual(400);
    });

    test("very many scheduled jobs that come up at once are made ready in bounded steps, all of them", async () => {
      const opened = await open();
      const { backend } = opened;
      for (let batch = 0; batch < 3; batch++) {
        await add(backend, ...Array.from({ length: 1000 }, () => ({ delayMs: 5000 })));
      }
      await passTime(opened, 5000);
      expect(await statsOf(backend)).toMatchObject({ ready: 3000, scheduled: 0 });
    });

    test("and the tick says when the next one is, exactly for a scheduled job", async () => {
      const opened = await open();
      const { backend, advance, slackMs } = opened;
      await addOne(backend, { delayMs: 9000 });
      await addOne(backend, { delayMs: 60_000 });
      await advance(4000);
      const { nextInMs } = await backend.tick();
      expect(nextInMs).toBeLessThanOrEqual(5000);
      expect(nextInMs).toBeGreaterThanOrEqual(5000 - slackMs);
      await advance(nextInMs ?? 0);
      await tickAll(backend);
      expect(await statsOf(backend)).toMatchObject({ ready: 1, scheduled: 1 });
    });
  });
}
