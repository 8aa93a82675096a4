import type { Clock, Timer } from "../clock.js";

/** A watcher that needs heartbeats. */
export interface HeartbeatMember {
  /** When it was last given something, on the monotonic clock, ms. */
  heardAt: number;
  /** Called when it was given nothing for a period. `at` is the time in ms since 1970. */
  beat(at: number): void;
}

/** Shortest delay between two checks, ms: as a check visits all members, heartbeats due close together share one. */
const GRAIN_MS = 100;

/**
 * Calls `beat` on each member that was given nothing for `periodMs`, and again after each further period. All members
 * share one timer, and noting that a member was given something costs one assignment.
 */
export class Heartbeats<M extends HeartbeatMember> {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #members = new Set<M>();
  #timer: Timer | undefined;

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** Adds a member; its period begins now. */
  add(member: M): void {
    member.heardAt = this.#clock.monotonic();
    this.#members.add(member);
    this.#timer ??= this.#clock.setTimer(this.#periodMs, () => this.#fire());
  }

  /** Returns the value for `heardAt` of a member that is given something now. */
  now(): number {
    return this.#clock.monotonic();
  }

  /** Removes a member; does nothing if it is not one. */
  remove(member: M): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fire(): void {
    const now = this.#clock.monotonic();
    let next = now + this.#periodMs;
    for (const member of this.#members) {
      if (member.heardAt + this.#periodMs <= now) {
        member.heardAt = now;
        member.beat(this.#clock.now());
      } else next = Math.min(next, member.heardAt + this.#periodMs);
    }
    if (this.#members.size === 0) return;
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(Math.max(next - now, GRAIN_MS), () => this.#fire());
  }
}
