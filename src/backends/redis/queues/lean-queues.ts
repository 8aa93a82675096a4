/** Creates in a queue that asks more of its jobs before ENQUEUE_ONE is tried there again. */
const RETRY_AFTER = 1000;

/** Most queues that are known to ask more of their jobs. */
const MAX_QUEUES = 10_000;

/** The queues where ENQUEUE_ONE does what a create needs: all but those that said otherwise lately. */
export class LeanQueues {
  readonly #left = new Map<string, number>();

  /** Whether to try it for the next create. */
  has(queue: string): boolean {
    const left = this.#left.get(queue);
    if (left === undefined) return true;
    if (left > 1) this.#left.set(queue, left - 1);
    else this.#left.delete(queue);
    return false;
  }

  /** The queue asks more of its jobs. */
  leave(queue: string): void {
    if (this.#left.size >= MAX_QUEUES) this.#left.clear();
    this.#left.set(queue, RETRY_AFTER);
  }
}
