import { afterEach, expect, test, vi } from "vitest";
import { JobStore } from "../../../src/backends/memory/job-store.js";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import { DEFAULT_QUEUE_SETTINGS } from "../../../src/model/queue/queue.js";
import { FakeClock } from "../../support/fake-clock.js";
import { newJob } from "../../support/job.js";

afterEach(() => vi.restoreAllMocks());

/** A backend with so many queues, and the names of those that its next tick visits. */
async function withQueues(count: number) {
  const clock = new FakeClock();
  const backend = createMemoryBackend({ clock, random: () => 0.5 }, { completeJobTtlMs: 60_000 });
  for (let at = 0; at < count; at++) await backend.createQueue(`q${at}`, DEFAULT_QUEUE_SETTINGS);
  // Every visit looks whether finished jobs are too old.
  const trim = vi.spyOn(JobStore.prototype, "trim");
  const visited = async () => {
    trim.mockClear();
    const { nextInMs } = await backend.tick();
    return { queues: [...new Set(trim.mock.calls.map(([queue]) => queue.name))], nextInMs };
  };
  return { clock, backend, visited };
}

test("a tick visits the queues that have changed and those whose time has come, of 10,000", async () => {
  const { clock, backend, visited } = await withQueues(10_000);
  await visited();
  expect(await visited()).toEqual({ queues: [], nextInMs: undefined });
  await backend.enqueue([newJob({ id: "q7-1", queue: "q7", delayMs: 5000 })]);
  await backend.enqueue([newJob({ id: "q8-2", queue: "q8", runAfter: clock.now() + 9000 })]);
  expect(await visited()).toEqual({ queues: ["q7", "q8"], nextInMs: 5000 });
  expect(await visited()).toEqual({ queues: [], nextInMs: 5000 });
  await clock.advance(5000);
  expect(await visited()).toEqual({ queues: ["q7"], nextInMs: 4000 });
  await clock.advance(4000);
  expect(await visited()).toEqual({ queues: ["q8"], nextInMs: undefined });
  await backend.updateQueue("q9", { completedTtlMs: 1000 });
  expect((await visited()).queues).toEqual(["q9"]);
});

test("a deleted queue is not visited, though a job of it would be due", async () => {
  const { clock, backend, visited } = await withQueues(3);
  await backend.enqueue([newJob({ id: "q1-1", queue: "q1", delayMs: 5000 })]);
  expect((await visited()).nextInMs).toBe(5000);
  await backend.deleteQueue("q1", true);
  await clock.advance(5000);
  expect(await visited()).toEqual({ queues: [], nextInMs: undefined });
});

test.each([
  ["are due", { delayMs: 5000 }],
  ["expire", { ttlMs: 5000 }],
])("a queue of which many jobs %s keeps no other from the work of ticks", async (_, given) => {
  const { clock, backend, visited } = await withQueues(2);
  const jobs = Array.from({ length: 5000 }, () => newJob({ queue: "q0", ...given }));
  for (let from = 0; from < jobs.length; from += 500) await backend.enqueue(jobs.slice(from, from + 500));
  await backend.enqueue([newJob({ queue: "q1", ...given })]);
  await visited();
  await clock.advance(5000);
  expect(await visited()).toEqual({ queues: ["q0", "q1"], nextInMs: 0 });
  expect(await visited()).toEqual({ queues: ["q1", "q0"], nextInMs: 0 });
  for (let ticks = 0; (await visited()).nextInMs === 0; ticks++) expect(ticks).toBeLessThan(10);
  expect((await visited()).queues).toEqual([]);
});
