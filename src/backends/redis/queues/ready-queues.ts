/** Sets of types remembered for one queue. */
const MAX_TYPES = 64;

/** What a look at a queue may tell afterwards. */
export interface Look {
  /** The queue had no more jobs of these types. */
  hadNone(): void;
}

/**
 * Knows which queues had no ready jobs, and for which types, since anything was heard of them: an idle server does not ask
 * each of its queues for jobs when one of them has some.
 */
export class ReadyQueues {
  /** By queue: sets of types that found nothing. A new one takes its place when the queue may have jobs again. */
  readonly #empty = new Map<string, Set<string>>();

  /** Jobs of this queue may be ready. */
  mark(queue: string): void {
    this.#empty.delete(queue);
  }

  /** Any queue may have ready jobs. */
  markAll(): void {
    this.#empty.clear();
  }

  /** Undefined: the queue has none for these types. */
  look(queue: string, types: readonly string[]): Look | undefined {
    const key = types.length === 1 ? (types[0] as string) : types.join("\n");
    let empty = this.#empty.get(queue);
    if (empty?.has(key)) return undefined;
    if (empty === undefined || empty.size >= MAX_TYPES) {
      empty = new Set();
      this.#empty.set(queue, empty);
    }
    // What is heard while the look is under way replaces the set: then it tells nothing.
    return { hadNone: () => void empty.add(key) };
  }
}
