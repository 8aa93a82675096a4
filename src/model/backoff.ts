import type { Backoff } from "./job.js";

/** Largest random part of a backoff, as a share of it. */
export const MAX_JITTER = 0.4;

/**
 * The wait before a retry, in whole ms: `min(base * 2^(retryCount - 1), max)` plus `jitter` x 40 % of that.
 *
 * @param retryCount which retry it is, from 1
 * @param jitter a random number, 0 to 1
 */
export function backoffDelay(backoff: Backoff, retryCount: number, jitter: number): number {
  const delay = Math.min(backoff.baseDelayMs * 2 ** (retryCount - 1), backoff.maxDelayMs);
  return Math.floor(delay + delay * MAX_JITTER * jitter);
}
