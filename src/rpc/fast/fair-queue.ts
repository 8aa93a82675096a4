/** What one owner has in a queue. */
interface Line<T> {
  readonly items: { readonly cost: number; readonly item: T }[];
  /** The virtual time at which its first item begins. */
  start: number;
  /** The virtual time at which its first item would end; what lines are ordered by. */
  finish: number;
  /** Ties go to the line that was put in first. */
  arrival: number;
}

/**
 * Items of many owners, who take turns by what their items cost, and not by how many they have: weighted fair queueing with equal
 * weights. An owner who has used little comes before those who have used much, and a small item before a large one; items of one
 * owner keep their order. A virtual time goes on as fast as each owner is served; who was away begins at that time, so that
 * nobody saves up turns. Each step costs the logarithm of the owners who wait.
 */
export class FairQueue<T> {
  readonly #lines = new WeakMap<object, Line<T>>();
  /** A binary heap of the lines that have items. */
  readonly #heap: Line<T>[] = [];
  /** Whose item was taken last: not in the heap, as what that has cost may still be told. */
  #served: Line<T> | undefined;
  #virtual = 0;
  #arrivals = 0;
  #size = 0;

  /** Number of items. */
  get size(): number {
    return this.#size;
  }

  /** Adds an item that costs about so much, in any unit that all share; more than 0. */
  add(owner: object, cost: number, item: T): void {
    let line = this.#lines.get(owner);
    if (line === undefined) {
      line = { items: [], start: 0, finish: 0, arrival: 0 };
      this.#lines.set(owner, line);
    }
    line.items.push({ cost, item });
    this.#size++;
    if (line.items.length === 1 && line !== this.#served) this.#push(line);
  }

  /** The item whose turn it is; it stays. */
  get first(): T | undefined {
    this.#putBack();
    return this.#heap[0]?.items[0]?.item;
  }

  /** Takes the item whose turn it is. */
  take(): T | undefined {
    this.#putBack();
    const line = this.#heap[0];
    const taken = line?.items.shift();
    if (line === undefined || taken === undefined) return undefined;
    this.#size--;
    this.#virtual = Math.max(this.#virtual, line.start) + taken.cost / this.#heap.length;
    line.start += taken.cost;
    const last = this.#heap.pop() as Line<T>;
    if (last !== line) this.#sink(last);
    this.#served = line;
    return taken.item;
  }

  /** The item that was taken last has cost so much more than was said; less when it is below 0. */
  charge(more: number): void {
    if (this.#served !== undefined) this.#served.start += more;
  }

  #putBack(): void {
    const line = this.#served;
    this.#served = undefined;
    if (line !== undefined && line.items.length > 0) this.#push(line);
  }

  /** Puts a line in, by its first item. */
  #push(line: Line<T>): void {
    line.start = Math.max(line.start, this.#virtual);
    line.finish = line.start + (line.items[0]?.cost ?? 0);
    line.arrival = this.#arrivals++;
    let at = this.#heap.length;
    for (; at > 0; at = (at - 1) >> 1) {
      const above = this.#heap[(at - 1) >> 1] as Line<T>;
      if (isBefore(above, line)) break;
      this.#heap[at] = above;
    }
    this.#heap[at] = line;
  }

  /** Puts a line in place of the first one. */
  #sink(line: Line<T>): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= heap.length) break;
      const right = heap[left + 1];
      const next = right !== undefined && isBefore(right, heap[left] as Line<T>) ? left + 1 : left;
      const below = heap[next] as Line<T>;
      if (isBefore(line, below)) break;
      heap[at] = below;
      at = next;
    }
    heap[at] = line;
  }
}

function isBefore<T>(a: Line<T>, b: Line<T>): boolean {
  return a.finish === b.finish ? a.arrival < b.arrival : a.finish < b.finish;
}
