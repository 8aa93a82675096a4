import type { Clock, Timer } from "../../../core/clock.js";
import type { Inflow } from "../link/held-socket.js";

/** How long what comes on the channel may wait to be read, ms. */
const PAUSE_MS = 5;

/** It waits only while so many notices come in so many ms: fewer are not worth a timer. */
const MANY = 4;
const WITHIN_MS = 8;

/** For how long after this server was sent to look for jobs notices are read at once, ms: it is probably sent again soon. */
const ALERT_MS = 200;

/**
 * Reads the channel in parts. To wake up for a notice costs more than to read it, and of several servers most notices concern one: while
 * many come, nobody watches here and none had this server look for jobs, what comes within `PAUSE_MS` is read together.
 */
export class ChannelReading {
  readonly #clock: Clock;
  readonly #channel: () => Inflow | undefined;
  /** When the last notices came, ms on the monotonic clock; `#next`: the place of the oldest. */
  readonly #times = new Array<number>(MANY).fill(Number.NEGATIVE_INFINITY);
  #next = 0;
  #alertUntil = Number.NEGATIVE_INFINITY;
  #watches = 0;
  #held: { readonly readOn: () => void; readonly timer: Timer } | undefined;

  /** `channel`: what comes on the connection for notices; undefined while there is none. */
  constructor(clock: Clock, channel: () => Inflow | undefined) {
    this.#clock = clock;
    this.#channel = channel;
  }

  /** A notice was read; `isCall`: it has this server look for jobs. */
  heard(isCall: boolean): void {
    const now = this.#clock.monotonic();
    const earlier = this.#times[this.#next] ?? now;
    this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % MANY;
    if (isCall) this.#alertUntil = now + ALERT_MS;
    if (now < this.#alertUntil || now - earlier > WITHIN_MS) return;
    if (this.#watches === 0 && this.#held === undefined) this.#hold();
  }

  /** Somebody watches here from now on, and is to hear at once of what happens, or one of those does no longer. */
  watched(isWatched: boolean): void {
    this.#watches += isWatched ? 1 : -1;
    if (isWatched) this.resume();
  }

  /** Reads on at once. */
  resume(): void {
    const held = this.#held;
    this.#held = undefined;
    held?.timer.cancel();
    held?.readOn();
  }

  #hold(): void {
    const channel = this.#channel();
    // What has come goes first: a part of it for each pause, and notices would be later and later.
    if (channel === undefined || channel.pending > 0) return;
    this.#held = { readOn: channel.hold(), timer: this.#clock.setTimer(PAUSE_MS, () => this.resume()) };
  }
}
