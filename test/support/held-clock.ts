import { type Clock, createSystemClock, type Timer } from "../../src/core/clock.js";
import { settle } from "./fake-clock.js";

interface Pending {
  readonly at: number;
  readonly fire: () => void;
  /** What fires it while the clock follows the system. */
  real: Timer | undefined;
}

/** A clock that follows that of the system, but for while it is held: then it moves by hand only. */
export class HeldClock implements Clock {
  readonly #system = createSystemClock();
  readonly #pending = new Set<Pending>();
  /** How far this clock is ahead of the system's (below 0: behind), ms. */
  #ahead = 0;
  /** Where it stands on the monotonic clock while it is held. */
  #heldAt: number | undefined;

  now(): number {
    return Math.floor(this.#system.now() + this.monotonic() - this.#system.monotonic());
  }

  monotonic(): number {
    return this.#heldAt ?? this.#system.monotonic() + this.#ahead;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const pending: Pending = { at: this.monotonic() + Math.max(0, delayMs), fire, real: undefined };
    this.#pending.add(pending);
    if (this.#heldAt === undefined) this.#arm(pending);
    return {
      cancel: () => {
        pending.real?.cancel();
        this.#pending.delete(pending);
      },
    };
  }

  /** Stops it, with all its timers. */
  hold(): void {
    this.#heldAt = this.monotonic();
    for (const { real } of this.#pending) real?.cancel();
  }

  /** Moves the held clock, firing what is due on the way, in order; promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.monotonic() + ms;
    for (;;) {
      await settle();
      const [next] = [...this.#pending].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#heldAt = Math.max(this.monotonic(), next.at);
      this.#fire(next);
    }
    this.#heldAt = end;
  }

  /** Lets it go on with the system's, from where it stands. */
  release(): void {
    this.#ahead = this.monotonic() - this.#system.monotonic();
    this.#heldAt = undefined;
    for (const pending of this.#pending) this.#arm(pending);
  }

  #arm(pending: Pending): void {
    pending.real = this.#system.setTimer(pending.at - this.monotonic(), () => this.#fire(pending));
  }

  #fire(pending: Pending): void {
    this.#pending.delete(pending);
    pending.fire();
  }
}
