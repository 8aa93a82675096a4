import type { Clock } from "../clock.js";

/** Lets one reader sleep until it is woken. A `wake` between two waits is not lost. */
export class Waker {
  #isSet = false;
  #resolve: (() => void) | undefined;

  wake(): void {
    this.#isSet = true;
    this.#resolve?.();
  }

  /** Resolves to true at the next `wake` (at once if one came since the last wait), to false on timeout or abort. */
  async wait(clock: Clock, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#isSet && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.cancel();
          signal.removeEventListener("abort", done);
          this.#resolve = undefined;
          resolve();
        };
        const timer = clock.setTimer(timeoutMs, done);
        signal.addEventListener("abort", done);
        this.#resolve = done;
      });
    }
    const wasSet = this.#isSet;
    this.#isSet = false;
    return wasSet;
  }
}
