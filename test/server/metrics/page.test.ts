import { expect, onTestFinished, test } from "vitest";
import { createMemoryBackend } from "../../../src/backends/memory/memory-backend.js";
import type { Backend } from "../../../src/core/backend.js";
import { backendUnavailable } from "../../../src/model/common/errors.js";
import { createMetrics } from "../../../src/server/metrics/metrics.js";
import { readExposition } from "../../support/exposition.js";
import { FakeClock } from "../../support/fake-clock.js";

function metricsOf(backend: Backend) {
  const metrics = createMetrics({
    backend: () => backend,
    workers: () => [],
    activeWorkers: () => 0,
    isAvailable: () => true,
    isMemoryFull: () => false,
    types: [],
    monotonic: () => 0,
    version: "1",
    node: () => 0,
  });
  onTestFinished(() => metrics.stop());
  return metrics;
}

const memory = () => createMemoryBackend({ clock: new FakeClock(), random: () => 0 });

test("scrapes that come at once share a page", async () => {
  const backend = memory();
  let readings = 0;
  const counted: Backend = {
    ...backend,
    queueNames() {
      readings++;
      return backend.queueNames();
    },
  };
  const metrics = metricsOf(counted);
  const pages = await Promise.all(Array.from({ length: 20 }, () => metrics.page()));
  expect(new Set(pages).size).toBe(1);
  // Once for the number of queues, and once for their figures.
  expect(readings).toBe(2);
});

test.each([
  ["claimed", { claimFigures: () => Promise.reject(backendUnavailable("Redis is away")) }],
  ["read", { queues: () => Promise.reject(backendUnavailable("Redis is away")) }],
])("figures of queues that cannot be %s are left out, and all else is told", async (_how, broken) => {
  const page = readExposition((await metricsOf({ ...memory(), ...broken }).page()).body);
  expect(page.problems).toEqual([]);
  const names = new Set(page.series.map(({ name }) => name));
  expect(names).not.toContain("gotaskq_queue_depth");
  expect(names).toContain("gotaskq_build_info");
  expect(page.series.find(({ name }) => name === "gotaskq_tells_queues")?.value).toBe(0);
});

test("a name is given to one metric only", () => {
  const { meter } = metricsOf(memory());
  expect(() => meter.counter("gotaskq_queues", "Again.")).toThrow("two metrics with the name gotaskq_queues");
});
