import { type Clock, createSystemClock } from "../../src/core/clock.js";

export { settle, TestClock as FakeClock } from "../../src/testing/test-clock.js";

/** A clock that stands still, but with real timers for everything that waits for another process. */
export function withRealTimers(clock: Clock): Clock {
  const { setTimer } = createSystemClock();
  return { now: () => clock.now(), monotonic: () => clock.monotonic(), setTimer };
}
