import type { Logger } from "../../model/log/logger.js";
import type { Clock, Timer } from "../clock.js";
import { isToExtend } from "../work/leasing.js";
import type { HeldLease, HeldLeases } from "./held-leases.js";

/** How often outboxes are looked after, ms: several times in the shortest lease. */
export const OUTBOX_CHECK_MS = 250;

/** A lease of which less is left when it leaves begins anew: its worker gets all of it. */
const FRESH = 0.9;

/** What is on its way to one worker: a stream, or the answer of a poll. */
export interface Outbox {
  /** How long its leases last, ms. */
  readonly leaseMs: number;
  /** Leases that are being written: the server keeps them, as their worker cannot have them yet. */
  readonly writing: readonly HeldLease[];
  /** Called every `OUTBOX_CHECK_MS`: takes back what waits for too long. Returns false when nothing is on its way any more. */
  check(now: number): boolean;
}

/**
 * The leases that have not left this server. A worker answers for a lease only once it may have it: until then the server
 * extends what is being written, and a lease begins anew when it leaves late. So a slow link costs no leases.
 */
export class Outboxes {
  readonly #leases: HeldLeases;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #busy = new Set<Outbox>();
  /** Leases that are being extended. */
  readonly #kept = new Set<HeldLease>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(leases: HeldLeases, clock: Clock, logger: Logger) {
    this.#leases = leases;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Looks after this outbox until its `check` says that it is empty. */
  add(outbox: Outbox): void {
    this.#busy.add(outbox);
    if (this.#timer === undefined) this.#arm();
  }

  /** Call when these leases have left the server, at `now`, ms on the monotonic clock. */
  left(leases: readonly HeldLease[], leaseMs: number, now: number): void {
    this.#keep(
      leases.filter((lease) => isLate(lease, leaseMs, now)),
      leaseMs,
    );
  }

  /** Looks after nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#busy.clear();
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#timer = this.#clock.setTimer(OUTBOX_CHECK_MS, () => {
      this.#timer = undefined;
      const now = this.#clock.monotonic();
      for (const outbox of [...this.#busy]) {
        if (!outbox.check(now)) {
          this.#busy.delete(outbox);
          continue;
        }
        const { leaseMs, writing } = outbox;
        this.#keep(
          writing.filter((lease) => isToExtend(lease, leaseMs, now)),
          leaseMs,
        );
      }
      if (this.#busy.size > 0) this.#arm();
    });
  }

  /** Extends those of these leases that are not being extended already. */
  #keep(leases: readonly HeldLease[], leaseMs: number): void {
    const due = leases.filter((lease) => !this.#kept.has(lease));
    if (due.length === 0) return;
    for (const lease of due) this.#kept.add(lease);
    this.#leases
      .keep(due, leaseMs)
      .catch((error) => {
        this.#logger.warn({ err: error, jobs: due.length }, "leases on their way could not be extended");
      })
      .finally(() => {
        for (const lease of due) this.#kept.delete(lease);
      });
  }
}

/** Whether a lease that leaves now waited for so long that it has to begin anew. */
export function isLate({ until }: HeldLease, leaseMs: number, now: number): boolean {
  return until - now < leaseMs * FRESH;
}
