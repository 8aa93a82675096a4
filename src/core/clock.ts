import { setLongTimer, type Timer } from "../model/process/long-timer.js";

export type { Timer } from "../model/process/long-timer.js";

/** The only source of time in the core. Tests pass a fake one. */
export interface Clock {
  /** Returns whole ms since 1970, for stamps and schedules. May step, forward and back, as the wall clock does. */
  now(): number;
  /** Returns ms since some fixed moment, for durations; not affected by changes of the wall clock. */
  monotonic(): number;
  /** Calls `fire` once, in `delayMs` ms. A pending timer keeps the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
}

/**
 * Creates a clock on the machine's clocks. `now` tells the wall clock's time as it is, also after that stepped back: a
 * second that was a day ahead must not be felt for days. What has to last is measured with `monotonic`.
 */
export function createSystemClock(
  wall: () => number = Date.now,
  monotonic: () => number = () => performance.now(),
): Clock {
  return {
    now: () => Math.floor(wall()),
    monotonic,
    setTimer: setLongTimer,
  };
}
