// Not the global one: test runners replace that when a test fakes its timers.
import { setImmediate } from "node:timers";

/** Slices share a turn of the event loop until it has gone on for so long, ms: most of them take far less. */
const SHARED_MS = 0.25;

/** What waits for its turn, after what has it now. */
const waiting: (() => void)[] = [];

/** Whether a turn is to come: what is put off until the next one would come after its slices. */
let isDue = false;

/** When the turn began. */
let begunAt = 0;

/** Whether something waits for a turn that has not begun. */
export function hasOwnTurns(): boolean {
  return isDue;
}

/**
 * Runs each function in a turn of the event loop of its own, in order; those that are short share one. Long work is cut into slices
 * that are run so, whoever it is for: however many are under way, what else comes in waits for about one slice, not for one of each.
 */
export function inOwnTurn(run: () => void): void {
  waiting.push(run);
  if (waiting.length === 1) wait();
}

/** Resolves in such a turn; see `inOwnTurn`. Long work for callers awaits it between its slices. */
export function ownTurn(): Promise<void> {
  return new Promise(inOwnTurn);
}

function wait(): void {
  isDue = true;
  setImmediate(begin);
}

function begin(): void {
  isDue = false;
  begunAt = performance.now();
  next();
}

function next(): void {
  try {
    waiting[0]?.();
  } finally {
    // What awaited its turn goes on in microtasks: a tick that is asked for from there comes after all of them.
    queueMicrotask(() => process.nextTick(goOn));
  }
}

function goOn(): void {
  waiting.shift();
  if (waiting.length === 0) return;
  if (performance.now() - begunAt < SHARED_MS) next();
  else wait();
}
