import type { ExtendResult } from "../backend.js";
import { byQueue } from "../by-queue.js";
import type { Leasing } from "../leasing.js";
import type { PoolAttempt } from "./pool-attempt.js";

/**
 * Extends the leases of these attempts, each queue for itself: one that fails says nothing of the others. `heed` is called with each
 * result. Rejects with the first failure, once all queues have answered.
 */
export async function extendByQueue(
  leasing: Leasing,
  attempts: readonly PoolAttempt[],
  leaseMs: number,
  heed: (attempt: PoolAttempt, result: ExtendResult) => void,
): Promise<void> {
  const queues = byQueue(attempts.map((attempt) => ({ jobId: attempt.lease.job.id, attempt })));
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(
    [...queues.values()].map(async (items) => {
      try {
        const results = await leasing.extend(
          items.map(({ jobId, attempt }) => ({ jobId, token: attempt.lease.token, leaseMs })),
        );
        items.forEach(({ attempt }, index) => {
          const result = results[index];
          if (result !== undefined) heed(attempt, result);
        });
      } catch (error) {
        failure ??= { error };
      }
    }),
  );
  if (failure !== undefined) throw failure.error;
}
