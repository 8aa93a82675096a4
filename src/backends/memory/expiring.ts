import type { Clock } from "../../core/clock.js";
import { Expiries, type Expiry } from "./indexes/expiries.js";
import type { Notices } from "./notices.js";
import type { QueuedJob, QueueState } from "./queue-state.js";
import { RareJobRecord } from "./records/job-record.js";
import type { Visits } from "./visits.js";

/** Which jobs expire, and when: steps that are each a part of a step of the job's life. `JobStore.expire` cancels those that have. */
export class Expiring {
  readonly #clock: Clock;
  readonly #visits: Visits<QueueState>;
  readonly #notices: Notices;

  constructor(clock: Clock, visits: Visits<QueueState>, notices: Notices) {
    this.#clock = clock;
    this.#visits = visits;
    this.#notices = notices;
  }

  /** Lets a job expire, unless it begins before that, `ttlMs` from now or, without one, at its `expiresAt`. */
  later(record: QueuedJob, ttlMs: number | undefined): void {
    const { expiresAt } = record;
    if (expiresAt === undefined) return;
    const isTimed = ttlMs === undefined;
    this.#at(record, isTimed, isTimed ? expiresAt : this.#clock.monotonic() + ttlMs);
  }

  /** A job that was restored, or went back to its beginning, expires as it did before, unless it has begun or ended. */
  again(record: QueuedJob): void {
    const { expiresAt, status, run, hasTtl } = record;
    if (expiresAt === undefined || status !== "PENDING" || (run !== undefined && run.deliveries > 0)) return;
    const before = record.expiry;
    if (before?.live) return;
    if (before !== undefined) this.#at(record, before.isTimed, before.until);
    else this.later(record, hasTtl ? expiresAt - this.#clock.now() : undefined);
  }

  /** A job begins or ends: it expires no more. */
  outlive(record: QueuedJob): void {
    const { expiry, queue } = record;
    if (expiry === undefined || !expiry.live) return;
    expiry.live = false;
    queue.expiries?.discard(expiry);
  }

  /** Another record stands for a waiting job from now on; `keepsExpiry`: it expires as before. */
  move(record: QueuedJob, next: QueuedJob, keepsExpiry: boolean): void {
    const { expiry } = record;
    if (expiry === undefined) return;
    const { live } = expiry;
    this.outlive(record);
    if (keepsExpiry) this.#add(next, { ...expiry, record: next, live });
  }

  #at(record: QueuedJob, isTimed: boolean, until: number): void {
    if (record.queue.isGone) return;
    this.#add(record, { record, isTimed, until, live: true });
    this.#visits.mark(record.queue);
    this.#notices.due(until - (isTimed ? this.#clock.now() : this.#clock.monotonic()));
  }

  #add(record: QueuedJob, expiry: Expiry<QueuedJob>): void {
    if (!(record instanceof RareJobRecord)) return;
    record.expiry = expiry;
    if (!expiry.live) return;
    const { queue } = record;
    queue.expiries ??= new Expiries();
    queue.expiries.add(expiry);
  }
}
