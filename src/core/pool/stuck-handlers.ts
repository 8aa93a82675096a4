import { STUCK_HANDLER_MS } from "../../model/handler/handler.js";
import { jobFields } from "../../model/log/job-fields.js";
import type { Logger } from "../../model/log/logger.js";
import type { Clock, Timer } from "../clock.js";
import type { PoolAttempt } from "./pool-attempt.js";

/**
 * Attempts whose outcome is decided while their handlers keep running. Each occupies its slot until the handler ends, but for
 * `STUCK_HANDLER_MS` at most.
 */
export class StuckHandlers {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #freed: () => void;
  readonly #timers = new Map<PoolAttempt, Timer>();

  /** `freed` is called when a slot becomes free. */
  constructor(clock: Clock, logger: Logger, freed: () => void) {
    this.#clock = clock;
    this.#logger = logger;
    this.#freed = freed;
  }

  /** Slots occupied. */
  get size(): number {
    return this.#timers.size;
  }

  add(attempt: PoolAttempt): void {
    const timer = this.#clock.setTimer(STUCK_HANDLER_MS, () => {
      this.#logger.warn(
        jobFields(attempt.lease.job),
        "a handler goes on long after its attempt is over; its slot is given away",
      );
      this.ended(attempt);
    });
    this.#timers.set(attempt, timer);
  }

  /** Call when the handler of an attempt has ended; does nothing if the attempt is not one of these. */
  ended(attempt: PoolAttempt): void {
    this.#timers.get(attempt)?.cancel();
    if (this.#timers.delete(attempt)) this.#freed();
  }

  /** Removes all attempts without calling `freed`. */
  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
