import type { Backoff } from "./job.js";

/** Largest random part of a backoff, as a fraction of the delay without jitter. */
export const MAX_JITTER = 0.4;

/** By how much each wait is longer than the one before, unless the backoff says it. */
export const DEFAULT_MULTIPLIER = 2;

/**
 * Returns the delay before a retry, in whole ms: `min(base * multiplier^(retryCount - 1), max)`, or the entry of this number in a
 * list of delays, the last one for those beyond; plus `jitter` times 40 % of that. Jitter can therefore take the delay above
 * `maxDelayMs`. The scripts of Redis compute the same, step by step: powers of fractions differ between languages.
 *
 * @param retryCount number of this retry, from 1
 * @param jitter random number from 0 to 1
 */
export function backoffDelay(backoff: Backoff, retryCount: number, jitter: number): number {
  const delay = delayOf(backoff, retryCount);
  return Math.floor(delay + delay * MAX_JITTER * jitter);
}

function delayOf({ delaysMs, baseDelayMs, maxDelayMs, multiplier }: Backoff, retryCount: number): number {
  if (delaysMs !== undefined) return delaysMs[Math.min(retryCount, delaysMs.length) - 1] ?? 0;
  let delay = baseDelayMs;
  for (let retry = 1; retry < retryCount && delay < maxDelayMs; retry++) delay *= multiplier ?? DEFAULT_MULTIPLIER;
  return Math.min(delay, maxDelayMs);
}

/** Whether two backoffs say the same. */
export function isSameBackoff(a: Backoff, b: Backoff): boolean {
  if (a === b) return true;
  if (a.baseDelayMs !== b.baseDelayMs || a.maxDelayMs !== b.maxDelayMs || a.multiplier !== b.multiplier) return false;
  return a.delaysMs === b.delaysMs || a.delaysMs?.join() === b.delaysMs?.join();
}

/** The parts of a backoff that somebody asks for; the two kinds are not to be mixed. Durations in ms. */
export type BackoffRequest = { readonly [Part in keyof Backoff]?: Backoff[Part] | undefined };

/**
 * Completes a request: what it leaves open of growing delays is as in `defaults`, or as GoTaskQ's when that is a list. Durations are
 * stored in whole ms: fractions are rounded up.
 */
export function toBackoff(asked: BackoffRequest, defaults: Backoff): Backoff {
  const { delaysMs, baseDelayMs, maxDelayMs, multiplier = defaults.multiplier } = asked;
  if (delaysMs !== undefined) return { delaysMs: delaysMs.map(Math.ceil) };
  if ((baseDelayMs ?? maxDelayMs ?? asked.multiplier) === undefined) return defaults;
  const growing = {
    baseDelayMs: Math.ceil(baseDelayMs ?? defaults.baseDelayMs ?? DEFAULT_BACKOFF.baseDelayMs),
    maxDelayMs: Math.ceil(maxDelayMs ?? defaults.maxDelayMs ?? DEFAULT_BACKOFF.maxDelayMs),
  };
  return multiplier === undefined || multiplier === DEFAULT_MULTIPLIER ? growing : { ...growing, multiplier };
}

/** The backoff of jobs for which nobody says another. */
export const DEFAULT_BACKOFF = { baseDelayMs: 100, maxDelayMs: 5000 } as const satisfies Backoff;
