import type { Backoff } from "./job.js";

/** Largest random part of a backoff, as a fraction of the delay without jitter. */
export const MAX_JITTER = 0.4;

/**
 * Returns the delay before a retry, in whole ms: `min(base * 2^(retryCount - 1), max)`, plus `jitter` times 40 % of
 * that. Jitter can therefore take the delay above `maxDelayMs`.
 *
 * @param retryCount number of this retry, from 1
 * @param jitter random number from 0 to 1
 */
export function backoffDelay(backoff: Backoff, retryCount: number, jitter: number): number {
  const delay = Math.min(backoff.baseDelayMs * 2 ** (retryCount - 1), backoff.maxDelayMs);
  return Math.floor(delay + delay * MAX_JITTER * jitter);
}
