import type { Clock, Timer } from "../clock.js";

/** Who is told of silence. */
export interface HeartbeatMember {
  /** When it was heard of last, on the monotonic clock. */
  heardAt: number;
  /** It has been silent for a period. */
  beat(at: number): void;
}

/** Silences that end within so many ms of each other are told of together: a look goes through all members. */
const GRAIN_MS = 100;

/** Calls each member after so much silence, and again after as much more: one timer for all, and no work when one is heard of. */
export class Heartbeats<M extends HeartbeatMember> {
  readonly #clock: Clock;
  readonly #periodMs: number;
  readonly #members = new Set<M>();
  #timer: Timer | undefined;

  constructor(clock: Clock, periodMs: number) {
    this.#clock = clock;
    this.#periodMs = periodMs;
  }

  /** A new member: its silence begins now. */
  add(member: M): void {
    member.heardAt = this.#clock.monotonic();
    this.#members.add(member);
    this.#timer ??= this.#clock.setTimer(this.#periodMs, () => this.#fire());
  }

  /** Members that are heard of now set their `heardAt` to this. */
  now(): number {
    return this.#clock.monotonic();
  }

  /** A member is no more. */
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
