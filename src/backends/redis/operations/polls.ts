import type { Connection, Reply } from "../link/connection.js";
import { text } from "../queues/queue-calls.js";
import type { StoreTimes } from "../queues/store-times.js";
import type { Keys } from "../scripts/keys.js";
import { CLAIM_POLL } from "../scripts/polls.js";
import { type Script, scriptWithClock } from "../scripts/script.js";

/** Stands for the keys for all queues: no queue is named so. */
const ALL_QUEUES = "*";

/** Where a poll leases: the queue, and the token of its leases. */
export interface PollPlace {
  readonly queue: string;
  readonly token: string;
}

/** Reads the leases that were got there and are still held; none when there are none and never will be. */
type Recall<T> = (place: PollPlace) => Promise<T[]>;

/**
 * Where each poll with a request id leases, for all servers: before one of them leases for it anywhere, it claims the poll. So
 * its repeat, which may come to another server while the first still waits, finds the leases, and gets no others.
 */
export class Polls {
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #times: StoreTimes;
  readonly #script: Script;

  /** `clock`: Lua that returns the time. */
  constructor(connection: Connection, keys: Keys, times: StoreTimes, clock: string) {
    this.#times = times;
    this.#connection = connection;
    this.#keys = keys;
    this.#script = scriptWithClock("end", CLAIM_POLL, clock);
  }

  /** Begins to claim a poll for leases of this length. */
  claim(call: string, leaseMs: number): PollClaim {
    return new PollClaim((known, place) => this.#claim(call, known, place, leaseMs));
  }

  /** Claims the poll for a place if it has what is known of it. Resolves to what it has, or undefined if it is claimed now. */
  async #claim(call: string, known: string, place: string, leaseMs: number): Promise<string | undefined> {
    const { polls, pollEnds, clockAhead } = this.#keys;
    const [, , , rest] = await this.#times.ask(ALL_QUEUES, (tell) => {
      const args = () => [call, known, place, leaseMs, tell()];
      return this.#connection.script(this.#script, [polls, pollEnds, clockAhead], args);
    });
    return rest.length === 0 ? undefined : text(rest[0] as Reply);
  }
}

/** One run of a poll. */
export class PollClaim {
  readonly #claim: (known: string, place: string) => Promise<string | undefined>;
  /** What the record has, as far as this run knows. */
  #known = "";
  /** Whether this run has looked at the record. */
  isMade = false;

  constructor(claim: (known: string, place: string) => Promise<string | undefined>) {
    this.#claim = claim;
  }

  /**
   * Claims the poll for a place; undefined: only looks. Resolves to the leases of whoever claimed it before, if they are still
   * held; it is not claimed then.
   */
  async next<T>(place: PollPlace | undefined, recall: Recall<T>): Promise<T[]> {
    for (;;) {
      const kept = await this.#claim(this.#known, place === undefined ? "" : `${place.queue} ${place.token}`);
      this.isMade = true;
      if (kept === undefined) {
        if (place !== undefined) this.#known = `${place.queue} ${place.token}`;
        return [];
      }
      this.#known = kept;
      const [queue = "", token = ""] = kept.split(" ");
      const held = kept === "" ? [] : await recall({ queue, token });
      if (held.length > 0) return held;
    }
  }
}
