import type { Registry } from "prom-client";
import { type Labels, ReadMetric, type Sample, SeriesCounter, SeriesHistogram } from "./series.js";

/** Upper bounds of the buckets of all histograms, s. */
export const SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1800, 3600,
];

/** Values by labels, as they are when the page is made. */
export type ReadSamples = () => readonly Sample[];

/** Makes metrics of one page. A name is given once. */
export interface Meter {
  /**
   * A counter whose series are held by those who count. Its name ends in `_total`. With `tellsZeros` those that counted nothing are
   * told too: what is alerted on must be seen to grow from 0.
   */
  counter(name: string, help: string, options?: { readonly tellsZeros: boolean }): SeriesCounter;
  /** A histogram of seconds whose series are held by those who observe. */
  histogram(name: string, help: string): SeriesHistogram;
  /** A gauge that is read when the page is made; undefined: it has no value now. */
  gauge(name: string, help: string, read: () => number | undefined): void;
  /** Gauges by labels, read when the page is made. The labels must be bounded in number. */
  gauges(name: string, help: string, read: ReadSamples): void;
  /** Counters that are kept elsewhere, read when the page is made. The name ends in `_total`. */
  counters(name: string, help: string, read: ReadSamples): void;
}

/** Creates a meter whose metrics are those of a registry. */
export function createMeter(registry: Registry): Meter {
  const read = (name: string, help: string, type: "counter" | "gauge", samples: ReadSamples) =>
    void new ReadMetric(name, help, type, samples, registry);
  return {
    counter: (name, help, options) => new SeriesCounter(name, help, registry, options?.tellsZeros),
    histogram: (name, help) => new SeriesHistogram(name, help, SECONDS, registry),
    gauge: (name, help, value) => read(name, help, "gauge", () => sampleOf(value())),
    gauges: (name, help, samples) => read(name, help, "gauge", samples),
    counters: (name, help, samples) => read(name, help, "counter", samples),
  };
}

const NO_LABELS: Labels = {};

function sampleOf(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ labels: NO_LABELS, value }];
}
