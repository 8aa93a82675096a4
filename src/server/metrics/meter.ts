import { yieldToEventLoop } from "../../core/turns/yield-to-event-loop.js";
import {
  type Across,
  headOf,
  type Labels,
  type Metric,
  ReadMetric,
  type Sample,
  SeriesCounter,
  SeriesHistogram,
} from "./series.js";

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
  /**
   * A gauge that is read when the page is made; undefined: it has no value now. `across`: what several processes behind one port tell
   * together. Default `sum`: right for what is of a process, and wrong for what all of them see alike.
   */
  gauge(name: string, help: string, read: () => number | undefined, across?: Across): void;
  /** Gauges by labels, read when the page is made. The labels must be bounded in number. */
  gauges(name: string, help: string, read: ReadSamples, across?: Across): void;
  /** Counters that are kept elsewhere, read when the page is made. The name ends in `_total`. */
  counters(name: string, help: string, read: ReadSamples): void;
}

/** Characters of a page that are written before other work comes in between: some ms. */
const PART = 100_000;

/** A meter, and the page of its metrics. */
export interface PageMeter extends Meter {
  /** Writes all metrics in the text format of Prometheus. Other work comes in between. */
  write(): Promise<string>;
  /** The gauges that several processes do not add up, by name. */
  across(): Readonly<Record<string, Across>>;
}

/** Creates a meter. */
export function createMeter(): PageMeter {
  const metrics = new Map<string, Metric>();

  function add<T extends Metric>(metric: T): T {
    if (metrics.has(metric.name)) throw new Error(`there are two metrics with the name ${metric.name}`);
    metrics.set(metric.name, metric);
    return metric;
  }

  return {
    counter: (name, help, options) => add(new SeriesCounter(name, help, options?.tellsZeros)),
    histogram: (name, help) => add(new SeriesHistogram(name, help, SECONDS)),
    gauge: (name, help, value, across) =>
      void add(new ReadMetric(name, help, "gauge", () => sampleOf(value()), across)),
    gauges: (name, help, samples, across) => void add(new ReadMetric(name, help, "gauge", samples, across)),
    counters: (name, help, samples) => void add(new ReadMetric(name, help, "counter", samples)),

    async write() {
      let page = "";
      let written = 0;
      for (const metric of metrics.values()) {
        page += headOf(metric);
        for (const lines of metric.lines()) {
          page += lines;
          if (page.length - written < PART) continue;
          written = page.length;
          await yieldToEventLoop();
        }
      }
      return page;
    },

    across() {
      const found: Record<string, Across> = {};
      for (const { name, across } of metrics.values()) if (across !== undefined) found[name] = across;
      return found;
    },
  };
}

const NO_LABELS: Labels = {};

function sampleOf(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ labels: NO_LABELS, value }];
}
