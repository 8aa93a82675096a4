/** Most ids whose queue is remembered. */
const MAX = 100_000;

/** Remembers the queue of recently seen jobs, which the id does not tell. A job never changes its queue. */
export class JobQueueCache {
  #recent = new Map<string, string>();
  #older = new Map<string, string>();

  note(id: string, queue: string): void {
    if (this.#recent.size >= MAX / 2) {
      this.#older = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(id, queue);
  }

  of(id: string): string | undefined {
    return this.#recent.get(id) ?? this.#older.get(id);
  }
}
