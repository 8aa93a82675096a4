/** Longest delay that `setTimeout` takes, ms: 24.8 days. A timer that is longer fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** A pending timer. */
export interface Timer {
  /** Cancels the timer; does nothing if it has fired or was cancelled. */
  cancel(): void;
}

/**
 * Calls `fire` once, in `delayMs` ms, however long that is; at once when it is 0 or less. It keeps the process alive.
 * Every delay that somebody else may choose goes through here.
 */
export function setLongTimer(delayMs: number, fire: () => void): Timer {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = (leftMs: number): void => {
    const step = Math.min(leftMs, MAX_TIMER_MS);
    timer = setTimeout(leftMs > step ? () => arm(leftMs - step) : fire, step);
  };
  arm(Math.max(delayMs, 0));
  return { cancel: () => clearTimeout(timer) };
}
