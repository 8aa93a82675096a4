import type { Clock } from "./clock.js";

/** Waits for a time that all end at once when there is nothing to wait for any more. */
export class Pauses {
  readonly #clock: Clock;
  readonly #ends = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves after `ms`, or at `end`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel();
        this.#ends.delete(end);
        resolve();
      };
      const timer = this.#clock.setTimer(ms, end);
      this.#ends.add(end);
    });
  }

  /** Ends those that wait now. */
  end(): void {
    for (const end of this.#ends) end();
  }
}
