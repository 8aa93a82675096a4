import type { Clock, Timer } from "./clock.js";

/** Calls each member after so much silence, and again after as much more: one timer for all of them. */
export class Heartbeats<M extends { beat(at: number): void }> {
  readonly #clock: Clock;
  readonly #periodMs: number;
  /** When each is due, on the monotonic clock: soonest first, since whoever is heard of goes to the end. */
  readonly #due = new Map<M, number>();
  #timer: Timer | undefined;

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** A member is heard of: its silence begins now. */
  heard(member: M): void {
    this.#due.delete(member);
    this.#due.set(member, this.#clock.monotonic() + this.#periodMs);
    this.#timer ??= this.#clock.setTimer(this.#periodMs, () => this.#fire());
  }

  /** A member is no more. */
  remove(member: M): void {
    this.#due.delete(member);
    if (this.#due.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.#clock.monotonic();
    for (const [member, dueAt] of this.#due) {
      if (dueAt > now) {
        this.#timer ??= this.#clock.setTimer(dueAt - now, () => this.#fire());
        return;
      }
      this.heard(member);
      member.beat(this.#clock.now());
    }
  }
}
