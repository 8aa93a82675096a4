import type { LeaseRef } from "../../core/port/leases.js";
import { OrderedQueue } from "./indexes/ordered-queue.js";

/** Most requests that are remembered; beyond that, the one that ends first is forgotten. */
const MAX_REQUESTS = 100_000;

interface Entry {
  readonly key: string;
  readonly until: number;
  readonly leases: readonly LeaseRef[];
}

/**
 * Remembers which leases each lease call with a request id got, until those leases would have ended unextended, so that
 * a repeat of the call gets the same leases.
 */
export class LeaseRequests {
  readonly #byKey = new Map<string, Entry>();
  readonly #byEnd = new OrderedQueue<Entry>(
    (a, b) => a.until - b.until,
    (entry) => this.#byKey.get(entry.key) === entry,
  );

  /** The leases that a request got; none when it is not remembered. `now` is ms on the monotonic clock. */
  find(worker: string, requestId: string, now: number): readonly LeaseRef[] {
    this.#forget(now);
    return this.#byKey.get(keyOf(worker, requestId))?.leases ?? [];
  }

  /** Remembers the leases of a request until `until`, ms on the monotonic clock; replaces earlier ones. */
  remember(worker: string, requestId: string, leases: readonly LeaseRef[], until: number): void {
    const entry = { key: keyOf(worker, requestId), until, leases };
    const isKnown = this.#byKey.has(entry.key);
    this.#byKey.set(entry.key, entry);
    if (isKnown) this.#byEnd.discard();
    this.#byEnd.push(entry);
    if (this.#byKey.size > MAX_REQUESTS) this.#drop();
  }

  #forget(now: number): void {
    while ((this.#byEnd.peek()?.until ?? Number.POSITIVE_INFINITY) <= now) this.#drop();
  }

  #drop(): void {
    const first = this.#byEnd.pop();
    if (first !== undefined) this.#byKey.delete(first.key);
  }
}

/** The key of a lease call. */
export function keyOf(worker: string, requestId: string): string {
  return JSON.stringify([worker, requestId]);
}
