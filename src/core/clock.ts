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

/** Longest delay that Node's timers take; a longer one would fire at once, so it is taken in steps. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How much slower time goes while it is ahead of a wall clock that stepped back. */
const SLEW = 0.1;

/**
 * The clock of the machine. `now` follows the wall clock forward. When that steps back, time neither stops nor runs
 * backwards: it goes on from where it was, a tenth slower, until the wall clock has caught up.
 */
export function createSystemClock(
  wall: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): Clock {
  let offset = Number.NEGATIVE_INFINITY;
  let last = 0;
  return {
    now() {
      const mono = monotonic();
      offset = Math.max(offset - SLEW * (mono - last), wall() - mono);
      last = mono;
      return Math.floor(mono + offset);
    },
    monotonic,
    setTimer(delayMs, fire) {
      let timer: NodeJS.Timeout | undefined;
      const arm = (leftMs: number): void => {
        const step = Math.min(leftMs, MAX_TIMER_MS);
        timer = setTimeout(leftMs > step ? () => arm(leftMs - step) : fire, step);
      };
      arm(Math.max(delayMs, 0));
      return { cancel: () => clearTimeout(timer) };
    },
  };
}
