/** What waits for a turn. */
const waiting: (() => void)[] = [];

/**
 * Does each of these in a turn of the event loop of its own, in their order: what one has to say, to the watchers of a
 * thousand jobs for instance, leaves before the next is begun, and is not held in memory until all are done.
 */
export function runInOwnTick(run: () => void): void {
  waiting.push(run);
  if (waiting.length === 1) setImmediate(next);
}

function next(): void {
  const [run] = waiting;
  try {
    run?.();
  } finally {
    waiting.shift();
    if (waiting.length > 0) setImmediate(next);
  }
}
