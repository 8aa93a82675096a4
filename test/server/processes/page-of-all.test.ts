import { expect, test } from "vitest";
import { mergePages, type PagePart } from "../../../src/server/metrics/merge-pages.js";
import { createPageOfAll } from "../../../src/server/processes/page-of-all.js";
import { readExposition } from "../../support/exposition.js";
import { seriesValue } from "../../support/metrics.js";

function part(jobs: number, busy: number, across: PagePart["across"] = {}): PagePart {
  const body = [
    "# HELP jobs_total Jobs, counted\\nby all.",
    "# TYPE jobs_total counter",
    `jobs_total{queue="a b"} ${jobs}`,
    "# HELP busy Now.",
    "# TYPE busy gauge",
    `busy ${busy}`,
    "",
    "# HELP took_seconds How long.",
    "# TYPE took_seconds histogram",
    `took_seconds_bucket{le="1"} ${jobs}`,
    `took_seconds_bucket{le="+Inf"} ${jobs + 1}`,
    "took_seconds_sum 0.5",
    `took_seconds_count ${jobs + 1}`,
    "",
  ].join("\n");
  return { body, across };
}

test("counters, histograms and gauges are added up by their labels", async () => {
  const page = await mergePages([part(1, 2), part(10, 20), { body: 'jobs_total{queue="b"} 5\n', across: {} }]);
  expect(readExposition(page).problems).toEqual([]);
  expect(seriesValue(page, 'jobs_total{queue="a b"}')).toBe(11);
  expect(seriesValue(page, "busy")).toBe(22);
  expect(seriesValue(page, 'took_seconds_bucket{le="+Inf"}')).toBe(13);
  expect(seriesValue(page, "took_seconds_sum")).toBe(1);
});

test("a series that only one of them has comes with those of its metric", async () => {
  const other = { body: '# HELP jobs_total J.\n# TYPE jobs_total counter\njobs_total{queue="b"} 5\n', across: {} };
  const page = await mergePages([part(1, 0), other]);
  expect(readExposition(page).problems).toEqual([]);
  expect(page).toContain('jobs_total{queue="a b"} 1\njobs_total{queue="b"} 5\n# HELP busy');
});

test.each([
  ["max", 20],
  ["min", 2],
] as const)("a gauge of what all see alike is not multiplied: %s", async (across, value) => {
  const page = await mergePages([part(1, 2, { busy: across }), part(1, 20, { busy: across })]);
  expect(seriesValue(page, "busy")).toBe(value);
});

test("values that are no finite numbers stay what they are", async () => {
  const page = await mergePages([
    part(1, Number.NaN),
    { ...part(1, 1), body: part(1, 1).body.replace("busy 1", "busy +Inf") },
  ]);
  expect(seriesValue(page, "busy")).toBeNaN();
  const infinite = { ...part(1, 1), body: part(1, 1).body.replace("busy 1", "busy -Inf") };
  expect(await mergePages([infinite])).toContain("busy -Inf\n");
});

test("what processes had counted stays in the sum when they end, once, and their gauges go", async () => {
  const running = new Map([
    ["one", part(5, 1)],
    ["other", part(7, 1)],
  ]);
  const page = createPageOfAll({
    own: async () => ({ body: "", across: {} }),
    read: async () => {},
    parts: () => [...running.values()],
  });
  const values = async () => {
    const body = await page.make();
    expect(readExposition(body).problems).toEqual([]);
    return ['jobs_total{queue="a b"}', "busy", 'took_seconds_bucket{le="1"}'].map((name) => seriesValue(body, name));
  };
  expect(await values()).toEqual([12, 2, 12]);
  for (const name of ["one", "other"]) {
    page.ended(running.get(name) as PagePart);
    running.set(name, part(0, 1));
    expect((await values())[0]).toBe(12);
  }
  page.ended(part(3, 9));
  expect(await values()).toEqual([15, 2, 15]);
  expect(await values()).toEqual([15, 2, 15]);
});

test("what is kept of processes that have ended is bounded", async () => {
  const page = createPageOfAll(
    { own: async () => ({ body: "", across: {} }), read: async () => {}, parts: () => [part(1, 1)] },
    10,
  );
  page.ended(part(5, 1));
  page.ended(part(5, 1));
  expect(seriesValue(await page.make(), 'jobs_total{queue="a b"}')).toBe(11);
  expect(seriesValue(await page.make(), 'jobs_total{queue="a b"}')).toBe(1);
});
