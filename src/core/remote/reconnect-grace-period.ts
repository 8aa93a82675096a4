import type { Logger } from "../../model/log/logger.js";
import type { Clock, Timer } from "../clock.js";
import { extendByQueue } from "../stores/extend-by-queue.js";
import type { Leasing } from "../work/leasing.js";
import type { HeldLease, LeaseHolder } from "./held-leases.js";

/** How long after the end of a stream its leases are kept for a worker that may reconnect, ms. */
export const RECONNECT_GRACE_MS = 10_000;

/** How much more of a lease than expected must be left after the grace period to count as extended elsewhere, ms. */
const EXTENDED_MS = 250;

/** Dependencies of a grace period. */
export interface ReconnectGracePeriodDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name of the worker that is gone, for the log. */
  readonly worker: string;
}

/**
 * After `RECONNECT_GRACE_MS`, gives back the leases that the holder still has as lost, as their worker had them and is gone: a job
 * that ends every worker at once must not go on for ever. Then calls `done`. Leases that were
 * extended at another server meanwhile are not released: they have more time left than they would have otherwise.
 * Leases that are extended or settled at this server must be taken out of `held` by the caller. Cancelling the returned
 * timer ends the grace period without a release.
 */
export function startReconnectGracePeriod(
  deps: ReconnectGracePeriodDeps,
  { held }: LeaseHolder,
  done: () => void,
): Timer {
  const { leasing, clock, logger, worker } = deps;
  const left = new Map<HeldLease, number>();
  let isOver = false;

  async function look(): Promise<void> {
    for (const [lease, expiresInMs] of await remaining()) left.set(lease, expiresInMs);
  }

  /** Resolves to the time left of each lease held, ms, without those that are lost and those of queues that do not answer. */
  async function remaining(): Promise<[HeldLease, number][]> {
    const found: [HeldLease, number][] = [];
    const refs = [...held.values()].map((lease) => ({ ...toRef(lease), lease }));
    await extendByQueue(leasing, refs, ({ lease }, { outcome, expiresInMs }) => {
      if (outcome !== "LEASE_LOST") found.push([lease, expiresInMs]);
    }).catch(failed);
    return found;
  }

  async function releaseSilent(): Promise<void> {
    const silent = (await remaining()).filter(([lease, expiresInMs]) => {
      const before = left.get(lease);
      const isSilent = before !== undefined && expiresInMs <= before - RECONNECT_GRACE_MS + EXTENDED_MS;
      return isSilent && held.get(lease.jobId) === lease;
    });
    if (silent.length === 0 || isOver) return;
    logger.info({ worker, jobs: silent.length }, "a worker is gone; its jobs are given back");
    await leasing.release(silent.map(([lease]) => ({ ...toRef(lease), isLost: true })));
  }

  function failed(error: unknown): void {
    logger.warn(
      { err: error, worker },
      "the jobs of a worker that is gone could not be given back; their leases will end",
    );
  }

  const looked = look().catch(failed);
  const timer = clock.setTimer(RECONNECT_GRACE_MS, () => {
    void looked
      .then(releaseSilent)
      .catch(failed)
      .then(() => {
        if (!isOver) done();
      });
  });
  return {
    cancel() {
      isOver = true;
      timer.cancel();
    },
  };
}

function toRef({ jobId, token }: HeldLease): { jobId: string; token: string } {
  return { jobId, token };
}
