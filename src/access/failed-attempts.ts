import type { Clock } from "../core/clock.js";
import { clientOf } from "./client-address.js";

/** Failed attempts of an address that are for nothing, and how many more each second brings. */
const BURST = 20;
const PER_SECOND = 1;

/** Most addresses that are remembered; the one that failed longest ago is forgotten first. */
const MAX_ADDRESSES = 10_000;

interface Bucket {
  left: number;
  at: number;
}

/** Counts failed attempts by address: a token bucket each. */
export class FailedAttempts {
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #buckets = new Map<string, Bucket>();

  /** `processes`: among how many, each of which counts for itself, the limit is shared out. */
  constructor(clock: Clock, processes = 1) {
    this.#clock = clock;
    this.#burst = Math.max(1, BURST / processes);
    this.#perSecond = PER_SECOND / processes;
  }

  /** Counts one. Returns whether it was the first that is over the limit. */
  failed(address: string | undefined): boolean {
    const key = clientOf(address ?? "");
    const now = this.#clock.monotonic();
    const left = this.#left(key, now);
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: Math.max(0, left - 1), at: now });
    if (this.#buckets.size > MAX_ADDRESSES) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return left >= 1 && left < 2;
  }

  /** How long an address should wait before it tries again, ms; 0: it is within the limit. */
  waitMs(address: string | undefined): number {
    const left = this.#left(clientOf(address ?? ""), this.#clock.monotonic());
    return left >= 1 ? 0 : Math.ceil(((1 - left) * 1000) / this.#perSecond);
  }

  #left(key: string, now: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return this.#burst;
    return Math.min(this.#burst, bucket.left + ((now - bucket.at) * this.#perSecond) / 1000);
  }
}
