/** What waits for its turn. */
const waiting: (() => void)[] = [];

/** Whether something waits for a turn of its own, or has it now. */
export function hasOwnTurns(): boolean {
  return waiting.length > 0;
}

/**
 * Runs each function in a turn of the event loop of its own, in order. Long work is cut into slices that are run so, whoever it is for:
 * however many are under way, what else comes in waits for one slice, not for one of each. What a slice sends is written before
 * the next begins.
 */
export function inOwnTurn(run: () => void): void {
  waiting.push(run);
  if (waiting.length === 1) setImmediate(next);
}

/** Resolves in a turn of the event loop of its own; see `inOwnTurn`. Long work for callers awaits it between its slices. */
export function ownTurn(): Promise<void> {
  return new Promise(inOwnTurn);
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
