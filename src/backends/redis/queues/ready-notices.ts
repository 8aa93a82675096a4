/** Who is told that jobs of a queue may be ready: of these types, or of any. */
export type TellReady = (queue: string, types: readonly string[] | undefined) => void;

/**
 * Tells of ready jobs, once for each script call: what this server did itself is told with the answer of the call, as its
 * callers may look at once, and comes on the channel too.
 */
export class ReadyNotices {
  tell: TellReady | undefined;
  /** By queue: positions of the log that were told with an answer and not yet heard of. */
  readonly #answered = new Map<string, Set<number>>();
  /** By queue: the position that was heard of last. */
  readonly #heard = new Map<string, number>();

  /** A call of this server was answered. `position`: of the log after it, 0 when it changed nothing; `word`: of the message. */
  answered(queue: string, position: number, word: string): void {
    if (position > 0 && position <= (this.#heard.get(queue) ?? 0)) return;
    if (word === "-") return;
    if (position > 0) {
      const answered = this.#answered.get(queue) ?? new Set();
      this.#answered.set(queue, answered.add(position));
    }
    this.#tell(queue, word);
  }

  /** A notice was heard. `word`: of the message; undefined: no jobs are ready by it. */
  noticed(queue: string, position: number, word: string | undefined): void {
    if (position > 0) {
      this.#heard.set(queue, position);
      const answered = this.#answered.get(queue);
      const isTold = answered?.delete(position) === true;
      if (answered?.size === 0) this.#answered.delete(queue);
      if (isTold) return;
    }
    if (word !== undefined) this.#tell(queue, word);
  }

  /** A sweep found jobs of these types. */
  swept(queue: string, word: string): void {
    this.#tell(queue, word);
  }

  /** The log of a queue may begin anew. */
  forget(queue: string): void {
    this.#answered.delete(queue);
    this.#heard.delete(queue);
  }

  /** Notices may have been missed. */
  reset(): void {
    this.#answered.clear();
    this.#heard.clear();
  }

  #tell(queue: string, word: string): void {
    if (word === "-") return;
    this.tell?.(queue, word === "*" ? undefined : word.split(",").map(decodeURIComponent));
  }
}
