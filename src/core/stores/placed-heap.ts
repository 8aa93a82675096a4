/** An item of a `PlacedHeap`, which keeps its place there. */
export interface Placed {
  /** Its position in the heap; -1: it is in none. Only the heap sets it. */
  heapAt: number;
}

/**
 * A heap whose items may change their place, or leave, wherever they are: each knows its position. All of that costs
 * O(log n), and looking at the first one nothing.
 */
export class PlacedHeap<T extends Placed> {
  readonly #compare: (a: T, b: T) => number;
  readonly #items: T[] = [];

  /** What `compare` reads of an item in the heap must not change without `moved`. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /**
   * The items for which `isFirst` holds, in no particular order. Where it holds for an item, it must for all that come before it: then
   * no more than four others are looked at for each of them.
   */
  firstOnes(isFirst: (item: T) => boolean): T[] {
    const items = this.#items;
    const found: T[] = [];
    const places = [0];
    for (let at = places.pop(); at !== undefined; at = places.pop()) {
      const item = items[at];
      if (item === undefined || !isFirst(item)) continue;
      found.push(item);
      for (let child = at * 4 + 4; child > at * 4; child--) places.push(child);
    }
    return found;
  }

  push(item: T): void {
    this.#items.push(item);
    this.#siftUp(this.#items.length - 1, item);
  }

  /** Takes an item out that is in the heap. */
  remove(item: T): void {
    const at = item.heapAt;
    item.heapAt = -1;
    const last = this.#items.pop() as T;
    if (last === item) return;
    this.#siftDown(at, last);
    this.#siftUp(last.heapAt, last);
  }

  /** What `compare` reads of an item in the heap has changed. */
  moved(item: T): void {
    this.#siftDown(item.heapAt, item);
    this.#siftUp(item.heapAt, item);
  }

  /** Puts an item at a position, or above it. */
  #siftUp(position: number, item: T): void {
    const items = this.#items;
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const other = items[parent] as T;
      if (this.#compare(other, item) <= 0) break;
      items[at] = other;
      other.heapAt = at;
      at = parent;
    }
    items[at] = item;
    item.heapAt = at;
  }

  /** Puts an item at a position, or below it. */
  #siftDown(position: number, item: T): void {
    const items = this.#items;
    let at = position;
    for (;;) {
      const from = at * 4 + 1;
      if (from >= items.length) break;
      let least = from;
      for (let child = from + 1; child < Math.min(from + 4, items.length); child++) {
        if (this.#compare(items[child] as T, items[least] as T) < 0) least = child;
      }
      const other = items[least] as T;
      if (this.#compare(item, other) <= 0) break;
      items[at] = other;
      other.heapAt = at;
      at = least;
    }
    items[at] = item;
    item.heapAt = at;
  }
}
