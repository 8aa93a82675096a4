import type { Logger } from "../../model/log/logger.js";
import type { Clock } from "../clock.js";
import type { Leasing } from "../work/leasing.js";
import type { BackgroundRelease } from "./background-release.js";
import type { HeldLease, HeldLeases } from "./held-leases.js";
import { OUTBOX_CHECK_MS, type Outbox, type Outboxes } from "./outboxes.js";

/** An answer of which nothing was heard for so long counts as written, ms. */
const MAX_WRITING_MS = 120_000;

/** Settings of an answer. */
export interface PollAnswerOptions {
  readonly leaseMs: number;
  /** Whether the poll has a request id, so that a repeat of it is answered with the same leases. */
  readonly isRepeatable: boolean;
}

/** Dependencies of an answer. */
export interface PollAnswerDeps {
  readonly leasing: Leasing;
  readonly leases: HeldLeases;
  readonly outboxes: Outboxes;
  readonly release: BackgroundRelease;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The leases in the answer to a poll, while that is written.
 *
 * | state     | its leases                                                  | moves to                                  |
 * |-----------|-------------------------------------------------------------|-------------------------------------------|
 * | WRITING   | are extended                                                | LEFT: `left`; UNCLAIMED: `failed` of a    |
 * |           |                                                             | poll that can be repeated; OVER: `failed` |
 * | UNCLAIMED | wait for a repeat; near their ends they are given back      | OVER: the last was claimed, or given back |
 * | LEFT      | are their worker's                                          |                                           |
 * | OVER      | were given back, with nothing counted                       |                                           |
 */
export class PollAnswer implements Outbox {
  readonly leaseMs: number;
  readonly #isRepeatable: boolean;
  readonly #deps: PollAnswerDeps;
  readonly #begunAt: number;
  #leases: readonly HeldLease[];
  /** In UNCLAIMED: when each ends unless somebody extends it. */
  #ends = new Map<HeldLease, number>();
  #state: "WRITING" | "UNCLAIMED" | "LEFT" | "OVER" = "WRITING";

  constructor(leases: readonly HeldLease[], { leaseMs, isRepeatable }: PollAnswerOptions, deps: PollAnswerDeps) {
    this.#leases = leases;
    this.leaseMs = leaseMs;
    this.#isRepeatable = isRepeatable;
    this.#deps = deps;
    this.#begunAt = deps.clock.monotonic();
  }

  /** The answer was written: from now on the leases are their worker's. */
  left(): void {
    if (this.#state !== "WRITING") return;
    this.#state = "LEFT";
    this.#deps.outboxes.left(this.#leases, this.leaseMs, this.#deps.clock.monotonic());
  }

  /** The answer could not be written. */
  failed(): void {
    if (this.#state !== "WRITING") return;
    this.#leases = this.#leases.filter((lease) => this.#deps.leases.has(lease));
    if (this.#isRepeatable) {
      this.#state = "UNCLAIMED";
      this.#ends = new Map(this.#leases.map((lease) => [lease, lease.until]));
      return;
    }
    this.#state = "OVER";
    for (const lease of this.#leases) this.#deps.leases.remove(lease);
    this.#deps.release(this.#leases);
  }

  get writing(): readonly HeldLease[] {
    return this.#state === "WRITING" ? this.#leases : [];
  }

  check(now: number): boolean {
    // Not those that were settled, or given anew by a repeat.
    this.#leases = this.#leases.filter((lease) => this.#deps.leases.has(lease));
    if (this.#state === "UNCLAIMED") this.#giveBackLate(now);
    else if (this.#state !== "WRITING" || now - this.#begunAt > MAX_WRITING_MS) return false;
    return this.#leases.length > 0;
  }

  #giveBackLate(now: number): void {
    const margin = this.#margin;
    this.#leases = this.#leases.filter((lease) => lease.until === this.#ends.get(lease));
    const late = this.#leases.filter(({ until }) => until - now <= margin);
    if (late.length === 0) return;
    this.#leases = this.#leases.filter((lease) => !late.includes(lease));
    this.#giveBack(late, margin).catch((error) => {
      this.#deps.logger.warn({ err: error, jobs: late.length }, "jobs that no poll came for could not be given back");
    });
  }

  /** How long before their ends leases are given back, ms: a worker that got them by a repeat has extended them by then. */
  get #margin(): number {
    return Math.max(this.leaseMs / 10, 2 * OUTBOX_CHECK_MS);
  }

  /** Gives back those that were not extended at another server. */
  async #giveBack(late: readonly HeldLease[], margin: number): Promise<void> {
    const { leasing, leases, release } = this.#deps;
    const results = await leasing.extend(late.map(({ jobId, token }) => ({ jobId, token })));
    const silent = late.filter((lease, at) => {
      const result = results[at];
      if (result === undefined || result.outcome === "LEASE_LOST") return false;
      // A repeat may have got it meanwhile.
      return result.expiresInMs <= margin && leases.has(lease);
    });
    for (const lease of silent) leases.remove(lease);
    release(silent);
  }
}
