/** The labels of a series. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a metric. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** How the values of a gauge in several processes behind one port make the one of their common page. */
export type Across = "sum" | "max" | "min";

/** A metric of the page. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Undefined: `sum`, as of all counters and histograms. */
  readonly across?: Across | undefined;
  /** Its lines in the text format of Prometheus, in small parts: there may be many. */
  lines(): Iterable<string>;
}

/** One series of a counter. Whoever counts adds to `value`. */
export class CountSeries {
  value = 0;
  readonly text: string;

  constructor(readonly labels: Labels) {
    this.text = textOf(labels);
  }
}

/** One series of a histogram. */
export class ObservedSeries {
  readonly text: string;
  readonly #bounds: readonly number[];
  /** Observations by bucket: up to each bound and above the one before; the last count is of those above all bounds. */
  readonly counts: number[];
  sum = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.text = textOf(labels);
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
 * A counter whose series are held by those who count, so that counting looks nothing up: to make a string of the labels each
 * time, as prom-client's own does, takes a twentieth of the time of an RPC together with a histogram.
 */
export class SeriesCounter implements Metric {
  readonly type = "counter";
  readonly #series = new Set<CountSeries>();

  constructor(
    readonly name: string,
    readonly help: string,
    /** Whether series that counted nothing are told. Default: only one without labels. */
    readonly tellsZeros = false,
  ) {}

  /** Adds a series. The caller keeps it, and must not add the same labels twice. */
  series(labels: Labels): CountSeries {
    const series = new CountSeries(labels);
    this.#series.add(series);
    return series;
  }

  /** Takes a series away. The same labels may be added again then. */
  drop(series: CountSeries): void {
    this.#series.delete(series);
  }

  *lines(): Generator<string> {
    for (const { value, text } of this.#series) {
      if (value > 0 || this.tellsZeros || text === "") yield line(this.name, text, value);
    }
  }
}

/** A histogram whose series are held by those who observe. See `SeriesCounter`. */
export class SeriesHistogram implements Metric {
  readonly type = "histogram";
  readonly #series = new Set<ObservedSeries>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly bounds: readonly number[],
  ) {}

  /** Adds a series. The caller keeps it, and must not add the same labels twice. */
  series(labels: Labels): ObservedSeries {
    const series = new ObservedSeries(labels, this.bounds);
    this.#series.add(series);
    return series;
  }

  /** Takes a series away. The same labels may be added again then. */
  drop(series: ObservedSeries): void {
    this.#series.delete(series);
  }

  /** Series without observations are left out. */
  *lines(): Generator<string> {
    const { name, bounds } = this;
    for (const { text, counts, sum } of this.#series) {
      const bucket = `${name}_bucket{${text}${text === "" ? "" : ","}le="`;
      let count = 0;
      let lines = "";
      for (let at = 0; at < counts.length; at++) {
        count += counts[at] as number;
        lines += `${bucket}${bounds[at] ?? "+Inf"}"} ${count}\n`;
      }
      if (count > 0) yield lines + line(`${name}_sum`, text, sum) + line(`${name}_count`, text, count);
    }
  }
}

/** A metric whose values are read from elsewhere whenever the page is made. */
export class ReadMetric implements Metric {
  readonly #read: () => readonly Sample[];

  constructor(
    readonly name: string,
    readonly help: string,
    readonly type: "counter" | "gauge",
    read: () => readonly Sample[],
    readonly across?: Across,
  ) {
    this.#read = read;
  }

  *lines(): Generator<string> {
    for (const { labels, value } of this.#read()) yield line(this.name, textOf(labels), value);
  }
}

/** The two lines that come before the series of a metric. */
export function headOf({ name, help, type }: Metric): string {
  return `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
}

function line(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`;
}

/** Labels as they stand between the braces. */
function textOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeText(value)}"`)
    .join();
}

function escapeText(value: string): string {
  return /["\\\n]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"') : value;
}
