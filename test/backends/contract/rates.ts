import { describe, expect, test } from "vitest";
import type { Lease } from "../../../src/core/port/leases.js";
import type { RateLimit } from "../../../src/model/queue/rate-limit.js";
import type { Open, OpenedBackend } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  done,
  failed,
  lease,
  leaseOne,
  only,
  passTime,
  queueOf,
  ref,
  statsOf,
  tickAll,
} from "./support.js";

const FROM = { queues: ["rated"] };

/** One job each second, none at once. */
const SLOW: RateLimit = { count: 1, periodMs: 1000, burst: 1 };

/** Creates the queue `rated` with so many jobs. */
async function rated({ backend }: OpenedBackend, rateLimit: RateLimit, jobs: number, more: object = {}) {
  await createQueue(backend, "rated", { rateLimit, ...more });
  if (jobs > 0) await add(backend, ...Array.from({ length: jobs }, () => ({ queue: "rated" })));
}

/** Leases what there is; returns how many jobs it got. */
async function take({ backend }: OpenedBackend, max = 1000): Promise<number> {
  return (await lease(backend, { ...FROM, max })).length;
}

/** Forgets what the listener was told so far, lets `act` happen, and returns the types of `rated` that were told as ready then. */
async function told(opened: OpenedBackend, act: () => Promise<unknown>): Promise<readonly string[]> {
  await opened.settled();
  opened.heard.clear();
  await act();
  await opened.settled();
  return [...(opened.heard.readyTypesHeard.get("rated") ?? [])].sort();
}

/** What a rate lets go, and when: of every backend. */
export function describeRates(open: Open): void {
  describe("a rate", () => {
    test("lets a burst go at once, then one job each period / count, none sooner", async () => {
      const opened = await open();
      await rated(opened, { count: 3, periodMs: 1000, burst: 2 }, 20);
      expect(await take(opened)).toBe(2);
      const taken: number[] = [];
      for (let ms = 0; ms < 2000; ms += 111) {
        await passTime(opened, 111);
        taken.push(await take(opened));
      }
      // The slots come after 333 1/3 ms, 666 2/3 ms and so on.
      expect(taken).toEqual([0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1]);
    });

    test.each([
      [1000, 1000],
      [130, 1000],
      [7, 333],
    ])("of %i in %i ms is exact, though it is woken only now and then", async (count, periodMs) => {
      const opened = await open();
      await rated(opened, { count, periodMs, burst: 1 }, 2600);
      let taken = await take(opened);
      for (let ms = 0; ms < 2000; ms += 50) {
        await passTime(opened, 50);
        taken += await take(opened);
      }
      expect(Math.abs(taken - (2000 * count) / periodMs)).toBeLessThanOrEqual(1);
    });

    test("makes up for slots of the last 100 ms that were taken late while jobs waited, and for no others", async () => {
      const opened = await open();
      await rated(opened, { count: 100, periodMs: 1000, burst: 2 }, 200);
      expect(await take(opened)).toBe(2);
      await passTime(opened, 60);
      expect(await take(opened)).toBe(6);
      await passTime(opened, 500);
      expect(await take(opened)).toBe(12);
      // Nobody was there to take them.
      await passTime(opened, 5000);
      expect(await take(opened)).toBe(2);
    });

    test("loses the slots that nobody needed, but for a burst", async () => {
      const opened = await open();
      await rated(opened, { count: 100, periodMs: 1000, burst: 2 }, 2);
      expect(await take(opened)).toBe(2);
      await passTime(opened, 5000);
      await add(opened.backend, ...Array.from({ length: 9 }, () => ({ queue: "rated" })));
      expect(await take(opened)).toBe(2);
    });

    test("gives slots only to what is handed out, and says when a queue has no more for now", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 1000, burst: 3 }, 5);
      expect(await lease(backend, { ...FROM, types: ["nobody"] })).toEqual([]);
      expect(await take(opened, 1)).toBe(1);
      const emptied: string[] = [];
      const leases = await lease(backend, { ...FROM, max: 3, emptied: (queue) => emptied.push(queue) });
      expect([leases.length, emptied]).toEqual([2, ["rated"]]);
      expect(await take(opened)).toBe(0);
    });

    test("counts hand-outs: retries take a slot, and a job that is given back does not return its own", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 1000, burst: 2 }, 2);
      const [one, other] = (await lease(backend, FROM)) as [Lease, Lease];
      await backend.release([ref(one)]);
      await backend.fail([{ ...failed(other), retry: { afterMs: 0 } }]);
      expect(await take(opened)).toBe(0);
      await passTime(opened, 1000);
      expect(await take(opened)).toBe(1);
      await passTime(opened, 999);
      expect(await take(opened)).toBe(0);
      await passTime(opened, 1);
      expect(await take(opened)).toBe(1);
    });

    test("holds together with max_concurrency: the narrower one counts", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 1000, burst: 3 }, 9, { maxConcurrency: 2 });
      const first = await lease(backend, FROM);
      expect(first).toHaveLength(2);
      expect(await take(opened)).toBe(0);
      await backend.complete(first.map((each) => done(each)));
      expect(await take(opened)).toBe(1);
      await passTime(opened, 1000);
      expect(await take(opened)).toBe(1);
      await passTime(opened, 1000);
      expect(await take(opened)).toBe(0);
    });

    test("holds together with keys: a job that waits for another of its key waits for no slot", async () => {
      const opened = await open();
      const { backend } = opened;
      await createQueue(backend, "rated", { rateLimit: SLOW, maxConcurrencyPerKey: 1 });
      await add(backend, { queue: "rated", key: "a" }, { queue: "rated", key: "a" });
      const leased = await leaseOne(backend, FROM);
      expect((await queueOf(backend, "rated")).nextSlotAt).toBeUndefined();
      expect(await statsOf(backend, "rated")).toMatchObject({ ready: 0, limited: 1 });
      expect(await told(opened, () => passTime(opened, 400))).toEqual([]);
      await backend.complete([done(leased)]);
      expect((await queueOf(backend, "rated")).nextSlotAt).toBe((await opened.now()) + 600);
      expect(await take(opened)).toBe(0);
      expect(await told(opened, () => passTime(opened, 600))).toEqual(["echo"]);
      expect(await take(opened)).toBe(1);
    });

    test("gives the repeat of a request its leases and takes no slots for it", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 1000, burst: 2 }, 3);
      const request = { ...FROM, max: 1, requestId: "r" };
      const first = only(await lease(backend, request));
      expect(only(await lease(backend, request)).token).toBe(first.token);
      expect(await take(opened)).toBe(1);
    });

    test("is one of its queue: others are as free as before, and a new queue of its name begins anew", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, SLOW, 3);
      await add(backend, {}, {});
      expect(await lease(backend, { queues: ["rated", "default"] })).toHaveLength(3);
      await backend.deleteQueue("rated", true);
      await rated(opened, SLOW, 3);
      expect(await take(opened)).toBe(1);
    });

    test("lets a queue that was paused go on with a burst", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 100, periodMs: 1000, burst: 2 }, 30);
      expect(await take(opened)).toBe(2);
      await backend.setPaused("rated", true);
      await passTime(opened, 500);
      expect(await take(opened)).toBe(0);
      expect(await told(opened, () => backend.setPaused("rated", false))).toEqual(["echo"]);
      expect(await take(opened)).toBe(2);
    });

    test.each([-86_400_000, -5000, 5000, 86_400_000])("is kept when the wall clock is set by %i ms", async (ms) => {
      const opened = await open();
      await rated(opened, SLOW, 5);
      expect(await take(opened)).toBe(1);
      await opened.stepWall(ms);
      await tickAll(opened.backend);
      expect(await take(opened)).toBe(0);
      await passTime(opened, 999);
      expect(await take(opened)).toBe(0);
      await passTime(opened, 1);
      expect(await take(opened)).toBe(1);
    });
  });

  describe("another rate", () => {
    test("counts at once: it neither gives a burst nor waits for the slot of the one before", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 3_600_000, burst: 1 }, 60);
      expect(await take(opened)).toBe(1);
      await passTime(opened, 1_800_000);
      for (const burst of [5, 4, 5]) {
        await backend.updateQueue("rated", { rateLimit: { count: 1, periodMs: 1000, burst } });
        expect(await take(opened)).toBe(0);
      }
      await passTime(opened, 500);
      expect(await take(opened)).toBe(1);
      await passTime(opened, 1000);
      expect(await take(opened)).toBe(1);
      await backend.updateQueue("rated", { rateLimit: { count: 1, periodMs: 1000, burst: 5 }, weight: 3 });
      await passTime(opened, 1000);
      expect(await take(opened)).toBe(1);
    });

    test("is waited for from then on: the tick comes when its slot does", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 3_600_000, burst: 1 }, 3);
      expect(await take(opened)).toBe(1);
      expect(await told(opened, () => backend.updateQueue("rated", { rateLimit: SLOW }))).toEqual([]);
      expect(Math.min(...opened.heard.dueHeard)).toBeLessThanOrEqual(1000);
      await tickAll(backend);
      expect(await told(opened, () => passTime(opened, 1000))).toEqual(["echo"]);
      expect(await take(opened)).toBe(1);
    });

    test("that is none frees the queue at once, and says so", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, SLOW, 5);
      expect(await take(opened)).toBe(1);
      expect(await told(opened, () => backend.updateQueue("rated", { rateLimit: null }))).toEqual(["echo"]);
      expect(await queueOf(backend, "rated")).toMatchObject({ settings: { rateLimit: null }, stats: { ready: 4 } });
      expect((await queueOf(backend, "rated")).nextSlotAt).toBeUndefined();
      expect(await take(opened, 3)).toBe(3);
      await backend.updateQueue("rated", { rateLimit: SLOW });
      expect(await take(opened)).toBe(1);
    });
  });

  describe("a queue whose rate holds jobs back", () => {
    test("tells nobody that they are ready before their slot, whatever makes them so; then a tick does, once", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1, periodMs: 60_000, burst: 3 }, 3);
      const [one, two, three] = (await lease(backend, FROM)) as [Lease, Lease, Lease];
      await addOne(backend, { queue: "rated", delayMs: 2000 });
      const makeReady = async () => {
        await addOne(backend, { queue: "rated" });
        await backend.release([ref(one)]);
        await backend.fail([{ ...failed(two), retry: { afterMs: 1000 } }]);
        await backend.fail([{ ...failed(three), retry: "NEVER" }]);
        await backend.replay([three.job.id]);
        await passTime(opened, 5000);
        expect(await take(opened)).toBe(0);
      };
      expect(await told(opened, makeReady)).toEqual([]);
      expect(Math.min(...opened.heard.dueHeard)).toBeLessThanOrEqual(60_000);
      expect(await told(opened, () => passTime(opened, 54_999))).toEqual([]);
      expect((await backend.tick()).nextInMs).toBeLessThanOrEqual(1);
      expect(await told(opened, () => passTime(opened, 1))).toEqual(["echo"]);
      expect(await take(opened)).toBe(1);
      expect(await told(opened, () => passTime(opened, 1000))).toEqual([]);
    });

    test("waits for several slots that come closely together", async () => {
      const opened = await open();
      const { backend } = opened;
      await rated(opened, { count: 1000, periodMs: 1000, burst: 1 }, 100);
      await opened.advance(1000);
      expect(await take(opened)).toBe(1);
      const { nextInMs = 0 } = await backend.tick();
      expect(nextInMs).toBeGreaterThan(1);
      expect(nextInMs).toBeLessThanOrEqual(10);
      expect(await told(opened, () => passTime(opened, nextInMs))).toEqual(["echo"]);
      expect(await take(opened)).toBe(nextInMs);
    });

    test("does nothing for a slot that no job waits for", async () => {
      const opened = await open();
      await rated(opened, SLOW, 1);
      const leased = await leaseOne(opened.backend, { ...FROM, leaseMs: 60_000 });
      expect((await opened.backend.tick()).nextInMs).toBeGreaterThan(1000);
      await opened.backend.complete([done(leased)]);
    });

    test("says when the next slot comes, and counts them as limited", async () => {
      const opened = await open();
      const { backend } = opened;
      const look = async () => {
        const { nextSlotAt, stats } = await queueOf(backend, "rated");
        const inMs = nextSlotAt === undefined ? undefined : nextSlotAt - (await opened.now());
        return [inMs, stats.ready, stats.limited, stats.scheduled];
      };
      await rated(opened, { count: 1, periodMs: 1000, burst: 2 }, 5);
      await addOne(backend, { queue: "rated", delayMs: 400 });
      expect(await look()).toEqual([undefined, 5, 0, 1]);
      expect(await take(opened)).toBe(2);
      expect(await look()).toEqual([1000, 0, 3, 1]);
      // One that is due and that no tick has made ready yet is limited too.
      await opened.advance(400);
      expect(await look()).toEqual([600, 0, 4, 0]);
      await passTime(opened, 600);
      expect(await look()).toEqual([undefined, 4, 0, 0]);
      expect(await take(opened)).toBe(1);
      expect((await backend.queues(["rated"]))[0]?.nextSlotAt).toBe((await opened.now()) + 1000);
      expect(await backend.purge("rated")).toBe(3);
      expect(await look()).toEqual([undefined, 0, 0, 0]);
      await passTime(opened, 5000);
      expect(await statsOf(backend, "rated")).toMatchObject({ ready: 0, limited: 0, running: 3 });
    });
  });
}
