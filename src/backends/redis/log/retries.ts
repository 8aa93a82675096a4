import type { Clock, Timer } from "../../../core/clock.js";

/** Wait before something is tried again, ms. */
const AGAIN_MS = 500;

/** Tries again what failed, a while later: what was missed must be read some time, though nothing else may happen any more. */
export class Retries {
  readonly #clock: Clock;
  readonly #timers = new Map<string, Timer>();
  #isStopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Has something done later, if it is not to be done already. `name` tells what it is. */
  later(name: string, work: () => void): void {
    if (this.#isStopped || this.#timers.has(name)) return;
    const timer = this.#clock.setTimer(AGAIN_MS, () => {
      this.#timers.delete(name);
      work();
    });
    this.#timers.set(name, timer);
  }

  /** From now on nothing is tried again. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
