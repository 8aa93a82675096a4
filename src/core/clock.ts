import { setLongTimer, type Timer } from "../model/long-timer.js";

export type { Timer } from "../model/long-timer.js";

/** The only source of time in the core. Tests pass a fake one. */
export interface Clock {
  /** Returns whole ms since 1970; never less than it returned before. */
  now(): number;
  /** Returns ms since some fixed moment; not affected by changes of the wall clock. */
  monotonic(): number;
  /** Calls `fire` once, in `delayMs` ms. A pending timer keeps the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** By which fraction `now` runs slower while it is ahead of a wall clock that stepped back. */
const SLEW = 0.1;

/**
 * Creates a clock on the machine's clocks. `now` follows the wall clock forward. When the wall clock steps back, `now`
 * neither stops nor goes back: it continues from where it was, a tenth slower, until the wall clock has caught up.
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
    setTimer: setLongTimer,
  };
}
