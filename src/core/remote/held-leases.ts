import type { Logger } from "../../model/log/logger.js";
import type { Clock, Timer } from "../clock.js";
import type { Change } from "../port/changes.js";
import type { ExtendResult, Extension, Lease, LeaseRef } from "../port/leases.js";
import { extendByQueue } from "../stores/extend-by-queue.js";
import type { Leasing } from "../work/leasing.js";

/** How often the backend is asked about leases that should have expired by the local clock, ms. */
const CHECK_MS = 15_000;

/** Cancel requests remembered for jobs without a lease here: such a change may arrive before the lease itself. */
const EARLY_CANCELS = 1000;

/** A lease that this server gave to a remote worker and that is not known to be over. */
export interface HeldLease extends LeaseRef {
  readonly deliveries: number;
  /** Lost leases of the job when this one was given. */
  readonly lostLeases: number;
  readonly holder: LeaseHolder;
  /** When it was given, ms on the monotonic clock. */
  readonly givenAt: number;
  /** When it expires, as far as this server knows, ms on the monotonic clock. */
  until: number;
  /** Whether its holder was told that cancel was requested. */
  isCanceled: boolean;
}

/** A stream, or a worker that polls: what a lease was given to. */
export interface LeaseHolder {
  /** Its leases, by job id. */
  readonly held: Map<string, HeldLease>;
  /** Called when a lease is over, for whatever reason. It is not in `held` any more. */
  ended?(lease: HeldLease): void;
  /** Called before `ended` when the lease ran out: nobody settled it. */
  lapsed?(lease: HeldLease): void;
  /** Called when the worker settled or extended a lease: it is alive. */
  heard?(): void;
  /** Called once when cancel was requested for the job. */
  canceled?(lease: HeldLease): void;
  /** Called when the worker extended the lease or reported progress here, which shows that it is alive. */
  extended?(lease: HeldLease): void;
}

/** Dependencies of `HeldLeases`. */
export interface HeldLeasesDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The leases that remote workers got from this server. Their ends are learned from the settle calls that arrive here
 * and from the change log, which also shows what other servers wrote. What both missed is found by asking the backend
 * every `CHECK_MS` about the leases that should have expired.
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

  /** Records that a lease was given to this holder. */
  add({ job, token, expiresInMs }: Lease, holder: LeaseHolder): HeldLease {
    // The job may be leased again before the end of its earlier lease is known here. A poll that is repeated by its
    // request id adds the same lease again: the new entry replaces the equal old one.
    const earlier = this.#byJob.get(job.id);
    if (earlier !== undefined) {
      if (job.lostLeases > earlier.lostLeases) earlier.holder.lapsed?.(earlier);
      this.remove(earlier);
    }
    const givenAt = this.#deps.clock.monotonic();
    const { deliveries, lostLeases } = job;
    const until = givenAt + expiresInMs;
    const lease = { jobId: job.id, token, deliveries, lostLeases, holder, givenAt, until, isCanceled: false };
    this.#byJob.set(job.id, lease);
    holder.held.set(job.id, lease);
    if (job.cancelRequested || this.#earlyCancels.get(job.id) === job.deliveries) this.#cancel(lease);
    this.#arm();
    return lease;
  }

  /** Forgets a lease that is over or given up, and calls `ended` of its holder. */
  remove(lease: HeldLease): void {
    if (this.#byJob.get(lease.jobId) === lease) this.#byJob.delete(lease.jobId);
    if (lease.holder.held.get(lease.jobId) !== lease) return;
    lease.holder.held.delete(lease.jobId);
    lease.holder.ended?.(lease);
  }

  /** Number of leases held. */
  get size(): number {
    return this.#byJob.size;
  }

  /** Called with what was appended to the change log. */
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
      if (!isRunning || change.deliveries > lease.deliveries) {
        if (change.lostLeases > lease.lostLeases) lease.holder.lapsed?.(lease);
        // At another server, for instance.
        else if (change.status === "DONE") lease.holder.heard?.();
        this.remove(lease);
      } else if (change.cancelRequested) this.#cancel(lease);
    }
  }

  /** Called when calls that settle these leases were answered. Whatever the outcomes, the leases are over. */
  settled(refs: readonly LeaseRef[]): void {
    for (const ref of refs) {
      const lease = this.find(ref);
      if (lease === undefined) continue;
      lease.holder.heard?.();
      this.remove(lease);
    }
  }

  /** Whether this lease is held, and was not given anew. */
  has(lease: HeldLease): boolean {
    return this.#byJob.get(lease.jobId) === lease;
  }

  /** The lease that is held with this token. */
  find({ jobId, token }: LeaseRef): HeldLease | undefined {
    const lease = this.#byJob.get(jobId);
    return lease?.token === token ? lease : undefined;
  }

  /** Extends leases for the server's own part: that is no sign of life of their worker. */
  async keep(leases: readonly HeldLease[], leaseMs: number): Promise<void> {
    const refs = leases.filter((lease) => this.has(lease)).map(({ jobId, token }) => ({ jobId, token, leaseMs }));
    await extendByQueue(this.#deps.leasing, refs, ({ jobId, token }, result) =>
      this.extended([{ jobId, token }], [result]),
    );
  }

  /** Called with the results of extensions, in the order of `items`. */
  extended(items: readonly Extension[], results: readonly ExtendResult[]): void {
    const now = this.#deps.clock.monotonic();
    items.forEach((item, index) => {
      const lease = this.find(item);
      const result = results[index];
      if (lease === undefined || result === undefined) return;
      const isOfWorker = item.leaseMs !== undefined || item.progress !== undefined;
      if (isOfWorker) lease.holder.heard?.();
      if (result.outcome === "LEASE_LOST") {
        this.remove(lease);
        return;
      }
      lease.until = now + result.expiresInMs;
      if (result.outcome === "CANCEL_REQUESTED") this.#cancel(lease);
      else if (isOfWorker) lease.holder.extended?.(lease);
    });
  }

  /** Stops asking the backend about leases. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
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
    const refs = over.map(({ jobId, token }) => ({ jobId, token }));
    await extendByQueue(this.#deps.leasing, refs, (ref, result) => this.extended([ref], [result]));
  }
}
