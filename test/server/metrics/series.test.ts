import { Counter, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { headOf, type Metric, SeriesCounter, SeriesHistogram } from "../../../src/server/metrics/series.js";

const inOrder = (page: string) => page.trim().split("\n").sort();

/** The lines of the library's page in a fixed order. */
const linesOf = async (registry: Registry) => inOrder(await registry.metrics());

/** The lines of our metric in the same order. */
const ourLines = (metric: Metric) => inOrder(headOf(metric) + [...metric.lines()].join(""));

test("a counter is written as the library writes its own", async () => {
  const theirs = new Registry();
  const counter = new SeriesCounter("jobs_total", "Jobs.");
  const expected = new Counter({ name: "jobs_total", help: "Jobs.", labelNames: ["queue"], registers: [theirs] });
  const [first, second] = [counter.series({ queue: 'a"\\\n' }), counter.series({ queue: "b" })];
  counter.series({ queue: "nothing came" });
  first.value += 3;
  second.value++;
  expected.inc({ queue: 'a"\\\n' }, 3);
  expected.inc({ queue: "b" });
  expect(ourLines(counter)).toEqual(await linesOf(theirs));
});

test("a histogram is written as the library writes its own", async () => {
  const theirs = new Registry();
  const buckets = [0.1, 1, 10];
  const histogram = new SeriesHistogram("wait_seconds", "Waits.", buckets);
  const expected = new Histogram({
    ...{ name: "wait_seconds", help: "Waits.", labelNames: ["method", "code"], registers: [theirs], buckets },
  });
  const series = histogram.series({ method: "Get", code: "ok" });
  histogram.series({ method: "Get", code: "nothing came" });
  for (const value of [0, 0.1, 0.1000001, 1, 5, 10, 11, 1000]) {
    series.observe(value);
    expected.observe({ method: "Get", code: "ok" }, value);
  }
  const sorted = (lines: string[]) =>
    lines.map((line) => line.replace(/\{(.*)\}/, (_, all) => all.split(",").sort().join()));
  expect(sorted(ourLines(histogram)).sort()).toEqual(sorted(await linesOf(theirs)).sort());
});
