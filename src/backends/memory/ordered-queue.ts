const BLOCK = 512;

interface Block<T> {
  readonly items: (T | undefined)[];
  next: Block<T> | undefined;
}

/**
 * A priority queue for items that mostly arrive in order. Those that do are appended to a linked list of blocks, at a
 * constant cost; late ones go into a 4-ary heap. Taking the first item compares the heads of both.
 *
 * There is no removal from the middle: an item that no longer belongs is reported with `discard` and skipped when it
 * comes up. When such stale items outnumber the live ones, all are swept out, so that they never hold more memory than
 * the live ones do.
 */
export class OrderedQueue<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #isLive: (item: T) => boolean;
  #head: Block<T> | undefined;
  #tail: Block<T> | undefined;
  #headIndex = 0;
  #last: T | undefined;
  #inOrder = 0;
  #late: T[] = [];
  #stale = 0;

  /** Once `isLive` is false for an item in the queue, it must stay false. */
  constructor(compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#compare = compare;
    this.#isLive = isLive;
  }

  /** Number of live items. */
  get size(): number {
    return this.#inOrder + this.#late.length - this.#stale;
  }

  push(item: T): void {
    if (this.#inOrder === 0 || this.#compare(this.#last as T, item) <= 0) this.#append(item);
    else this.#heapPush(item);
  }

  /** The first live item, left where it is. */
  peek(): T | undefined {
    for (;;) {
      const item = this.#first();
      if (item === undefined || this.#isLive(item)) return item;
      this.#takeFirst();
      this.#stale--;
    }
  }

  /** Removes and returns the first live item. */
  pop(): T | undefined {
    const item = this.peek();
    if (item !== undefined) this.#takeFirst();
    return item;
  }

  /** Reports that one item in the queue is no longer live. */
  discard(): void {
    this.#stale++;
    if (this.#stale > 64 && this.#stale * 2 > this.#inOrder + this.#late.length) this.#sweep();
  }

  /** Every live item, in no particular order. */
  *[Symbol.iterator](): Generator<T> {
    let index = this.#headIndex;
    for (let block = this.#head; block !== undefined; block = block.next, index = 0) {
      for (; index < block.items.length; index++) {
        const item = block.items[index] as T;
        if (this.#isLive(item)) yield item;
      }
    }
    for (const item of this.#late) if (this.#isLive(item)) yield item;
  }

  #append(item: T): void {
    if (this.#tail === undefined || this.#tail.items.length === BLOCK) {
      const block: Block<T> = { items: [], next: undefined };
      if (this.#tail === undefined) this.#head = block;
      else this.#tail.next = block;
      this.#tail = block;
    }
    this.#tail.items.push(item);
    this.#last = item;
    this.#inOrder++;
  }

  #first(): T | undefined {
    const head = this.#inOrder === 0 ? undefined : (this.#head?.items[this.#headIndex] as T);
    const late = this.#late[0];
    if (head === undefined) return late;
    return late === undefined || this.#compare(head, late) <= 0 ? head : late;
  }

  #takeFirst(): void {
    const head = this.#inOrder === 0 ? undefined : this.#head?.items[this.#headIndex];
    if (head === undefined || this.#first() !== head) {
      this.#heapPop();
      return;
    }
    const block = this.#head as Block<T>;
    block.items[this.#headIndex++] = undefined;
    if (--this.#inOrder === 0) {
      this.#head = this.#tail = this.#last = undefined;
      this.#headIndex = 0;
    } else if (this.#headIndex === BLOCK) {
      this.#head = block.next;
      this.#headIndex = 0;
    }
  }

  #sweep(): void {
    const live = [...this].sort(this.#compare);
    this.#head = this.#tail = this.#last = undefined;
    this.#headIndex = this.#inOrder = this.#stale = 0;
    this.#late = [];
    for (const item of live) this.#append(item);
  }

  #heapPush(item: T): void {
    const heap = this.#late;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const other = heap[parent] as T;
      if (this.#compare(other, item) <= 0) break;
      heap[at] = other;
      at = parent;
    }
    heap[at] = item;
  }

  #heapPop(): void {
    const heap = this.#late;
    const item = heap.pop();
    if (item === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const from = at * 4 + 1;
      if (from >= heap.length) break;
      let least = from;
      for (let child = from + 1; child < Math.min(from + 4, heap.length); child++) {
        if (this.#compare(heap[child] as T, heap[least] as T) < 0) least = child;
      }
      const other = heap[least] as T;
      if (this.#compare(item, other) <= 0) break;
      heap[at] = other;
      at = least;
    }
    heap[at] = item;
  }
}
