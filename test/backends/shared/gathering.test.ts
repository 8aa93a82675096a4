import { describe, expect, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { createSystemClock } from "../../../src/core/clock.js";
import { newJob } from "../../support/job.js";
import { add, createQueue, done, expectRefused, lease, statuses } from "../contract/support.js";
import { connect, openStore, socketPath } from "./support.js";

/** A server on a store that counts what its backend is asked. */
async function open() {
  const kept = createMemoryBackend({ clock: createSystemClock(), random: Math.random });
  const calls: string[] = [];
  const counted = Object.fromEntries(
    Object.entries(kept).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      const operation = (...args: readonly unknown[]) => {
        calls.push(name);
        return (value as (...args: readonly unknown[]) => unknown)(...args);
      };
      return [name, operation];
    }),
  ) as unknown as Backend;
  const path = socketPath();
  await openStore(path, createSystemClock(), counted);
  const { backend } = await connect(path);
  calls.length = 0;
  return { backend, calls };
}

describe("calls of one turn", () => {
  test("are one create, and one settlement of a kind, at the store; each caller has its own results", async () => {
    const { backend, calls } = await open();
    const ids = (await Promise.all(Array.from({ length: 64 }, () => add(backend, {}, {})))).flat();
    expect(calls).toEqual(["enqueue"]);
    expect(await statuses(backend, ids)).toEqual(ids.map(() => "PENDING"));
    const leases = await lease(backend);
    calls.length = 0;
    const lost = { jobId: ids[0] ?? "", token: "x", result: undefined };
    const outcomes = await Promise.all([
      ...leases.map((each) => backend.complete([done(each, '"done"')])),
      backend.complete([lost]),
      backend.complete([]),
    ]);
    expect(calls).toEqual(["complete"]);
    expect(outcomes.slice(0, 128).every(([first]) => first?.outcome === "APPLIED")).toBe(true);
    expect(outcomes.slice(128)).toEqual(
      [[{ outcome: "ALREADY_APPLIED" }], []].map((each, at) => (at === 0 ? [{ outcome: "LEASE_LOST" }] : each)),
    );
    expect((await backend.get(ids)).every((job) => job?.result === '"done"')).toBe(true);
  });

  test("are created each by itself when they are refused together: only those fail that would have failed alone", async () => {
    const { backend } = await open();
    await createQueue(backend, "small", { maxDepth: 1 });
    const [good, missing, first, full, batch] = [
      add(backend, {}),
      add(backend, { queue: "nowhere" }),
      add(backend, { queue: "small" }),
      add(backend, { queue: "small" }),
      add(backend, {}, { queue: "nowhere" }),
    ];
    await Promise.all([
      expectRefused(missing, "QUEUE_NOT_FOUND"),
      expectRefused(full, "QUEUE_FULL"),
      expectRefused(batch, "QUEUE_NOT_FOUND"),
    ]);
    const ids = [...(await good), ...(await first)];
    expect(await statuses(backend, ids)).toEqual(["PENDING", "PENDING"]);
    expect((await backend.queues()).map(({ stats }) => stats.ready)).toEqual([1, 1]);
  });

  test("name the item that was refused by its place in its own batch", async () => {
    const { backend } = await open();
    const [, second] = [newJob({ requestId: "r", digest: "a" }), newJob({ requestId: "r", digest: "b" })];
    await backend.enqueue([newJob({ requestId: "r", digest: "a" })]);
    const refused = [add(backend, {}), backend.enqueue([newJob(), second])];
    await expect(refused[1]).rejects.toMatchObject({ violations: [{ field: "requests[1].requestId" }] });
    expect(await refused[0]).toHaveLength(1);
  });

  test("go in parts when they are many or large, and all are answered", async () => {
    const { backend, calls } = await open();
    const payload = JSON.stringify("x".repeat(500_000));
    const ids = (await Promise.all(Array.from({ length: 30 }, () => add(backend, { payload })))).flat();
    expect(calls.filter((name) => name === "enqueue").length).toBeGreaterThan(2);
    expect(calls.filter((name) => name === "enqueue").length).toBeLessThan(10);
    const many = await Promise.all(Array.from({ length: 2500 }, () => add(backend, {})));
    expect(new Set(many.flat()).size).toBe(2500);
    calls.length = 0;
    // An answer has no more than 4 MiB of jobs, and is asked for until all are there.
    const jobs = await backend.get([...ids, "4711"]);
    expect(jobs.map((job) => job?.payload)).toEqual([...ids.map(() => payload), undefined]);
    expect(calls.length).toBeGreaterThan(2);
    const page = await backend.list({ queue: "default", limit: 1000, order: "OLDEST" });
    expect(page.jobs.length).toBeLessThan(15);
    expect(page.next).toBeDefined();
    expect((await lease(backend)).length).toBeLessThan(15);
  });
});
