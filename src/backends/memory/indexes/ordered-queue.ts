const BLOCK = 512;

/** Stale items are swept out when they outnumber the live ones, or are this many and this share of all. */
const MANY_STALE = 8192;
const STALE_SHARE = 1 / 64;

/** Steps of a sweep for each item that is discarded, in a small queue and in one with `MANY_STALE` items or more. */
const SWEEP_STEPS = 8;
const SWEEP_STEPS_MANY = 128;

/** Stale items at the front of either part that one `discard` drops. */
const TRIM = 4;

interface Block<T> {
  items: (T | undefined)[];
  next: Block<T> | undefined;
}

/** A sweep under way: it goes through the blocks, then from the end of the heap to its start. */
interface Sweep<T> {
  /** The block that was swept last; undefined: the next one is the first. */
  last: Block<T> | undefined;
  /** Position in the heap that is looked at next; undefined: the blocks come first. */
  late: number | undefined;
  /** Steps that may be made. */
  steps: number;
}

/**
 * A priority queue for items that mostly arrive in order. Those that do are appended to a linked list of blocks, at a
 * constant cost; late ones go into a 4-ary heap. Taking the first item compares the heads of both.
 *
 * There is no removal from the middle: an item that no longer belongs is reported with `discard` and skipped when it
 * comes up. When such stale items are many they are swept out, a few at each `discard`: no call takes long, however many
 * items there are, and stale ones never hold much more memory than the live ones do.
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
  #sweep: Sweep<T> | undefined;

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
    for (let left = TRIM; left > 0 && this.#dropStaleHead(); left--);
    if (this.#sweep === undefined && this.#stale > 64 && this.#isCrowded()) {
      this.#sweep = { last: undefined, late: undefined, steps: 0 };
    }
    if (this.#sweep !== undefined) this.#goOn(this.#sweep);
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
    this.#takeHead();
  }

  /** Removes the first of those that arrived in order. */
  #takeHead(): void {
    const block = this.#head as Block<T>;
    block.items[this.#headIndex++] = undefined;
    if (--this.#inOrder === 0) {
      this.#head = this.#tail = this.#last = undefined;
      this.#headIndex = 0;
    } else if (this.#headIndex === block.items.length) {
      this.#head = block.next;
      this.#headIndex = 0;
    } else return;
    // All blocks up to the one that was swept last are gone.
    if (this.#sweep?.last === block) this.#sweep.last = undefined;
  }

  /** Drops a stale item at the front of either part. Returns whether there was one. */
  #dropStaleHead(): boolean {
    if (this.#inOrder > 0 && !this.#isLive(this.#head?.items[this.#headIndex] as T)) this.#takeHead();
    else if (this.#late.length > 0 && !this.#isLive(this.#late[0] as T)) this.#heapPop();
    else return false;
    this.#stale--;
    return true;
  }

  #isCrowded(): boolean {
    const all = this.#inOrder + this.#late.length;
    return this.#stale * 2 > all || (this.#stale > MANY_STALE && this.#stale > all * STALE_SHARE);
  }

  #goOn(sweep: Sweep<T>): void {
    sweep.steps += this.#inOrder + this.#late.length > MANY_STALE * 2 ? SWEEP_STEPS_MANY : SWEEP_STEPS;
    while (sweep.steps > 0 && sweep.late === undefined) this.#sweepBlock(sweep);
    while (sweep.steps > 0 && sweep.late !== undefined && sweep.late >= 0) this.#sweepLate(sweep, sweep.late);
    if (sweep.late === -1) this.#sweep = undefined;
  }

  /** Sweeps the next block, whole: the steps that it took too many are taken off the next ones. */
  #sweepBlock(sweep: Sweep<T>): void {
    const before = sweep.last;
    const block = before === undefined ? this.#head : before.next;
    if (block === undefined) {
      sweep.late = this.#late.length - 1;
      return;
    }
    const from = block === this.#head ? this.#headIndex : 0;
    const live = block.items.slice(from).filter((item) => this.#isLive(item as T));
    const stale = block.items.length - from - live.length;
    sweep.steps -= block.items.length;
    this.#stale -= stale;
    this.#inOrder -= stale;
    if (block === this.#head) this.#headIndex = 0;
    if (before !== undefined && before.items.length + live.length <= BLOCK) before.items.push(...live);
    else if (live.length > 0) {
      block.items = live;
      sweep.last = block;
      return;
    }
    // The block is empty now.
    if (before === undefined) this.#head = block.next;
    else before.next = block.next;
    if (this.#tail === block) this.#tail = before;
    if (this.#inOrder === 0) {
      this.#head = this.#tail = this.#last = sweep.last = undefined;
      this.#headIndex = 0;
    }
  }

  /** Looks at a position of the heap. Those behind it hold live items, but for those that pushes and pops moved there. */
  #sweepLate(sweep: Sweep<T>, at: number): void {
    const heap = this.#late;
    sweep.steps--;
    if (at >= heap.length) {
      sweep.late = heap.length - 1;
      return;
    }
    if (this.#isLive(heap[at] as T)) {
      sweep.late = at - 1;
      return;
    }
    const last = heap.pop() as T;
    this.#stale--;
    sweep.steps -= 4;
    if (at === heap.length) sweep.late = at - 1;
    else {
      // What comes to this position may be stale too: it is looked at again.
      this.#siftDown(at, last);
      this.#siftUp(at, heap[at] as T);
    }
  }

  #heapPush(item: T): void {
    this.#late.push(item);
    this.#siftUp(this.#late.length - 1, item);
  }

  #heapPop(): void {
    const item = this.#late.pop();
    if (item !== undefined && this.#late.length > 0) this.#siftDown(0, item);
  }

  /** Puts an item at a position, or above it. */
  #siftUp(position: number, item: T): void {
    const heap = this.#late;
    let at = position;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const other = heap[parent] as T;
      if (this.#compare(other, item) <= 0) break;
      heap[at] = other;
      at = parent;
    }
    heap[at] = item;
  }

  /** Puts an item at a position, or below it. */
  #siftDown(position: number, item: T): void {
    const heap = this.#late;
    let at = position;
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
