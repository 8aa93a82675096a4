import type { Backoff } from "../../../model/job/job.js";

/** What the numbers of a spec do not tell of a backoff. A text, as Redis would round a number when it writes it again. */
export interface SavedBackoff {
  readonly multiplier?: string | undefined;
  readonly delays?: readonly number[] | undefined;
}

/** A backoff as the default of a queue: with its numbers, and what they do not tell. */
interface DefaultBackoff {
  readonly base: number;
  readonly max: number;
  readonly more?: SavedBackoff | undefined;
}

/** The numbers of a backoff: of a list its first and its longest wait. */
export function numbersOf(backoff: Backoff): readonly [base: number, max: number] {
  const { delaysMs } = backoff;
  if (delaysMs === undefined) return [backoff.baseDelayMs, backoff.maxDelayMs];
  return [delaysMs[0] ?? 0, Math.max(...delaysMs)];
}

/** The rest of a backoff; undefined when its numbers tell it all. */
export function savedBackoff({ multiplier, delaysMs }: Backoff): SavedBackoff | undefined {
  if (multiplier === undefined && delaysMs === undefined) return undefined;
  return { multiplier: multiplier === undefined ? undefined : String(multiplier), delays: delaysMs };
}

/** A backoff from its numbers and the rest. */
export function toBackoff(baseDelayMs: number, maxDelayMs: number, saved: SavedBackoff | undefined): Backoff {
  if (saved?.delays !== undefined) return { delaysMs: saved.delays };
  if (saved?.multiplier === undefined) return { baseDelayMs, maxDelayMs };
  return { baseDelayMs, maxDelayMs, multiplier: Number(saved.multiplier) };
}

/** Writes the default of a queue; the script that creates jobs reads it. */
export function writeDefaultBackoff(backoff: Backoff): string {
  const [base, max] = numbersOf(backoff);
  return JSON.stringify({ base, max, more: savedBackoff(backoff) } satisfies DefaultBackoff);
}

/** Reads it; null when it is empty. */
export function readDefaultBackoff(text: string): Backoff | null {
  if (text === "") return null;
  const { base, max, more } = JSON.parse(text) as DefaultBackoff;
  return toBackoff(base, max, more);
}
