import type { ExtendResult, Extension } from "../port/leases.js";
import type { Leasing } from "../work/leasing.js";
import { byQueue } from "./by-queue.js";

/** Most leases that one call asks after. */
const BATCH = 1000;

/**
 * Extends leases, each queue for itself: one that fails says nothing of the others. `heed` is called with each result. Rejects
 * with the first failure, once all queues have answered.
 */
export async function extendByQueue<T extends Extension>(
  leasing: Pick<Leasing, "extend">,
  items: readonly T[],
  heed: (item: T, result: ExtendResult) => void,
): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  async function extend(ofQueue: readonly T[]): Promise<void> {
    for (let at = 0; at < ofQueue.length; at += BATCH) {
      const part = ofQueue.slice(at, at + BATCH);
      const results = await leasing.extend(
        part.map(({ jobId, token, leaseMs, progress }) => ({ jobId, token, leaseMs, progress })),
      );
      part.forEach((item, index) => {
        const result = results[index];
        if (result !== undefined) heed(item, result);
      });
    }
  }
  const queues = [...byQueue(items, ({ jobId }) => jobId).values()];
  await Promise.all(
    queues.map((ofQueue) =>
      extend(ofQueue).catch((error) => {
        failure ??= { error };
      }),
    ),
  );
  if (failure !== undefined) throw failure.error;
}
