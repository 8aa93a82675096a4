import type { Lease } from "../port/leases.js";
import type { HeldLease, LeaseHolder } from "./held-leases.js";
import { isLate, type Outbox, type Outboxes } from "./outboxes.js";

/** Dependencies of the outbox of a stream. */
export interface StreamOutboxDeps {
  readonly outboxes: Outboxes;
  /** Gives leases back, with nothing counted. */
  readonly release: (leases: readonly HeldLease[]) => void;
}

/** The leases of a stream that have not left: those that wait for its reader, and the one that it took last. */
export class StreamOutbox implements Outbox {
  readonly leaseMs: number;
  readonly #held: LeaseHolder["held"];
  readonly #deps: StreamOutboxDeps;
  #waiting: Lease[] = [];
  #sending: HeldLease | undefined;

  /** `held`: the leases of the stream. */
  constructor(leaseMs: number, held: LeaseHolder["held"], deps: StreamOutboxDeps) {
    this.leaseMs = leaseMs;
    this.#held = held;
    this.#deps = deps;
  }

  /** Whether leases wait for the reader. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** How many, with those that are over and that nobody has come for since. */
  get size(): number {
    return this.#waiting.length;
  }

  get writing(): readonly HeldLease[] {
    return this.#sending === undefined ? [] : [this.#sending];
  }

  /** Adds leases, which are held already. */
  add(leases: readonly Lease[]): void {
    if (leases.length === 0) return;
    this.#waiting.push(...leases);
    this.#deps.outboxes.add(this);
  }

  /** Takes the next lease to be written, at `now` on the monotonic clock. Then it is being sent, until `sent`. */
  next(now: number): Lease | undefined {
    for (let lease = this.#waiting.shift(); lease !== undefined; lease = this.#waiting.shift()) {
      const held = this.#heldAs(lease);
      if (held === undefined) continue;
      const expiresInMs = Math.floor(held.until - now);
      if (expiresInMs > 0) {
        this.#sending = held;
        return { ...lease, expiresInMs };
      }
      // It expired before the reader came for it.
      this.#deps.release([held]);
    }
    return undefined;
  }

  /** What was being sent has left: from now on it is its worker's. */
  sent(now: number): void {
    const lease = this.#sending;
    if (lease === undefined) return;
    this.#sending = undefined;
    if (isLate(lease, this.leaseMs, now)) this.#deps.outboxes.left([lease], this.leaseMs, now);
  }

  /** Whether this lease waits: it can still be taken back. */
  isUnsent({ token }: HeldLease): boolean {
    return this.#waiting.some((lease) => lease.token === token);
  }

  /** Whether its worker may have this lease. */
  hasLeft(lease: HeldLease): boolean {
    return lease !== this.#sending && !this.isUnsent(lease);
  }

  /** Forgets a lease that is over. One that waits is passed over in its turn: most that end have left, and each end costs the same. */
  drop(over: HeldLease): void {
    if (this.#sending === over) this.#sending = undefined;
  }

  /** Gives back what waits. */
  empty(): void {
    this.#deps.release(this.#heldOfWaiting());
  }

  /** Gives back all that has not left: its reader is gone. */
  end(): void {
    this.#deps.release([...this.#heldOfWaiting(), ...this.writing]);
  }

  check(now: number): boolean {
    // While there is time to do so before they end.
    const late = this.#heldOfWaiting().filter(({ until }) => until - now <= this.leaseMs / 3);
    if (late.length > 0) this.#deps.release(late);
    this.#waiting = this.#waiting.filter((lease) => this.#heldAs(lease) !== undefined);
    return this.#waiting.length > 0 || this.#sending !== undefined;
  }

  #heldOfWaiting(): HeldLease[] {
    return this.#waiting.flatMap((lease) => this.#heldAs(lease) ?? []);
  }

  /** The lease as it is held; undefined when it is over. Its job may have been leased again since. */
  #heldAs({ job, token }: Lease): HeldLease | undefined {
    const held = this.#held.get(job.id);
    return held?.token === token ? held : undefined;
  }
}
