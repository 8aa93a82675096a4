/** One measured figure. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** Figures side by side. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** `null`: there is no such figure. */
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

/** What a row has measured. */
export interface Report {
  readonly figures: readonly Figure[];
  /** The versions of programs other than Node that were measured. */
  readonly about: string;
  readonly tables: readonly Table[];
  /** Sentences that belong to the figures, as about what could not be measured. */
  readonly remarks: readonly string[];
}

/** Passes the figures of a row to `main.ts`, as one line of JSON on standard output. */
export function report(figures: readonly Figure[], about = ""): void {
  write({ figures, about, tables: [], remarks: [] });
}

/** The same for a row whose figures are tables. */
export function reportTables(tables: readonly Table[], about: string, remarks: readonly string[]): void {
  write({ figures: [], about, tables, remarks });
}

function write(report: Report): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/** The median of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The value that this share of some numbers does not exceed: 0.99 is the 99th percentile. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Fails the row unless `holds`: a figure counts only if the work was really done. */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(`the row is void: ${message}`);
}
