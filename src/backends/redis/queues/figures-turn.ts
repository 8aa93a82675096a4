import type { Clock, Timer } from "../../../core/clock.js";
import type { Connection } from "../link/connection.js";
import type { Keys } from "../scripts/keys.js";
import { CLAIM_FIGURES, LEAVE_FIGURES } from "../scripts/registry.js";
import { plainScript } from "../scripts/script.js";

const CLAIM = plainScript("end", CLAIM_FIGURES);
const LEAVE = plainScript("end", LEAVE_FIGURES);

/** For how long a claim holds, ms: so long after the end of its holder nobody has the turn. */
const HOLD_MS = 6000;

/** How often it is renewed, ms. */
const RENEW_MS = 2000;

/** For how long it is renewed after it was asked for, ms: more than two scrapes a minute apart. */
const ASKED_MS = 150_000;

/** Dependencies of a `FiguresTurn`. */
export interface FiguresTurnDeps {
  readonly connection: Connection;
  readonly keys: Keys;
  readonly clock: Clock;
  /** Name of this server, unique among all servers. */
  readonly self: string;
}

/**
 * The turn to tell the figures of queues, which one server of a store has at a time. Who asks while nobody has it gets it, and keeps
 * it by a timer until it is not asked for any more; the others send nothing but what they are asked.
 */
export class FiguresTurn {
  readonly #deps: FiguresTurnDeps;
  /** Until when the turn is certainly ours, ms on the monotonic clock. */
  #until = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(deps: FiguresTurnDeps) {
    this.#deps = deps;
  }

  /** Asks for the turn; resolves to whether this server has it. BACKEND_UNAVAILABLE. */
  async claim(): Promise<boolean> {
    this.#askedAt = this.#deps.clock.monotonic();
    if (!this.#isOurs) await this.#claim();
    return this.#isOurs;
  }

  /** Gives the turn back, if Redis is there. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#timer?.cancel();
    const { connection, keys, self } = this.#deps;
    if (!this.#isOurs || !connection.isReady) return;
    this.#until = Number.NEGATIVE_INFINITY;
    await connection.script(LEAVE, [keys.figuresTeller], [self]).catch(() => {});
  }

  get #isOurs(): boolean {
    return this.#deps.clock.monotonic() < this.#until;
  }

  async #claim(): Promise<void> {
    const { connection, keys, clock, self } = this.#deps;
    const sentAt = clock.monotonic();
    const isOurs = await connection.script(CLAIM, [keys.figuresTeller], [self, HOLD_MS]);
    // Counted from before the call, so that it ends here before it ends in Redis.
    this.#until = isOurs === 1 ? sentAt + HOLD_MS : Number.NEGATIVE_INFINITY;
    if (isOurs === 1) this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    if (this.#isStopped) return;
    const { clock } = this.#deps;
    this.#timer = clock.setTimer(RENEW_MS, () => {
      if (clock.monotonic() - this.#askedAt >= ASKED_MS) return;
      // One that failed is tried again; when it is too late, whoever asks next gets the turn.
      this.#claim().catch(() => this.#arm());
    });
  }
}
