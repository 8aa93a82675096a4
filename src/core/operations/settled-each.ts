import { TaskQueueError } from "../../model/common/errors.js";

/**
 * Does something to each item at the same moment, in their order; resolves to the results, and the expected failures in place of
 * those that failed. Rejects with an unexpected one.
 */
export async function settledEach<T, R>(
  items: readonly T[],
  run: (item: T) => Promise<R>,
): Promise<(R | TaskQueueError)[]> {
  const settled = await Promise.allSettled(items.map(run));
  return settled.map((each) => {
    if (each.status === "fulfilled") return each.value;
    if (each.reason instanceof TaskQueueError) return each.reason;
    throw each.reason;
  });
}
