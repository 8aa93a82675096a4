/** One measured figure. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** What a row measured, and with what besides Node: versions of other programs. */
export interface Report {
  readonly figures: readonly Figure[];
  readonly about: string;
}

/** How a row hands its figures to `main.ts`: one line of JSON on its standard output. */
export function report(figures: readonly Figure[], about = ""): void {
  process.stdout.write(`${JSON.stringify({ figures, about } satisfies Report)}\n`);
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The value that so large a share of some numbers does not exceed: 0.99 is the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Fails the row when something that must hold does not: a figure counts only for work that was really done. */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(`the row is void: ${message}`);
}
