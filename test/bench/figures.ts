/** One measured figure. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** How a row hands its figures to `main.ts`: one line of JSON on its standard output. */
export function report(figures: readonly Figure[]): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Fails the row when something that must hold does not: a figure counts only for work that was really done. */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(`the row is void: ${message}`);
}
