import { setLongTimer } from "../../model/process/long-timer.js";

/** What gatherers know of time. Tests hand in their own. */
export interface GatherTiming {
  /** Ms on the monotonic clock. */
  now(): number;
  /** Runs something once what is being done now is done: after all that makes calls in this turn of the event loop. */
  afterTurn(run: () => void): void;
  /** Runs something after `ms`; returns what cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** The timing of this runtime. `afterTurn`: Node has a better one than all runtimes have, which is a microtask. */
export function createGatherTiming(afterTurn: (run: () => void) => void = queueMicrotask): GatherTiming {
  return {
    now: () => performance.now(),
    afterTurn,
    after(ms, run) {
      const timer = setLongTimer(ms, run);
      return () => timer.cancel();
    },
  };
}
