import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Exposition, readExposition } from "../../support/exposition.js";
import { startTestServer } from "../../support/server.js";

const value = (page: Exposition, name: string, labels: Record<string, string> = {}) =>
  page.series.find((each) => {
    return each.name === name && Object.entries(labels).every(([key, text]) => each.labels[key] === text);
  })?.value;

test("a store in a file tells its sizes, and how long commits take and how many operations share one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gotaskq-metrics-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const server = await startTestServer({ DATA_DIR: folder, NUM_WORKERS: "0" });
  await Promise.all(Array.from({ length: 50 }, () => server.engine.jobs.create({ type: "work", payload: "[1]" })));
  const page = readExposition(await server.metrics());
  expect(page.problems).toEqual([]);
  for (const call of ["commit", "sync"]) {
    const count = value(page, "gotaskq_store_call_duration_seconds_count", { call }) ?? 0;
    expect(count).toBeGreaterThan(0);
    expect((value(page, "gotaskq_store_callers_total", { call }) ?? 0) / count).toBeGreaterThan(2);
  }
  expect(value(page, "gotaskq_store_bytes", { part: "jobs" })).toBeGreaterThanOrEqual(50 * 200);
  expect(value(page, "gotaskq_store_bytes", { part: "file" })).toBeGreaterThan(0);
  expect(value(page, "gotaskq_store_bytes", { part: "wal" })).toBeGreaterThan(0);
  expect(value(page, "gotaskq_store_disk_free_bytes")).toBeGreaterThan(0);
  expect(value(page, "gotaskq_store_pending")).toBe(0);
  expect(value(page, "gotaskq_store_limit_bytes")).toBeUndefined();
});
