import { expect, test } from "vitest";
import { JobStore } from "../../../src/backends/memory/job-store.js";
import { createQueue } from "../../../src/backends/memory/operations/admin.js";
import { enqueue } from "../../../src/backends/memory/operations/enqueue.js";
import { lease, takeBack } from "../../../src/backends/memory/operations/lease.js";
import { DEFAULT_BACKEND_OPTIONS } from "../../../src/core/backend.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";

/** A store with a queue that gives keys turns. */
function fairStore(jobs: string, maxConcurrencyPerKey = 0) {
  const deps = { clock: new FakeClock(), random: () => 0 };
  const store = new JobStore(deps, { ...DEFAULT_BACKEND_OPTIONS, maxCompletedBytes: 1e9 }, 1000);
  createQueue(store, "fair", { ...DEFAULT_QUEUE_SETTINGS, ordering: "FAIR", maxConcurrencyPerKey });
  // A job is "a" or, of another type, "A".
  enqueue(
    store,
    [...jobs].map((key) => {
      return newJob({ queue: "fair", key: key.toLowerCase(), type: key < "a" ? "other" : "echo" });
    }),
  );
  return {
    store,
    take: (max: number, types = ["echo", "other"]) =>
      lease(store, { queues: ["fair"], types, max, leaseMs: 10_000, worker: "w" }),
  };
}

const keysOf = (leases: ReturnType<typeof lease>) => leases.map(({ job }) => job.key).join("");

test("a lease that reached nobody gives the turn of its key back", () => {
  const { store, take } = fairStore("aaaabbbb");
  expect(keysOf(take(4))).toBe("abab");
  takeBack(store, take(1));
  // "a" has had as many turns as "b".
  expect(keysOf(take(2))).toBe("ab");
});

test("and so it does for all types of which the key has jobs", () => {
  const { store, take } = fairStore("aAAbbbB");
  expect(keysOf(take(2))).toBe("ab");
  const lost = take(1, ["other"]);
  expect(keysOf(lost)).toBe("a");
  expect(keysOf(take(1, ["other"]))).toBe("b");
  takeBack(store, lost);
  expect(keysOf(take(2, ["other"]))).toBe("aa");
});

test("a key that ran as many jobs as it may has room again", () => {
  const { store, take } = fairStore("aab", 1);
  const leases = take(3);
  expect(keysOf(leases)).toBe("ab");
  takeBack(store, leases.slice(0, 1));
  expect(keysOf(take(3))).toBe("a");
  expect(store.queue("fair").snapshot(0, undefined).stats).toMatchObject({ ready: 0, running: 2 });
});
