import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { Lease } from "../../../src/core/port/leases.js";
import { jobBytes } from "../../../src/model/job/job.js";
import type { Open } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  done,
  expectAbout,
  failed,
  LEASE_MS,
  lease,
  leaseOne,
  passTime,
  ref,
} from "./support.js";

const ids = (leases: readonly Lease[]) => leases.map(({ job }) => job.id);
const tokens = (leases: readonly Lease[]) => leases.map(({ token }) => token);

/** Repeating a lease call whose answer was lost, and leases bounded by size. */
export function describeLeaseRequests(open: Open): void {
  const asked = (backend: Backend, requestId: string, given: Parameters<typeof lease>[1] = {}) =>
    lease(backend, { max: 2, requestId, ...given });

  describe("lease with a request id", () => {
    test("the same one again answers the same leases, and leases nothing", async () => {
      const opened = await open();
      const { backend, advance } = opened;
      await add(backend, {}, {}, {}, {});
      const first = await asked(backend, "r");
      expect(first).toHaveLength(2);
      await advance(1000);
      const again = await asked(backend, "r");
      expect(tokens(again)).toEqual(tokens(first));
      expect(again.map(({ job }) => job)).toEqual(first.map(({ job }) => job));
      for (const { expiresInMs } of again) {
        expect(expiresInMs).toBeLessThanOrEqual(LEASE_MS - 1000);
        expectAbout(LEASE_MS - 1000, expiresInMs, opened);
      }
      expect(ids(await lease(backend))).toHaveLength(2);
    });

    test("it is known whatever else is asked for, and with a max of 0, which leases nothing by itself", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      await add(backend, {}, {});
      expect(await asked(backend, "r", { max: 0 })).toEqual([]);
      const first = await asked(backend, "r", { max: 1 });
      expect(first).toHaveLength(1);
      for (const given of [{ max: 0 }, { max: 7 }, { queues: ["other"] }, { types: ["other"], leaseMs: 1000 }]) {
        expect(tokens(await asked(backend, "r", given))).toEqual(tokens(first));
      }
    });

    test("others, and those of other workers, lease for themselves", async () => {
      const { backend } = await open();
      await add(backend, {}, {}, {}, {});
      const first = await asked(backend, "r", { max: 1 });
      const second = await asked(backend, "s", { max: 1 });
      const third = await asked(backend, "r", { max: 1, worker: "worker-2" });
      expect(new Set([...tokens(first), ...tokens(second), ...tokens(third)]).size).toBe(3);
    });

    test("one that leased nothing is not used up", async () => {
      const { backend } = await open();
      expect(await asked(backend, "r")).toEqual([]);
      const id = await addOne(backend);
      expect(ids(await asked(backend, "r"))).toEqual([id]);
    });

    test("only the leases that are still held are answered, and once none is, it leases anew", async () => {
      const { backend } = await open();
      const jobs = await add(backend, {}, {}, {}, {});
      const leases = await asked(backend, "r", { max: 3 });
      const [first, second, third] = leases;
      if (!first || !second || !third) throw new Error("no leases");
      await backend.complete([done(first)]);
      expect(ids(await asked(backend, "r"))).toEqual([second.job.id, third.job.id]);
      await backend.fail([failed(second)]);
      expect(ids(await asked(backend, "r"))).toEqual([third.job.id]);
      await backend.release([ref(third)]);
      const anew = await asked(backend, "r", { max: 9 });
      // The released one, at its old place, and the one that was never leased.
      expect(ids(anew)).toEqual([jobs[2], jobs[3]]);
      expect(tokens(anew)).not.toContain(third.token);
    });

    test("a lease that another worker holds by now is not answered", async () => {
      const { backend } = await open();
      await addOne(backend);
      const [first] = await asked(backend, "r");
      if (first === undefined) throw new Error("no lease");
      await backend.release([ref(first)]);
      await leaseOne(backend, { worker: "worker-2" });
      expect(await asked(backend, "r")).toEqual([]);
    });

    test("a lease whose job is gone is not answered", async () => {
      const { backend } = await open();
      const [gone] = await add(backend, {}, {});
      const [first, second] = await asked(backend, "r");
      if (gone === undefined || first === undefined || second === undefined) throw new Error("no leases");
      await backend.complete([done(first)]);
      await backend.remove([gone], ["DONE"]);
      expect(tokens(await asked(backend, "r"))).toEqual([second.token]);
    });

    test("it is forgotten after the time of its lease, also when that was extended or lost", async () => {
      const opened = await open();
      const { backend } = opened;
      const [kept, lost] = await add(backend, {}, {});
      const leases = await asked(backend, "r");
      await opened.advance(LEASE_MS / 2);
      const [held] = leases;
      if (held === undefined) throw new Error("no lease");
      await backend.extend([{ ...ref(held), leaseMs: LEASE_MS * 2 }]);
      expect(ids(await asked(backend, "r"))).toEqual([kept, lost]);
      await passTime(opened, LEASE_MS / 2);
      const anew = await asked(backend, "r");
      expect(ids(anew)).toEqual([lost]);
      expect(anew[0]?.job.deliveries).toBe(2);
    });

    test("callers at the same time are answered the same leases", async () => {
      const { backend } = await open();
      await add(backend, ...Array.from({ length: 20 }, () => ({})));
      const answers = await Promise.all(Array.from({ length: 8 }, () => asked(backend, "r")));
      expect(new Set(answers.flatMap(tokens)).size).toBe(2);
      expect(answers.map((leases) => leases.length)).toEqual(answers.map(() => 2));
    });
  });

  describe("lease with a bound in bytes", () => {
    const payload = JSON.stringify("x".repeat(10_000));
    const HUGE = JSON.stringify("x".repeat(1_000_000));

    test("ends with the job that reaches it, over several queues too", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const big = () => ({ payload });
      await add(backend, big(), big(), big());
      await add(backend, { queue: "other", payload });
      expect(await lease(backend, { maxBytes: 15_000 })).toHaveLength(2);
      expect(await lease(backend, { maxBytes: 15_000, queues: ["default", "other"] })).toHaveLength(2);
    });

    test("leases no more than that of jobs of all sizes, of one type and of several, in their order", async () => {
      const { backend } = await open();
      const sizes = Array.from({ length: 60 }, (_, at) => (at % 7 === 6 ? 30_000 : at % 3 === 0 ? 3000 : 10));
      const types = ["echo", "other"];
      const all = await add(
        backend,
        ...sizes.map((size, at) => ({ payload: JSON.stringify("x".repeat(size)), type: types[at % 3 === 1 ? 1 : 0] })),
      );
      const taken: string[] = [];
      while (taken.length < all.length) {
        const leases = await lease(backend, { max: 50, maxBytes: 20_000, types });
        const bytes = leases.map(({ job }) => jobBytes(job));
        const before = bytes.slice(0, -1).reduce((sum, each) => sum + each, 0);
        expect(before).toBeLessThan(20_000);
        expect(leases.length).toBeGreaterThan(0);
        // It ends for no other reason than the bytes, but for a store's estimate.
        if (taken.length + leases.length < all.length) expect(before + (bytes.at(-1) ?? 0)).toBeGreaterThan(15_000);
        taken.push(...ids(leases));
        await backend.complete(leases.map((leased) => done(leased)));
      }
      expect(taken).toEqual(all);
    });

    test("is there by default too, for a store's own sake: all come, and are completed and read at once", async () => {
      const { backend } = await open();
      const all = await add(backend, ...Array.from({ length: 9 }, () => ({ payload: HUGE })));
      const leases: Lease[] = [];
      while (leases.length < all.length) {
        const some = await lease(backend, { max: 20 });
        expect(some.length).toBeGreaterThan(0);
        leases.push(...some);
      }
      expect(ids(leases)).toEqual(all);
      const settled = await backend.complete(leases.map((leased) => ({ ...ref(leased), result: HUGE })));
      expect(settled.map(({ outcome }) => outcome)).toEqual(all.map(() => "APPLIED"));
      const [, , ...rest] = all;
      const read = await backend.get([...rest, "4711", ...all]);
      expect(read.map((job) => job?.id)).toEqual([...rest, undefined, ...all]);
      expect(read.every((job) => job === undefined || job.result === HUGE)).toBe(true);
    });

    test("never keeps the first job back, and does not touch what it leaves", async () => {
      const { backend } = await open();
      const all = await add(backend, { payload }, { payload });
      expect(ids(await lease(backend, { maxBytes: 1 }))).toEqual(all.slice(0, 1));
      expect(await lease(backend, { max: 0, maxBytes: 1 })).toEqual([]);
      const [left] = await lease(backend, { maxBytes: 1 });
      expect(left?.job).toMatchObject({ id: all[1], deliveries: 1, revision: 2 });
    });
  });
}
