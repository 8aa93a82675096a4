/** The value in the middle. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which this share of the values is; NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/**
 * By how much values that were taken at equal distances grow from the first to the last: the median of the slopes of all pairs
 * (Theil and Sen), which a third of outliers does not move. Of fewer than two values: 0.
 */
export function growthOf(values: readonly number[]): number {
  const slopes: number[] = [];
  for (const [from, first] of values.entries()) {
    for (let to = from + 1; to < values.length; to++) slopes.push(((values[to] as number) - first) / (to - from));
  }
  return slopes.length === 0 ? 0 : median(slopes) * (values.length - 1);
}

/** How much something may grow while it is watched: by this share of what it is, and by `floor`, whichever is more. */
export interface Allowance {
  readonly share: number;
  readonly floor: number;
}

/** Whether the values keep growing by more than is allowed. */
export function isGrowing(values: readonly number[], { share, floor }: Allowance): boolean {
  return growthOf(values) > Math.max(floor, share * median(values));
}
