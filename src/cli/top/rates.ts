import type { Queue } from "../../client/index.js";

/** Jobs done in a second, by queue. */
export interface Rates {
  /** Takes figures of queues at a moment, ms. */
  add(queues: readonly Queue[], at: number): void;
  /** Undefined: not known yet. */
  of(queue: string): number | undefined;
}

/** How long a rate looks back, ms. */
const WINDOW_MS = 5000;

/** Creates what counts how many jobs of each queue were done in the last few seconds. */
export function createRates(): Rates {
  let samples: { readonly at: number; readonly completed: ReadonlyMap<string, number> }[] = [];
  return {
    add(queues, at) {
      samples.push({ at, completed: new Map(queues.map(({ name, stats }) => [name, stats.completed])) });
      // The last one that is as old as the window stays: rates are over the whole of it.
      const from = samples.findLastIndex((each) => at - each.at >= WINDOW_MS);
      if (from > 0) samples = samples.slice(from);
    },
    of(queue) {
      const last = samples.at(-1);
      const first = samples.find(({ completed }) => completed.has(queue));
      const now = last?.completed.get(queue);
      const before = first?.completed.get(queue);
      if (last === undefined || first === undefined || now === undefined || before === undefined) return undefined;
      const ms = last.at - first.at;
      // A queue that was made anew counts from 0 again.
      return ms < 500 || now < before ? undefined : ((now - before) * 1000) / ms;
    },
  };
}
