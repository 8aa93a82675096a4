/** Functions that wait for their turn. */
const waiting: (() => void)[] = [];

/**
 * Runs each function in a turn of the event loop of its own, in order. What one of them sends, to the watchers of a
 * thousand jobs for instance, is written before the next begins, and is not held in memory until all are done.
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
