/** Longest wait between two tries, and the shortest, ms. */
const MAX_WAIT_MS = 5000;
const MIN_WAIT_MS = 100;

/** Resolves after a while; rejects with the signal's reason when that is aborted before. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * The wait before the next try in ms: 100 ms, doubled with each failure in a row up to 5 s, of which a random half, so
 * that those who lost a server together do not come back together; and no shorter than the server asked for.
 *
 * @param failures in a row, from 1
 */
export function retryWait(failures: number, retryAfterMs = 0, random = Math.random()): number {
  const longest = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** (failures - 1));
  return Math.max(longest * (0.5 + random / 2), retryAfterMs * (1 + random / 4));
}
