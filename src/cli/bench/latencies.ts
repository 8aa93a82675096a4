/** How long calls took, in ms. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Values that are kept: of more, each next one takes the place of one by chance, so that all are as likely. */
const MAX_SAMPLES = 100_000;

/** Gathers latencies in bounded memory. */
export class Latencies {
  readonly #samples: number[] = [];
  readonly #random: () => number;
  #count = 0;
  #max = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  add(ms: number): void {
    this.#count++;
    this.#max = Math.max(this.#max, ms);
    if (this.#samples.length < MAX_SAMPLES) {
      this.#samples.push(ms);
      return;
    }
    const at = Math.floor(this.#random() * this.#count);
    if (at < MAX_SAMPLES) this.#samples[at] = ms;
  }

  /** Undefined: there are none. */
  summary(): LatencySummary | undefined {
    if (this.#count === 0) return undefined;
    const sorted = Float64Array.from(this.#samples).sort();
    const at = (part: number) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
    return { count: this.#count, p50: at(0.5), p90: at(0.9), p99: at(0.99), max: rounded(this.#max) };
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
