import { expect, test } from "vitest";
import { JobQueueCache } from "../../../../src/backends/redis/queues/job-queue-cache.js";

test("the queues of the jobs that were seen last are remembered, and no more than 100,000 of them", () => {
  const locations = new JobQueueCache();
  const count = 250_000;
  for (let id = 0; id < count; id++) locations.note(String(id), `queue-${id % 7}`);
  expect(locations.of("nobody")).toBeUndefined();
  const known = Array.from({ length: count }, (_, id) => locations.of(String(id)) !== undefined);
  expect(known.filter(Boolean).length).toBeLessThanOrEqual(100_000);
  for (let id = count - 50_000; id < count; id++) expect(locations.of(String(id))).toBe(`queue-${id % 7}`);
});

test("a job that is seen again and again is not forgotten", () => {
  const locations = new JobQueueCache();
  for (let id = 0; id < 250_000; id++) {
    locations.note(String(id), "other");
    if (id % 1000 === 0) locations.note("mine", "here");
  }
  expect(locations.of("mine")).toBe("here");
});
