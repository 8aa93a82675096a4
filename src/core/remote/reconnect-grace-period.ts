import type { Logger } from "../../model/logger.js";
import type { Clock, Timer } from "../clock.js";
import type { Leasing } from "../leasing.js";
import type { HeldLease, LeaseHolder } from "./held-leases.js";

/** How long after the end of a stream its jobs are kept for a worker that comes back, ms. */
export const RECONNECT_GRACE_MS = 10_000;

/** How much longer than expected a lease must last after the grace to count as extended elsewhere, ms. */
const EXTENDED_MS = 250;

/** What a grace is made of. */
export interface ReconnectGracePeriodDeps {
  readonly leasing: Leasing;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whose worker is gone, for the log. */
  readonly worker: string;
}

/**
 * Gives back, after `RECONNECT_GRACE_MS`, the leases that this holder has then still, but for those that were extended meanwhile
 * at another server: that shows in what is left of them. Then calls `done`. What is extended or ended here must be taken
 * from the holder before.
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

  /** What is left of each lease that is held. */
  async function remaining(): Promise<[HeldLease, number][]> {
    const leases = [...held.values()];
    if (leases.length === 0) return [];
    const results = await leasing.extend(leases.map(toRef));
    return leases.flatMap((lease, index) => {
      const result = results[index];
      return result === undefined || result.outcome === "LEASE_LOST" ? [] : [[lease, result.expiresInMs]];
    });
  }

  async function releaseSilent(): Promise<void> {
    const silent = (await remaining()).filter(([lease, expiresInMs]) => {
      const before = left.get(lease);
      const isSilent = before !== undefined && expiresInMs <= before - RECONNECT_GRACE_MS + EXTENDED_MS;
      return isSilent && held.get(lease.jobId) === lease;
    });
    if (silent.length === 0 || isOver) return;
    logger.info({ worker, jobs: silent.length }, "a worker is gone; its jobs are given back");
    await leasing.release(silent.map(([lease]) => toRef(lease)));
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
