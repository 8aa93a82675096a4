/**
 * A list in order of a key, for reading pages from either end. Items mostly arrive in order and are appended; one that
 * no longer belongs is reported with `discard`, passed over, and swept out when these outnumber the rest.
 */
export class SortedIndex<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #isLive: (item: T) => boolean;
  #items: T[] = [];
  #stale = 0;

  /** The key of an item must never change; `isLive` must stay false once it is. */
  constructor(compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#compare = compare;
    this.#isLive = isLive;
  }

  /** Items that still belong. */
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

  /** Reports that one item in here is not live any more. */
  discard(): void {
    this.#stale++;
    if (this.#stale > 64 && this.#stale * 2 > this.#items.length) {
      this.#items = this.#items.filter(this.#isLive);
      this.#stale = 0;
    }
  }

  /** Live items from the largest down; with `after`, only those smaller. `isSmaller` tells it of an item. */
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

  /** First position whose item does not satisfy `test`, which is true up to some position and false from there. */
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
