import type { Timer } from "../clock.js";

/** What is known of the jobs of one type in a queue. */
export interface Pair {
  /** When it was told last that there may be some; 0: there are none. */
  markedAt: number;
  /** Calls that ask for them now. */
  calls: number;
  /** Calls in a row that got as many as they asked for. */
  streak: number;
}

/** What is known of a queue. */
export interface KnownQueue {
  readonly name: string;
  readonly pairs: Map<string, Pair>;
  /** When it was told last that there may be jobs of any type; 0: it was not. */
  anyAt: number;
  /** Types of which there are none although there may be jobs of any. */
  readonly none: Set<string>;
  /** Calls that were late since one was answered. */
  lates: number;
  /** Whether it is left aside. */
  isAside: boolean;
  /** Ends that after a call failed. */
  retry: Timer | undefined;
}

/** A queue of which nothing is known. */
export function unknownQueue(name: string): KnownQueue {
  return { name, pairs: new Map(), anyAt: 0, none: new Set(), lates: 0, isAside: false, retry: undefined };
}

/** Whether there may be jobs of this type. */
export function isMarked(known: KnownQueue, type: string): boolean {
  return (known.pairs.get(type)?.markedAt ?? 0) > 0 || (known.anyAt > 0 && !known.none.has(type));
}
