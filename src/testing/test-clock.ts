import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../core/clock.js";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Where a clock stands unless it is told: the first of June 2026, UTC. */
const START = Date.UTC(2026, 5, 1);

/** A clock that stands still until it is advanced. */
export class TestClock implements Clock {
  #wall: number;
  #mono = 1000;
  #order = 0;
  readonly #timers = new Set<Pending>();

  /** @param start the time that it shows at first, ms since 1970 */
  constructor(start: number = START) {
    this.#wall = start;
  }

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

  /** Advances the time by so many ms and fires what becomes due, in order. Promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    await settle();
    for (;;) {
      const next = this.#firstUntil(end);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#move(Math.max(0, next.at - this.#mono));
      next.fire();
      await settle();
    }
    this.#move(end - this.#mono);
    await settle();
  }

  /** Moves the time by so many ms at once, as for a process that did not run meanwhile: what became due fires late, with the next `advance`. */
  jump(ms: number): void {
    this.#move(ms);
  }

  /** Moves the wall clock alone, forward or (below 0) back, as somebody who sets it does; no time passes. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  #firstUntil(end: number): Pending | undefined {
    let first: Pending | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (first === undefined || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) {
        first = timer;
      }
    }
    return first;
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
