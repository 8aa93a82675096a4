import { describe, expect, test } from "vitest";
import { type Observer, silentObserver } from "../../../src/core/observer.js";
import type { Lease } from "../../../src/core/port/leases.js";
import { Fixture } from "../support/fixture.js";

/** An engine whose observer records its calls. */
function observed() {
  const seen: unknown[][] = [];
  const note =
    (name: string) =>
    (...args: unknown[]) => {
      seen.push([name, ...args]);
    };
  const observer: Observer = {
    ...silentObserver,
    leased: note("leased"),
    settled: note("settled"),
    leaseLost: note("leaseLost"),
    expired: note("expired"),
    staleWrite: note("staleWrite"),
  };
  const fixture = new Fixture({ observer });
  const { leasing } = fixture.engine;
  async function lease(): Promise<Lease> {
    const request = { queues: ["default"], types: ["work"], max: 1, leaseMs: 1000, worker: "w" };
    const [lease] = await leasing.lease(request);
    if (lease === undefined) throw new Error("nothing was leased");
    return lease;
  }
  return { fixture, leasing, seen, lease };
}

const ref = ({ job, token }: Lease) => ({ jobId: job.id, token });

describe("leasing", () => {
  test("tells how long a job was ready before it was picked up, and whether it was delivered before", async () => {
    const { fixture, leasing, seen, lease } = observed();
    await fixture.create({ delayMs: 1000 });
    await fixture.clock.advance(1250);
    const first = await lease();
    await leasing.release([ref(first)]);
    await lease();
    expect(seen.filter(([name]) => name === "leased")).toEqual([
      ["leased", "default", "work", 250, false],
      ["leased", "default", "work", 250, true],
    ]);
  });

  test("tells what became of each job and how long it took", async () => {
    const { fixture, leasing, seen, lease } = observed();
    await fixture.create({ maxRetries: 0 });
    await fixture.create({ maxRetries: 1 });
    await fixture.create();
    await fixture.create();
    const [dead, again, done, back] = [await lease(), await lease(), await lease(), await lease()];
    await fixture.clock.advance(40);
    seen.length = 0;
    await leasing.fail([
      { ...ref(dead), error: "x", retry: "DEFAULT" },
      { ...ref(again), error: "x", retry: "DEFAULT" },
    ]);
    await leasing.complete([{ ...ref(done), result: undefined }]);
    await leasing.release([ref(back)]);
    expect(seen).toEqual([
      ["settled", "fail", "default", "work", "DEAD", 40, "error"],
      ["settled", "fail", "default", "work", "PENDING", 40, "error"],
      ["settled", "complete", "default", "work", "DONE", 40, undefined],
      ["settled", "release", "default", "work", "PENDING", 40, undefined],
    ]);
  });

  test("tells why a job failed: as it was said, or as its retry says", async () => {
    const { fixture, leasing, seen, lease } = observed();
    for (let count = 0; count < 3; count++) await fixture.create();
    const [error, permanent, timeout] = [await lease(), await lease(), await lease()];
    await leasing.fail([
      { ...ref(error), error: "x", retry: { afterMs: 1 } },
      { ...ref(permanent), error: "x", retry: "NEVER" },
      { ...ref(timeout), error: "x", retry: "DEFAULT", reason: "timeout" },
    ]);
    const settled = seen.filter(([name]) => name === "settled");
    expect(settled.map((each) => each.at(-1))).toEqual(["error", "permanent", "timeout"]);
  });

  test("tells a lease that is given back as lost, and is silent about one that came too late", async () => {
    const { fixture, leasing, seen, lease } = observed();
    await fixture.create();
    const gone = { ...ref(await lease()), isLost: true };
    seen.length = 0;
    await leasing.release([gone]);
    await leasing.release([{ ...gone, token: "other" }]);
    expect(seen).toEqual([["leaseLost", "default", "work", "PENDING"]]);
  });

  test("tells a write that came too late, and no repeat of one that was done", async () => {
    const { fixture, leasing, seen, lease } = observed();
    await fixture.create();
    const first = await lease();
    await leasing.release([ref(first)]);
    const second = await lease();
    await leasing.complete([{ ...ref(second), result: undefined }]);
    seen.length = 0;
    const late = await leasing.fail([{ ...ref(first), error: "x", retry: "DEFAULT" }]);
    const repeated = await leasing.complete([{ ...ref(second), result: undefined }]);
    expect([...late, ...repeated]).toEqual([{ outcome: "LEASE_LOST" }, { outcome: "ALREADY_APPLIED" }]);
    expect(seen).toEqual([["staleWrite", "fail"]]);
  });

  test("adds the jitter to a backoff", async () => {
    const { fixture, leasing, lease } = observed();
    const id = await fixture.create({ backoff: { baseDelayMs: 1000 } });
    await leasing.fail([{ ...ref(await lease()), error: "x", retry: "DEFAULT" }]);
    // The random source of the fixture returns 0.
    expect((await fixture.get(id)).runAfter).toBe(fixture.clock.now() + 1000);
  });
});
