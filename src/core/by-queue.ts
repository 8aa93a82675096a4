import { queueOf } from "../model/ids.js";

/** Splits items into those of one queue each, in their order. */
export function byQueue<T extends { readonly jobId: string }>(items: readonly T[]): Map<string, T[]> {
  const queues = new Map<string, T[]>();
  for (const item of items) {
    const queue = queueOf(item.jobId);
    const group = queues.get(queue);
    if (group === undefined) queues.set(queue, [item]);
    else group.push(item);
  }
  return queues;
}
