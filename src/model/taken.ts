/** What workers take. */
export interface Taken {
  /** The queues they take jobs from. Empty: all. */
  readonly queues: readonly string[];
  /** The types of the jobs they take. */
  readonly types: readonly string[];
}

/** Tells whether any of these takes jobs of a type from a queue. */
export function takenBy(list: Iterable<Taken>): (queue: string, type: string) => boolean {
  const anywhere = new Set<string>();
  const byQueue = new Map<string, Set<string>>();
  for (const { queues, types } of list) {
    for (const queue of queues) {
      const taken = byQueue.get(queue) ?? new Set<string>();
      byQueue.set(queue, taken);
      for (const type of types) taken.add(type);
    }
    if (queues.length === 0) for (const type of types) anywhere.add(type);
  }
  return (queue, type) => anywhere.has(type) || byQueue.get(queue)?.has(type) === true;
}
