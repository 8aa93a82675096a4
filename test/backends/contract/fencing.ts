import { describe, expect, test } from "vitest";
import type { Backend } from "../../../src/core/backend.js";
import type { LeaseRef } from "../../../src/core/port/leases.js";
import type { Outcome } from "../../../src/model/job/outcome.js";
import type { Open } from "./harness.js";
import {
  add,
  addOne,
  createQueue,
  done,
  expectAbout,
  expectUntouched,
  failed,
  jobOf,
  LEASE_MS,
  lease,
  leaseOne,
  only,
  passTime,
  ref,
} from "./support.js";

type Settle = "complete" | "fail" | "release";

const SETTLES: readonly Settle[] = ["complete", "fail", "release"];

/** Settles a lease in one of the possible ways. */
async function settle(backend: Backend, kind: Settle, given: LeaseRef): Promise<Outcome> {
  if (kind === "complete") return only(await backend.complete([{ ...given, result: '"late"' }])).outcome;
  if (kind === "release") return only(await backend.release([given])).outcome;
  return only(await backend.fail([{ ...given, error: "late", retry: "DEFAULT", jitter: 0 }])).outcome;
}

/** Every write of a worker is checked against its token. */
export function describeFencing(open: Open): void {
  describe("complete", () => {
    test.each([
      ["JSON text", '{"ok": [1, 2]}'],
      ["bytes", Uint8Array.of(0, 255, 128)],
      ["nothing", undefined],
    ])("makes the job DONE with a result of %s, and tells what it did", async (_name, result) => {
      const opened = await open();
      const { backend, advance } = opened;
      await createQueue(backend, "work");
      const id = await addOne(backend, { queue: "work", type: "t" });
      const leased = await leaseOne(backend, { queues: ["work"], types: ["t"] });
      await advance(1500);
      const settlement = only(await backend.complete([done(leased, result)]));
      expectAbout(settlement.applied?.durationMs, 1500, opened);
      expect(settlement).toMatchObject({ outcome: "APPLIED", applied: { queue: "work", type: "t", status: "DONE" } });
      const job = await jobOf(backend, id);
      expect(job.result instanceof Uint8Array ? [...job.result] : job.result).toEqual(
        result instanceof Uint8Array ? [...result] : result,
      );
      expect(job).toMatchObject({ status: "DONE", revision: 3, retryCount: 0, error: "", worker: "worker-1" });
      expectAbout(job.finishedAt, (leased.job.startedAt ?? 0) + 1500, opened);
      expect(job.updatedAt).toBe(job.finishedAt);
    });
  });

  describe("fencing", () => {
    test.each(SETTLES)("the token of a lost lease cannot %s, and changes nothing", async (kind) => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const old = await leaseOne(backend);
      await passTime(opened, LEASE_MS);
      // While the job waits, and while another worker runs it.
      await expectUntouched(backend, [id], async () => {
        expect(await settle(backend, kind, ref(old))).toBe("LEASE_LOST");
      });
      const current = await leaseOne(backend, { worker: "worker-2" });
      expect(current.token).not.toBe(old.token);
      await expectUntouched(backend, [id], async () => {
        expect(await settle(backend, kind, ref(old))).toBe("LEASE_LOST");
        expect(await backend.extend([{ ...ref(old), leaseMs: 99_000, progress: { percent: 1, message: "" } }])).toEqual(
          [{ outcome: "LEASE_LOST", expiresInMs: 0 }],
        );
      });
      expect(await settle(backend, kind, ref(current))).toBe("APPLIED");
    });

    test.each(SETTLES.flatMap((first) => SETTLES.map((second) => [first, second] as const)))(
      "the token that did %s once changes nothing with %s, and is told so",
      async (first, second) => {
        const { backend } = await open();
        const id = await addOne(backend);
        const leased = await leaseOne(backend);
        expect(await settle(backend, first, ref(leased))).toBe("APPLIED");
        await expectUntouched(backend, [id], async () => {
          const told = first === second ? "ALREADY_APPLIED" : "LEASE_LOST";
          expect(await settle(backend, second, ref(leased))).toBe(told);
          expect(await backend.extend([{ ...ref(leased), leaseMs: 1000 }])).toMatchObject([{ outcome: "LEASE_LOST" }]);
        });
      },
    );

    test("a token that settled an earlier delivery does nothing to the next one", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const first = await leaseOne(backend);
      await backend.release([ref(first)]);
      const second = await leaseOne(backend);
      await expectUntouched(backend, [id], async () => {
        expect(await settle(backend, "release", ref(first))).toBe("ALREADY_APPLIED");
        expect(await settle(backend, "complete", ref(first))).toBe("LEASE_LOST");
        expect(await settle(backend, "fail", ref(first))).toBe("LEASE_LOST");
      });
      expect(await settle(backend, "complete", ref(second))).toBe("APPLIED");
    });

    test("a token is good for its own job only, and a made-up one for none", async () => {
      const { backend } = await open();
      const [running, other, waiting] = await add(backend, {}, {}, { delayMs: 60_000 });
      if (!running || !other || !waiting) throw new Error("no jobs");
      const [first, second] = await lease(backend);
      await expectUntouched(backend, [running, other, waiting], async () => {
        for (const kind of SETTLES) {
          for (const jobId of [running, other, waiting, "123"]) {
            const tokens = ["", "x", first?.token, second?.token].filter((token) => token !== undefined);
            const owner = [first, second].find((given) => given?.job.id === jobId)?.token;
            for (const token of tokens.filter((each) => each !== owner)) {
              expect(await settle(backend, kind, { jobId, token })).toBe("LEASE_LOST");
              const extension = only(await backend.extend([{ jobId, token, leaseMs: LEASE_MS }]));
              expect(extension).toEqual({ outcome: "LEASE_LOST", expiresInMs: 0 });
            }
          }
        }
      });
    });

    test("a token of another queue does nothing, and is told so", async () => {
      const { backend } = await open();
      await createQueue(backend, "other");
      const id = await addOne(backend);
      await addOne(backend, { queue: "other" });
      const mine = await leaseOne(backend);
      const { token } = await leaseOne(backend, { queues: ["other"] });
      await expectUntouched(backend, [id], async () => {
        for (const kind of SETTLES) expect(await settle(backend, kind, { jobId: id, token })).toBe("LEASE_LOST");
      });
      await backend.cancel(id);
      await backend.release([ref(mine)]);
      for (const kind of SETTLES) expect(await settle(backend, kind, { jobId: id, token })).toBe("CANCELED");
    });

    test("a deleted job answers LEASE_LOST", async () => {
      const { backend } = await open();
      await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.complete([done(leased)]);
      await backend.remove([leased.job.id], ["DONE"]);
      for (const kind of SETTLES) expect(await settle(backend, kind, ref(leased))).toBe("LEASE_LOST");
    });

    test("a batch is answered item by item, in order", async () => {
      const opened = await open();
      const { backend } = opened;
      await add(backend, {}, {}, {});
      const stale = await leaseOne(backend, { leaseMs: 1000 });
      await passTime(opened, 1000);
      const [again, second, third] = await lease(backend);
      if (!again || !second || !third) throw new Error("no leases");
      await backend.cancel(third.job.id);
      const outcomes = async (answers: Promise<readonly { outcome: Outcome }[]>) =>
        (await answers).map(({ outcome }) => outcome);
      expect(await backend.complete([])).toEqual([]);
      expect(await outcomes(backend.complete([done(stale), done(again), done(again)]))).toEqual([
        "LEASE_LOST",
        "APPLIED",
        "ALREADY_APPLIED",
      ]);
      expect(await outcomes(backend.fail([failed(third), failed(again), failed(second), failed(stale)]))).toEqual([
        "CANCELED",
        "LEASE_LOST",
        "APPLIED",
        "LEASE_LOST",
      ]);
      expect(await outcomes(backend.release([ref(third), ref(second)]))).toEqual(["CANCELED", "LEASE_LOST"]);
    });

    test("of writes at the same time with one token exactly one is applied", async () => {
      const { backend } = await open();
      const id = await addOne(backend);
      const leased = ref(await leaseOne(backend));
      const outcomes = await Promise.all(
        Array.from({ length: 9 }, (_, at) => settle(backend, SETTLES[at % 3] ?? "complete", leased)),
      );
      expect(outcomes.filter((outcome) => outcome === "APPLIED")).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === "ALREADY_APPLIED")).toHaveLength(2);
      expect(outcomes.filter((outcome) => outcome === "LEASE_LOST")).toHaveLength(6);
      expect((await jobOf(backend, id)).deliveries).toBe(1);
    });
  });

  describe("extend", () => {
    test("progress is stored as a visible change; an extension without it is none", async () => {
      const opened = await open();
      const { backend } = opened;
      const id = await addOne(backend);
      const leased = await leaseOne(backend);
      await expectUntouched(backend, [id], async () => {
        const extended = only(await backend.extend([{ ...ref(leased), leaseMs: 20_000 }]));
        expect(extended.outcome).toBe("OK");
        expect(extended.expiresInMs).toBeCloseTo(20_000);
      });
      await opened.advance(2000);
      const [result] = await backend.extend([{ ...ref(leased), progress: { percent: 12.5, message: "résumé" } }]);
      expect(result?.outcome).toBe("OK");
      expectAbout(20_000 - (result?.expiresInMs ?? 0), 2000, opened);
      const job = await jobOf(backend, id);
      expect(job).toMatchObject({ status: "RUNNING", revision: 3, progress: { percent: 12.5, message: "résumé" } });
      await backend.complete([done(leased)]);
      expect((await jobOf(backend, id)).progress).toEqual({ percent: 12.5, message: "résumé" });
    });

    test("a new delivery starts without the progress of the one before", async () => {
      const { backend } = await open();
      await addOne(backend);
      const leased = await leaseOne(backend);
      await backend.extend([{ ...ref(leased), progress: { percent: 90, message: "nearly" } }]);
      await backend.release([ref(leased)]);
      expect((await leaseOne(backend)).job.progress).toBeUndefined();
    });
  });
}
