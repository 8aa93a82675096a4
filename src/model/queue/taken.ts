/** What workers take. */
export interface Taken {
  /** The queues they take jobs from, by name or as `prefix*`. Empty: all. */
  readonly queues: readonly string[];
  /** The types of the jobs they take. */
  readonly types: readonly string[];
}

/** Tells whether any of these takes jobs of a type from a queue. */
export function takenBy(list: Iterable<Taken>): (queue: string, type: string) => boolean {
  const anywhere = new Set<string>();
  const byQueue = new Map<string, Set<string>>();
  const byStart = new Map<string, Set<string>>();
  for (const { queues, types } of list) {
    for (const queue of queues) {
      const [known, key] = queue.endsWith("*") ? [byStart, queue.slice(0, -1)] : [byQueue, queue];
      const taken = known.get(key) ?? new Set<string>();
      known.set(key, taken);
      for (const type of types) taken.add(type);
    }
    if (queues.length === 0) for (const type of types) anywhere.add(type);
  }
  const startsWith = (queue: string, type: string) => {
    for (const [start, taken] of byStart) if (taken.has(type) && queue.startsWith(start)) return true;
    return false;
  };
  return (queue, type) =>
    anywhere.has(type) || byQueue.get(queue)?.has(type) === true || (byStart.size > 0 && startsWith(queue, type));
}
