import { forgetAbort, listenToAbort } from "../model/process/abort-listeners.js";
import { setLongTimer } from "../model/process/long-timer.js";

/** Longest wait between two tries, and the wait after the first failure, ms; both before they are randomized. */
const MAX_WAIT_MS = 5000;
const MIN_WAIT_MS = 100;

/** Resolves after `ms`, or rejects with the signal's reason when that is aborted first. */
export function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const listener = {
      aborted() {
        timer.cancel();
        reject(signal?.reason);
      },
    };
    const timer = setLongTimer(ms, () => {
      if (signal !== undefined) forgetAbort(signal, listener);
      resolve();
    });
    if (signal !== undefined) listenToAbort(signal, listener);
  });
}

/**
 * Returns the wait before the next try, ms: 100, doubled with each further failure in a row up to 5000, of which a
 * random half to the whole is waited, so that clients that lost a server together do not come back together. Never
 * less than the server asked for with `retryAfterMs`.
 *
 * @param failures in a row, from 1
 * @param random 0 to 1
 */
export function retryWait(failures: number, retryAfterMs = 0, random = Math.random()): number {
  const longest = Math.min(MAX_WAIT_MS, MIN_WAIT_MS * 2 ** (failures - 1));
  return Math.max(longest * (0.5 + random / 2), retryAfterMs * (1 + random / 4));
}
