import { type Clock, createSystemClock, type Timer } from "../../src/core/clock.js";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** A clock that stands still until a test advances it. */
export class FakeClock implements Clock {
  #wall = Date.UTC(2026, 5, 1);
  #mono = 1000;
  #order = 0;
  readonly #timers = new Set<Pending>();

  now(): number {
    return Math.floor(this.#wall);
  }

  monotonic(): number {
    return this.#mono;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const pending = { at: this.#mono + Math.max(0, delayMs), order: this.#order++, fire };
    this.#timers.add(pending);
    return { cancel: () => this.#timers.delete(pending) };
  }

  /** The number of pending timers. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Advances the time and fires what becomes due, in order. Promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await settle();
    for (;;) {
      const next = [...this.#timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#move(next.at - this.#mono);
      next.fire();
      await settle();
    }
    this.#move(end - this.#mono);
    await settle();
  }

  /** Moves the wall clock alone, forward or (below 0) back, as somebody who sets it does; no time passes. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  #move(ms: number): void {
    this.#mono += ms;
    this.#wall += ms;
  }
}

/** Lets every promise settle that can do so without a timer or I/O. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A clock that stands still, but with real timers for everything that waits for another process. */
export function withRealTimers(clock: Clock): Clock {
  const { setTimer } = createSystemClock();
  return { now: () => clock.now(), monotonic: () => clock.monotonic(), setTimer };
}
