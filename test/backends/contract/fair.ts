import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { LeaseRequest } from "../../../src/core/port/leases.js";
import type { NewJob } from "../../../src/core/port/new-jobs.js";
import type { Open } from "./harness.js";
import { add, createQueue, done, failed, fatal, lease, leaseOne, passTime, ref } from "./support.js";

/** Opens a backend whose queue `fair` gives keys turns. */
async function openFair(open: Open, limit = 0) {
  const opened = await open();
  await createQueue(opened.backend, "fair", { ordering: "FAIR", maxConcurrencyPerKey: limit });
  return opened;
}

/** Creates jobs, one for each key. */
function addKeys(backend: Backend, keys: string, given: Partial<NewJob> = {}): Promise<string[]> {
  return add(backend, ...[...keys].map((key) => ({ queue: "fair", key: key === "-" ? undefined : key, ...given })));
}

/** Leases up to `max` jobs, and tells their keys in order. */
async function keysOf(backend: Backend, max: number, given: Partial<LeaseRequest> = {}): Promise<string> {
  const leases = await lease(backend, { queues: ["fair"], max, ...given });
  return leases.map(({ job }) => job.key ?? "-").join("");
}

/** A queue in which no tenant waits for another's backlog. */
export function describeFair(open: Open): void {
  describe("the ordering FAIR", () => {
    test("gives one job of each key after the other, and takes those without a key as one", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "aaaaa--bb");
      expect(await keysOf(backend, 100)).toBe("a-ba-baaa");
    });

    test("lets the backlog of a tenant delay another by one turn, however long it is", async () => {
      const { backend } = await openFair(open);
      for (let batch = 0; batch < 3; batch++) await addKeys(backend, "a".repeat(1000), { priority: 10 });
      expect(await keysOf(backend, 50)).toBe("a".repeat(50));
      await addKeys(backend, "bb");
      expect(await keysOf(backend, 6)).toBe("babaaa");
    });

    test("counts a job that is leased by itself as one that is leased with others", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "aaabbc");
      let keys = "";
      for (let turn = 0; turn < 6; turn++) keys += await keysOf(backend, 1);
      expect(keys).toBe("abcaba");
    });

    test("begins with a new key where the queue is, so that it makes up for no time that it was away", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "aaaaaaaa");
      expect(await keysOf(backend, 4)).toBe("aaaa");
      await addKeys(backend, "bbbbbb");
      expect(await keysOf(backend, 7)).toBe("bababab");
    });

    test("has a key come anew whose last job is given another key in the call that creates its next", async () => {
      const { backend } = await openFair(open);
      const unique = { key: "only", until: "FINISHED", holdMs: 0 } as const;
      await addKeys(backend, "a", { unique });
      await addKeys(backend, "b");
      const given = { queue: "fair", onConflict: "REPLACE" } as const;
      await add(backend, { ...given, key: "c", unique }, { ...given, key: "a" });
      expect(await keysOf(backend, 9)).toBe("bca");
    });

    test("lets no key get ahead that has no jobs for a moment, again and again", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "bbbbccccc");
      let keys = "";
      for (let turn = 0; turn < 6; turn++) {
        await addKeys(backend, "a");
        const leases = await lease(backend, { queues: ["fair"], max: 3 });
        keys += leases.map(({ job }) => job.key).join("");
        await backend.complete(leases.map((each) => done(each)));
      }
      // Each time it is behind those that wait, as it has just been given a job.
      expect(keys).toBe("bcabcabcabcacaa");
    });

    test("looks at the priority, then at the time, inside a key only", async () => {
      const { backend } = await openFair(open);
      const ids = await add(
        backend,
        ...[
          { key: "a", priority: 0 },
          { key: "b", priority: 0 },
          { key: "a", priority: 9 },
          { key: "b", priority: 3, delayMs: 60_000 },
          { key: "a", priority: 9, runAfter: 1000 },
        ].map((job) => ({ queue: "fair", ...job })),
      );
      const leases = await lease(backend, { queues: ["fair"] });
      expect(leases.map(({ job }) => job.id)).toEqual([4, 1, 2, 0].map((at) => ids[at]));
    });

    test("counts the turns of a key over all types, and asks only for those that a worker takes", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "aaa", { type: "x" });
      await addKeys(backend, "ab", { type: "y" });
      expect(await keysOf(backend, 2, { types: ["x"] })).toBe("aa");
      await addKeys(backend, "c", { type: "y" });
      expect(await keysOf(backend, 5, { types: ["x", "y"] })).toBe("bcaa");
    });

    test("takes the first job of a key of all the types that are asked for", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "a", { type: "x", priority: 1 });
      await addKeys(backend, "a", { type: "y", priority: 2 });
      await addKeys(backend, "a", { type: "z", priority: 3 });
      const leases = await lease(backend, { queues: ["fair"], types: ["x", "y"] });
      expect(leases.map(({ job }) => job.type)).toEqual(["y", "x"]);
    });

    test("takes a job that comes back, after a retry, a release or a lost lease, as any other", async () => {
      const opened = await openFair(open);
      const { backend } = opened;
      await addKeys(backend, "abb");
      const of = { queues: ["fair"] };
      for (const give of [
        () => leaseOne(backend, of).then((given) => backend.release([ref(given)])),
        () => leaseOne(backend, of).then((given) => backend.fail([{ ...failed(given), retry: { afterMs: 0 } }])),
      ]) {
        await give();
      }
      // Both have had a turn, and the first to come back is the first.
      expect(await keysOf(backend, 3)).toBe("bab");
      await passTime(opened, 11_000);
      expect((await keysOf(backend, 3)).slice(0, 1)).toBe("a");
    });

    test("lets a key that is held back come again where the queue is by then", async () => {
      const { backend } = await openFair(open, 1);
      await addKeys(backend, "aaabcdefgh");
      const first = await leaseOne(backend, { queues: ["fair"] });
      expect(first.job.key).toBe("a");
      expect(await keysOf(backend, 2)).toBe("bc");
      await backend.complete([done(first)]);
      expect(await keysOf(backend, 10)).toBe("defgha");
    });

    test("can be chosen, and left, only while no job waits", async () => {
      const { backend } = await openFair(open);
      await addKeys(backend, "ab");
      const leave = () => backend.updateQueue("fair", { ordering: "PRIORITY" });
      await expect(leave()).rejects.toMatchObject({ reason: "QUEUE_NOT_EMPTY" });
      const [a, b] = await lease(backend, { queues: ["fair"] });
      expect((await leave()).settings.ordering).toBe("PRIORITY");
      await addKeys(backend, "bbaa");
      expect(await keysOf(backend, 4)).toBe("bbaa");
      expect((await backend.updateQueue("fair", { ordering: "FAIR" })).settings.ordering).toBe("FAIR");
      await backend.fail([a, b].flatMap((each) => (each === undefined ? [] : [fatal(each)])));
      await addKeys(backend, "ccdd");
      expect(await keysOf(backend, 4)).toBe("cdcd");
    });
  });
}
