import { describe, expect, test } from "vitest";
import { JobStore } from "../../../src/backends/memory/job-store.js";
import { enqueue } from "../../../src/backends/memory/operations/enqueue.js";
import { lease, takeBack } from "../../../src/backends/memory/operations/lease.js";
import { release } from "../../../src/backends/memory/operations/settle.js";
import { DEFAULT_BACKEND_OPTIONS } from "../../../src/core/backend.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";

function open() {
  const clock = new FakeClock();
  const store = new JobStore(
    { clock, random: () => 0.5 },
    { ...DEFAULT_BACKEND_OPTIONS, maxCompletedBytes: 1e9 },
    1000,
  );
  const create = (holdMs = 0) => {
    const [result] = enqueue(store, [newJob({ unique: { key: "k", until: "STARTED", holdMs } })]);
    store.announce();
    return result?.id;
  };
  const take = () => lease(store, { queues: ["default"], types: ["echo"], max: 1, leaseMs: 9000, worker: "w" });
  const holder = () => store.claims.holder(store.queue("default"), "k")?.id;
  return { clock, store, create, take, holder };
}

describe("a lease that reached nobody is taken back as if it had never been", () => {
  test("its job takes its unique key back", () => {
    const { store, create, take, holder } = open();
    const id = create();
    const leases = take();
    expect(holder()).toBeUndefined();
    takeBack(store, leases);
    expect(holder()).toBe(id);
    take();
    expect(holder()).toBeUndefined();
  });

  test("unless another has taken it: it goes without it then", () => {
    const { store, create, take, holder } = open();
    create();
    const leases = take();
    const other = create();
    takeBack(store, leases);
    expect(holder()).toBe(other);
  });

  test("with its hold, which goes on", async () => {
    const { clock, store, create, take, holder } = open();
    const id = create(5000);
    takeBack(store, take());
    await clock.advance(6000);
    expect(holder()).toBe(id);
    take();
    expect(holder()).toBeUndefined();
  });

  test("but not by one that had begun before: it had let go of its key then", () => {
    const { store, create, take, holder } = open();
    create();
    const [first] = take();
    release(store, [{ jobId: first?.job.id ?? "", token: first?.token ?? "" }]);
    const again = take();
    expect(again).toHaveLength(1);
    takeBack(store, again);
    expect(holder()).toBeUndefined();
  });
});
