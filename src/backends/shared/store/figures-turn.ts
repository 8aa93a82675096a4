import type { Clock } from "../../../core/clock.js";
import type { Peer } from "./peer.js";

/** For how long a server has the turn after it asked for it, ms: more than two scrapes a minute apart. */
const HOLD_MS = 150_000;

/** The turn to tell the figures of queues; see `Backend.claimFigures`. */
export class FiguresTurn {
  readonly #clock: Clock;
  #holder: { readonly peer: Peer; askedAt: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether it is the turn of the server that asks. */
  claim(peer: Peer): boolean {
    const now = this.#clock.monotonic();
    const isFree = this.#holder === undefined || this.#holder.askedAt + HOLD_MS <= now;
    if (isFree || this.#holder?.peer === peer) this.#holder = { peer, askedAt: now };
    return this.#holder?.peer === peer;
  }

  gone(peer: Peer): void {
    if (this.#holder?.peer === peer) this.#holder = undefined;
  }
}
