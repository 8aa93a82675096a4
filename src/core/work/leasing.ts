import type { Tracer } from "../../model/log/tracer.js";
import type { Backend } from "../backend.js";
import type { FailureReason, Observer, SettleKind } from "../observer.js";
import type {
  Completion,
  ExtendResult,
  Extension,
  Failure,
  Lease,
  LeaseRef,
  LeaseRequest,
  Release,
  Settlement,
} from "../port/leases.js";
import type { JobLog } from "./job-log.js";

/** A failure, and why. Default: what its `retry` tells. */
export interface FailedAttempt extends Omit<Failure, "jitter"> {
  readonly reason?: FailureReason | undefined;
}

/** Leases, extends and settles jobs. Built-in and remote workers alike use this and not the backend. */
export interface Leasing {
  lease(request: LeaseRequest): Promise<readonly Lease[]>;
  complete(items: readonly Completion[]): Promise<readonly Settlement[]>;
  fail(items: readonly FailedAttempt[]): Promise<readonly Settlement[]>;
  release(items: readonly Release[]): Promise<readonly Settlement[]>;
  extend(items: readonly Extension[]): Promise<readonly ExtendResult[]>;
}

/**
 * Whether a lease is to be extended now: a third of its time is over, as its holder knows. Times in ms, `now` and `until` on the
 * monotonic clock.
 */
export function isToExtend({ until }: { readonly until: number }, leaseMs: number, now: number): boolean {
  return until - now <= (leaseMs * 2) / 3;
}

/** Dependencies of a leasing. */
export interface LeasingDeps {
  readonly backend: Backend;
  readonly observer: Observer;
  /** Returns a random number from 0 to 1. */
  readonly random: () => number;
  readonly log: JobLog;
  readonly tracer: Tracer;
}

/** Creates the leasing on a backend: reports to observer, log and tracer, and adds the random jitter of backoffs. */
export function createLeasing({ backend, observer, random, log, tracer }: LeasingDeps): Leasing {
  function observed(
    kind: SettleKind,
    refs: readonly LeaseRef[],
    settlements: readonly Settlement[],
    failures?: readonly FailedAttempt[],
  ): readonly Settlement[] {
    log.settled(kind, refs, settlements, failures);
    settlements.forEach(({ outcome, applied }, at) => {
      const failure = failures?.[at];
      if (applied) {
        const { queue, type, status, durationMs } = applied;
        observer.settled(kind, queue, type, status, durationMs, failure && reasonOf(failure));
      } else if (outcome === "LEASE_LOST") observer.staleWrite(kind);
    });
    return settlements;
  }

  return {
    async lease(request) {
      const leases = await backend.lease(request);
      // Such a call leases nothing: these leases were reported before.
      if (request.max === 0) return leases;
      log.leased(leases);
      for (const { job } of leases) {
        observer.leased(job.queue, job.type, Math.max(0, (job.startedAt ?? 0) - job.runAfter), job.deliveries > 1);
      }
      if (tracer.isOn) for (const { job } of leases) tracer.waited(job);
      return leases;
    },
    complete: async (items) => observed("complete", items, await backend.complete(items)),
    async fail(items) {
      const failures = items.map(({ jobId, token, error, retry }) => ({
        jobId,
        token,
        error,
        retry,
        jitter: random(),
      }));
      return observed("fail", items, await backend.fail(failures), items);
    },
    async release(items) {
      const settlements = await backend.release(items);
      settlements.forEach((settlement, at) => {
        const { applied } = settlement;
        const item = items[at];
        if (item === undefined) return;
        if (item.isLost !== true) observed("release", [item], [settlement]);
        // One that came too late is no worker's fault.
        else if (applied) {
          observer.leaseLost(applied.queue, applied.type, applied.status);
          log.lost({ ...applied, jobId: item.jobId });
        }
      });
      return settlements;
    },
    extend: (items) => backend.extend(items),
  };
}

function reasonOf({ reason, retry }: FailedAttempt): FailureReason {
  return reason ?? (retry === "NEVER" ? "permanent" : "error");
}
