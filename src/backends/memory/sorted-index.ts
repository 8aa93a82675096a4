/**
 * A sorted list, for reading pages from either end. Items mostly arrive in order and are appended. One that no longer
 * belongs is reported with `discard` and skipped; when such stale items outnumber the live ones, they are swept out.
 */
export class SortedIndex<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #isLive: (item: T) => boolean;
  #items: T[] = [];
  #stale = 0;

  /** What `compare` reads of an item must never change; once `isLive` is false for an item, it must stay false. */
  constructor(compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#compare = compare;
    this.#isLive = isLive;
  }

  /** Number of live items. */
  get size(): number {
    return this.#items.length - this.#stale;
  }

  insert(item: T): void {
    const items = this.#items;
    let at = items.length;
    while (at > 0 && this.#compare(items[at - 1] as T, item) > 0) at--;
    if (at === items.length) items.push(item);
    else items.splice(at, 0, item);
  }

  /** Reports that one item in the index is no longer live. */
  discard(): void {
    this.#stale++;
    if (this.#stale > 64 && this.#stale * 2 > this.#items.length) {
      this.#items = this.#items.filter(this.#isLive);
      this.#stale = 0;
    }
  }

  /** Live items from the largest down; with `isSmaller`, only those for which it is true. */
  *descending(isSmaller?: (item: T) => boolean): Generator<T> {
    for (let at = (isSmaller ? this.#firstNot(isSmaller) : this.#items.length) - 1; at >= 0; at--) {
      const item = this.#items[at] as T;
      if (this.#isLive(item)) yield item;
    }
  }

  /** Live items from the smallest up; with `isNotLarger`, only those for which it is false. */
  *ascending(isNotLarger?: (item: T) => boolean): Generator<T> {
    for (let at = isNotLarger ? this.#firstNot(isNotLarger) : 0; at < this.#items.length; at++) {
      const item = this.#items[at] as T;
      if (this.#isLive(item)) yield item;
    }
  }

  /** First position whose item fails `test`, which must be true up to some position and false from there on. */
  #firstNot(test: (item: T) => boolean): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (test(this.#items[middle] as T)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
