/** Most sets of types remembered for one queue. */
const MAX_TYPES = 64;

/** A lease call about to be made on a queue. */
export interface Look {
  /** Call when the queue had no more jobs of these types. */
  hadNone(): void;
}

/**
 * Remembers which queues had no ready jobs, for which types, until jobs may be ready there again: an idle server then
 * calls Redis only for the queues that may have jobs.
 */
export class ReadyQueues {
  /** By queue: the sets of types that found nothing. Dropped when the queue may have jobs again. */
  readonly #empty = new Map<string, Set<string>>();

  /** The types that were asked for last: cached, as one lease call asks many queues for the same. */
  #lastTypes: readonly string[] = [];
  #lastKey = "[]";

  /** Jobs of this queue may be ready. */
  mark(queue: string): void {
    this.#empty.delete(queue);
  }

  /** Any queue may have ready jobs. */
  markAll(): void {
    this.#empty.clear();
  }

  /** Undefined when the queue is known to have no jobs of these types. */
  look(queue: string, types: readonly string[]): Look | undefined {
    const key = this.#keyOf(types);
    let empty = this.#empty.get(queue);
    if (empty?.has(key)) return undefined;
    if (empty === undefined || empty.size >= MAX_TYPES) {
      empty = new Set();
      this.#empty.set(queue, empty);
    }
    // `mark` during the call drops this set from the map: then `hadNone` has no effect, as it should not.
    return { hadNone: () => void empty.add(key) };
  }

  /** A text for this set of types and no other. A type may hold any character, so no separator would do. */
  #keyOf(types: readonly string[]): string {
    if (types !== this.#lastTypes) {
      this.#lastTypes = types;
      this.#lastKey = JSON.stringify(types);
    }
    return this.#lastKey;
  }
}
