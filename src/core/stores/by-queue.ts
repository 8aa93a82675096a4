import { queueOf } from "../../model/queue/ids.js";

/** Splits items into those of one queue each, in their order. `idOf`: the id of the job that an item is about. */
export function byQueue<T>(items: Iterable<T>, idOf: (item: T) => string): Map<string, T[]> {
  const queues = new Map<string, T[]>();
  for (const item of items) {
    const queue = queueOf(idOf(item));
    const group = queues.get(queue);
    if (group === undefined) queues.set(queue, [item]);
    else group.push(item);
  }
  return queues;
}
