import type { TickResult } from "../../../core/backend.js";
import type { Clock, Timer } from "../../../core/clock.js";
import type { Peer } from "./peer.js";

/** How late a tick may be before another server is asked for it, ms. */
const LATE_MS = 250;

/** When a server tries again whose tick failed, ms: another one would fare no better. */
const RETRY_MS = 1000;

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Whose turn it is to call `tick`: one server does, as long as it does so in time. The others are told nothing, and call it now and
 * then by themselves.
 */
export class TickTurns {
  readonly #clock: Clock;
  readonly #peers: ReadonlySet<Peer>;
  #holder: Peer | undefined;
  /** When the next tick has work to do, ms on the monotonic clock. */
  #dueAt = NEVER;
  #watch: { readonly timer: Timer; readonly at: number } | undefined;

  /** `peers`: those who may call it. */
  constructor(clock: Clock, peers: ReadonlySet<Peer>) {
    this.#clock = clock;
    this.#peers = peers;
  }

  /** A server may take its turn from now on. */
  came(peer: Peer): void {
    this.#holder ??= peer;
  }

  gone(peer: Peer): void {
    if (peer === this.#holder) this.#handOn();
  }

  /** A tick has work to do `inMs` from now. */
  due(inMs: number): void {
    const at = this.#clock.monotonic() + inMs;
    // Whoever has the turn ticks before that anyway, and learns of it then. One that is alone is told with an answer, at no cost.
    if (at >= this.#dueAt && this.#peers.size !== 1) return;
    this.#dueAt = Math.min(this.#dueAt, at);
    this.#holder?.tell([0, "due", inMs]);
    this.#arm(at + LATE_MS);
  }

  /** Runs a tick that a server asks for. */
  async run(peer: Peer, tick: () => Promise<TickResult>): Promise<TickResult> {
    // What comes from here on may be too late for this tick.
    this.#dueAt = NEVER;
    let nextInMs: number | undefined = RETRY_MS;
    try {
      const result = await tick();
      nextInMs = result.nextInMs;
      return peer === this.#holder ? result : { ...result, nextInMs: undefined };
    } finally {
      if (nextInMs !== undefined) this.#next(peer, nextInMs);
    }
  }

  stop(): void {
    this.#watch?.timer.cancel();
  }

  /** The next tick after one of this server. Its own answer tells it; another one that has the turn is told. */
  #next(peer: Peer, inMs: number): void {
    if (peer !== this.#holder) {
      this.due(inMs);
      return;
    }
    const at = this.#clock.monotonic() + inMs;
    this.#dueAt = Math.min(this.#dueAt, at);
    this.#arm(at + LATE_MS);
  }

  /** Looks at this time whether the tick was called. */
  #arm(at: number): void {
    if (this.#watch !== undefined && this.#watch.at <= at) return;
    this.#watch?.timer.cancel();
    const timer = this.#clock.setTimer(Math.max(0, at - this.#clock.monotonic()), () => {
      this.#watch = undefined;
      const lateAt = this.#dueAt + LATE_MS;
      if (lateAt === NEVER) return;
      if (lateAt > this.#clock.monotonic()) this.#arm(lateAt);
      else this.#handOn();
    });
    this.#watch = { timer, at };
  }

  /** Gives the turn to the next server, which is to tick at once. */
  #handOn(): void {
    const peers = [...this.#peers];
    const at = this.#holder === undefined ? -1 : peers.indexOf(this.#holder);
    this.#holder = peers[(at + 1) % peers.length];
    this.#dueAt = NEVER;
    if (this.#holder !== undefined) this.due(0);
  }
}
