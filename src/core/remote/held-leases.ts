import type { Logger } from "../../model/logger.js";
import type { Change, ExtendResult, Extension, Lease, LeaseRef } from "../backend.js";
import type { Clock, Timer } from "../clock.js";
import type { Leasing } from "../leasing.js";

/** How often leases that should be over by what is known here are asked after, ms. */
const CHECK_MS = 15_000;

/** Most leases asked after in one call. */
const BATCH = 1000;

/** Cancels kept for jobs that are not known here: one may overtake the lease that it is about. */
const EARLY_CANCELS = 1000;

/** A lease that a remote worker got from this server and has not ended yet. */
export interface HeldLease extends LeaseRef {
  readonly deliveries: number;
  readonly holder: LeaseHolder;
  /** Its end, on the monotonic clock, as far as is known here. */
  until: number;
  /** Whether its holder was told of the cancel. */
  isCanceled: boolean;
}

/** Whom a lease was given to. */
export interface LeaseHolder {
  /** Its leases, by job. */
  readonly held: Map<string, HeldLease>;
  /** The lease is over, whatever ended it; it is not among `held` any more. */
  ended?(lease: HeldLease): void;
  /** The cancel of its job was asked for. */
  canceled?(lease: HeldLease): void;
  /** Its worker wrote to it: it lives. */
  extended?(lease: HeldLease): void;
}

/** What the table is made of. */
export interface HeldLeasesDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Knows which leases the remote workers of this server hold. It learns of their ends from the writes that come here and
 * from the change log, which tells of those that went elsewhere; what both missed is found by asking now and then.
 */
export class HeldLeases {
  readonly #deps: HeldLeasesDeps;
  readonly #byJob = new Map<string, HeldLease>();
  readonly #earlyCancels = new Map<string, number>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(deps: HeldLeasesDeps) {
    this.#deps = deps;
  }

  /** A lease was given to this holder. */
  add({ job, token, expiresInMs }: Lease, holder: LeaseHolder): HeldLease {
    // The job may come back before we are told that its earlier lease is over. A repeated answer changes nothing.
    const earlier = this.#byJob.get(job.id);
    if (earlier !== undefined) this.remove(earlier);
    const until = this.#deps.clock.monotonic() + expiresInMs;
    const lease = { jobId: job.id, token, deliveries: job.deliveries, holder, until, isCanceled: false };
    this.#byJob.set(job.id, lease);
    holder.held.set(job.id, lease);
    if (job.cancelRequested || this.#earlyCancels.get(job.id) === job.deliveries) this.#cancel(lease);
    this.#arm();
    return lease;
  }

  /** The lease is over, or nobody's any more. */
  remove(lease: HeldLease): void {
    if (this.#byJob.get(lease.jobId) === lease) this.#byJob.delete(lease.jobId);
    if (lease.holder.held.get(lease.jobId) !== lease) return;
    lease.holder.held.delete(lease.jobId);
    lease.holder.ended?.(lease);
  }

  /** How many are held. */
  get size(): number {
    return this.#byJob.size;
  }

  /** Changes were appended to the log. */
  changed(changes: readonly Change[]): void {
    for (const change of changes) {
      const lease = this.#byJob.get(change.jobId);
      const isRunning = change.status === "RUNNING" && !change.deleted;
      if (lease === undefined) {
        if (change.cancelRequested && isRunning) this.#keepCancel(change);
        continue;
      }
      // Changes of an earlier delivery may arrive late.
      if (change.deliveries < lease.deliveries) continue;
      if (!isRunning || change.deliveries > lease.deliveries) this.remove(lease);
      else if (change.cancelRequested) this.#cancel(lease);
    }
  }

  /** Writes that end leases were answered, whatever the answers were. */
  settled(refs: readonly LeaseRef[]): void {
    for (const ref of refs) {
      const lease = this.#find(ref);
      if (lease !== undefined) this.remove(lease);
    }
  }

  /** Extensions were answered. */
  extended(items: readonly Extension[], results: readonly ExtendResult[]): void {
    const now = this.#deps.clock.monotonic();
    items.forEach((item, index) => {
      const lease = this.#find(item);
      const result = results[index];
      if (lease === undefined || result === undefined) return;
      if (result.outcome === "LEASE_LOST") {
        this.remove(lease);
        return;
      }
      lease.until = now + result.expiresInMs;
      if (result.outcome === "CANCEL_REQUESTED") this.#cancel(lease);
      else if (item.leaseMs !== undefined || item.progress !== undefined) lease.holder.extended?.(lease);
    });
  }

  /** Asks after no leases any more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #find({ jobId, token }: LeaseRef): HeldLease | undefined {
    const lease = this.#byJob.get(jobId);
    return lease?.token === token ? lease : undefined;
  }

  #cancel(lease: HeldLease): void {
    if (lease.isCanceled) return;
    lease.isCanceled = true;
    lease.holder.canceled?.(lease);
  }

  #keepCancel({ jobId, deliveries }: Change): void {
    this.#earlyCancels.delete(jobId);
    this.#earlyCancels.set(jobId, deliveries);
    if (this.#earlyCancels.size <= EARLY_CANCELS) return;
    for (const oldest of this.#earlyCancels.keys()) {
      this.#earlyCancels.delete(oldest);
      return;
    }
  }

  #arm(): void {
    if (this.#isStopped) return;
    this.#timer ??= this.#deps.clock.setTimer(CHECK_MS, () => {
      this.#check()
        .catch((error) => this.#deps.logger.warn({ err: error }, "leases could not be asked after; trying again"))
        .finally(() => {
          this.#timer = undefined;
          if (this.#byJob.size > 0) this.#arm();
        });
    });
  }

  async #check(): Promise<void> {
    const now = this.#deps.clock.monotonic();
    const over = [...this.#byJob.values()].filter(({ until }) => until <= now);
    for (let at = 0; at < over.length; at += BATCH) {
      const refs = over.slice(at, at + BATCH).map(({ jobId, token }) => ({ jobId, token }));
      this.extended(refs, await this.#deps.leasing.extend(refs));
    }
  }
}
