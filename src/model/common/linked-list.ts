/** What can be in a `LinkedList`: in one at a time, which alone writes these fields. */
export interface Linked<T> {
  /** The entry that was added before it; undefined: it is the first, or in no list. */
  before: T | undefined;
  /** The entry that was added after it; undefined: it is the last, or in no list. */
  after: T | undefined;
}

/**
 * Entries in the order in which they were added, for what comes and goes with each call. A `Set` or `Map` makes a new table every few
 * entries, and in V8 the old table keeps its entries and leads to the new one: when the garbage collector has moved one old table to the
 * old generation, all that follow it live on there with what was in them, until the whole heap is collected. A removed entry of this
 * list leads to nothing.
 */
export class LinkedList<T extends Linked<T>> implements Iterable<T> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an entry at the end. It must be in no list. */
  add(entry: T): void {
    entry.before = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.after = entry;
    this.#last = entry;
    this.#size++;
  }

  /** Removes an entry. Returns whether it was in this list, as it may be in no other. */
  delete(entry: T): boolean {
    const { before, after } = entry;
    if (before === undefined && this.#first !== entry) return false;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    entry.before = undefined;
    entry.after = undefined;
    this.#size--;
    return true;
  }

  /** The entry that it came to may be removed meanwhile. Whoever removes others too goes through a copy. */
  *[Symbol.iterator](): Generator<T, void> {
    let next: T | undefined;
    for (let entry = this.#first; entry !== undefined; entry = next) {
      next = entry.after;
      yield entry;
    }
  }
}
