/** A pending timer. */
export interface Timer {
  /** Stops the timer; does nothing when it has fired or was cancelled. */
  cancel(): void;
}

/** The only source of time in the core. Tests hand in a fake one. */
export interface Clock {
  /** Milliseconds since 1970, whole, never smaller than an answer given before. */
  now(): number;
  /** Milliseconds since some fixed moment; not moved by a change of the wall clock. */
  monotonic(): number;
  /** Calls `fire` once, `delayMs` from now. A pending timer keeps the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** Longest delay that Node's timers take; a longer one would fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * The clock of the machine. `now` follows the wall clock forward; when that steps back, it goes on at the pace of the
 * monotonic clock from where it was, so that time neither stops nor runs backwards.
 */
export function createSystemClock(
  wall: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): Clock {
  let offset = Number.NEGATIVE_INFINITY;
  return {
    now() {
      const mono = monotonic();
      offset = Math.max(offset, wall() - mono);
      return Math.floor(mono + offset);
    },
    monotonic,
    setTimer(delayMs, fire) {
      const timer = setTimeout(fire, Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
      return { cancel: () => clearTimeout(timer) };
    },
  };
}
