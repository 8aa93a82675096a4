import type { Counter, Histogram, Registry } from "prom-client";

/** The labels of a series. */
type Labels = Readonly<Record<string, string>>;

/** One value of a metric, as a registry asks for it. */
interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}

/** A metric as a registry writes it. */
interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Sample[];
}

/** A count that goes up. */
export class CountSeries {
  value = 0;

  constructor(readonly labels: Labels) {}
}

/** Observations of one kind. */
export class ObservedSeries {
  readonly labels: Labels;
  readonly #bounds: readonly number[];
  /** Observations up to each bound and above the one before; the last are above all. */
  readonly counts: number[];
  sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] as number)) at++;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sum += value;
  }
}

/**
 * A counter whose series are held by those who count: nothing is looked up. The library's own makes a text of the labels
 * each time, and with a histogram that is a twentieth of a call.
 */
export class SeriesCounter {
  readonly type = "counter";
  readonly #series: CountSeries[] = [];

  constructor(
    readonly name: string,
    readonly help: string,
    registry: Registry,
  ) {
    registry.registerMetric(this as unknown as Counter);
  }

  series(labels: Labels): CountSeries {
    const series = new CountSeries(labels);
    this.#series.push(series);
    return series;
  }

  /** What the registry asks for. Series that counted nothing are left out. */
  async get(): Promise<Described> {
    const { name, help, type } = this;
    return { name, help, type, values: this.#series.filter(({ value }) => value > 0) };
  }
}

/** A histogram in the same way. */
export class SeriesHistogram {
  readonly type = "histogram";
  readonly #series: ObservedSeries[] = [];

  constructor(
    readonly name: string,
    readonly help: string,
    readonly bounds: readonly number[],
    registry: Registry,
  ) {
    registry.registerMetric(this as unknown as Histogram);
  }

  series(labels: Labels): ObservedSeries {
    const series = new ObservedSeries(labels, this.bounds);
    this.#series.push(series);
    return series;
  }

  async get(): Promise<Described> {
    const { name, help, type } = this;
    return { name, help, type, values: this.#series.flatMap((series) => this.#samples(series)) };
  }

  #samples({ labels, counts, sum }: ObservedSeries): Sample[] {
    let count = 0;
    const buckets = counts.map((value, index) => {
      count += value;
      const le = String(this.bounds[index] ?? "+Inf");
      return { labels: { ...labels, le }, value: count, metricName: `${this.name}_bucket` };
    });
    if (count === 0) return [];
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.name}_sum` },
      { labels, value: count, metricName: `${this.name}_count` },
    ];
  }
}
