import { isQueueName } from "./queue.js";

/** Whether a text names a queue, or all queues whose names begin in some way: `mail`, `mail*`. */
export function isQueuePattern(text: string): boolean {
  return isQueueName(text) || /^[a-z0-9][a-z0-9._-]{0,62}\*$/.test(text);
}

/**
 * Queues by their names and by how their names begin, those made later too. It is the right of a caller to reach just these:
 * see `Engine.within`.
 */
export class QueuePatterns {
  /** The patterns, sorted: `mail`, `orders*`. */
  readonly list: readonly string[];
  /** Two with the same key are of the same queues. */
  readonly key: string;
  /** The names, when no pattern is a prefix; else undefined. */
  readonly names: ReadonlySet<string> | undefined;
  readonly #exact: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  /** `patterns`: each an `isQueuePattern`. */
  constructor(patterns: Iterable<string>) {
    this.list = [...new Set(patterns)].sort();
    this.key = this.list.join();
    this.#prefixes = this.list.filter((pattern) => pattern.endsWith("*")).map((pattern) => pattern.slice(0, -1));
    this.#exact = new Set(this.list.filter((pattern) => !pattern.endsWith("*")));
    this.names = this.#prefixes.length === 0 ? this.#exact : undefined;
  }

  /** Whether a queue is among them. */
  has(queue: string): boolean {
    return this.#exact.has(queue) || this.#prefixes.some((prefix) => queue.startsWith(prefix));
  }

  /** Whether some queue may be among them and be meant by another pattern too. */
  overlaps(pattern: string): boolean {
    if (!pattern.endsWith("*")) return this.has(pattern);
    const start = pattern.slice(0, -1);
    for (const name of this.#exact) if (name.startsWith(start)) return true;
    return this.#prefixes.some((prefix) => prefix.startsWith(start) || start.startsWith(prefix));
  }
}
