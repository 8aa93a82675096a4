/** Items of a chunk; one that has twice as many is split. */
const CHUNK = 512;

/** Items that a sweep looks at for each one that is discarded. */
const SWEEP_STEPS = 8;

/** Items that are compared one by one, from the end, before the place of a late one is searched for. */
const NEAR = 8;

/**
 * A sorted list, for reading pages from either end. Items mostly arrive in order and are appended. One that no longer
 * belongs is reported with `discard`; when such stale items outnumber the live ones, they are swept out, a few at each
 * `discard`: no call takes long, however many items there are.
 */
export class SortedIndex<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #isLive: (item: T) => boolean;
  /** None of them is empty. */
  readonly #chunks: T[][] = [];
  #count = 0;
  #stale = 0;
  /** The chunk that a sweep looks at next, and the items that it may look at; undefined: no sweep is under way. */
  #sweep: { at: number; steps: number } | undefined;

  /** What `compare` reads of an item must never change; once `isLive` is false for an item, it must stay false. */
  constructor(compare: (a: T, b: T) => number, isLive: (item: T) => boolean) {
    this.#compare = compare;
    this.#isLive = isLive;
  }

  /** Number of live items. */
  get size(): number {
    return this.#count - this.#stale;
  }

  insert(item: T): void {
    const chunk = this.#chunks[this.#chunks.length - 1];
    this.#count++;
    let at = chunk?.length ?? 0;
    if (chunk === undefined || (at >= CHUNK && this.#compare(chunk[at - 1] as T, item) <= 0)) {
      this.#chunks.push([item]);
      return;
    }
    const near = Math.max(0, at - NEAR);
    while (at > near && this.#compare(chunk[at - 1] as T, item) > 0) at--;
    if (at === chunk.length) chunk.push(item);
    else if (at > near) this.#insertAt(this.#chunks.length - 1, at, item);
    else this.#insertAt(...this.#firstNot((other) => this.#compare(other, item) <= 0), item);
  }

  /** Reports that one item in the index is no longer live. */
  discard(): void {
    this.#stale++;
    if (this.#sweep === undefined && this.#stale > 64 && this.#stale * 2 > this.#count)
      this.#sweep = { at: 0, steps: 0 };
    if (this.#sweep !== undefined) this.#goOn(this.#sweep);
  }

  /** Items from the largest down, stale ones too; with `isSmaller`, only those for which it is true. */
  *descending(isSmaller?: (item: T) => boolean): Generator<T> {
    let [at, index] = isSmaller ? this.#firstNot(isSmaller) : [this.#chunks.length, 0];
    for (;;) {
      const chunk = this.#chunks[at];
      for (index--; chunk !== undefined && index >= 0; index--) yield chunk[index] as T;
      if (--at < 0) return;
      index = (this.#chunks[at] as T[]).length;
    }
  }

  /** Items from the smallest up, stale ones too; with `isNotLarger`, only those for which it is false. */
  *ascending(isNotLarger?: (item: T) => boolean): Generator<T> {
    let [at, index] = isNotLarger ? this.#firstNot(isNotLarger) : [0, 0];
    for (; at < this.#chunks.length; at++, index = 0) {
      const chunk = this.#chunks[at] as T[];
      for (; index < chunk.length; index++) yield chunk[index] as T;
    }
  }

  /** Takes everything out, the smallest first. Not for an index that is changed meanwhile. */
  *drain(): Generator<T> {
    for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) yield* chunk;
  }

  #insertAt(at: number, index: number, item: T): void {
    const chunk = this.#chunks[at] as T[];
    chunk.splice(index, 0, item);
    if (chunk.length < CHUNK * 2) return;
    this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK));
    // The chunks that the sweep has yet to look at have moved.
    if (this.#sweep !== undefined && this.#sweep.at > at) this.#sweep.at++;
  }

  #goOn(sweep: { at: number; steps: number }): void {
    sweep.steps += SWEEP_STEPS;
    for (;;) {
      const chunk = this.#chunks[sweep.at];
      if (chunk === undefined) {
        this.#sweep = undefined;
        return;
      }
      if (sweep.steps < chunk.length) return;
      sweep.steps -= chunk.length;
      this.#sweepChunk(sweep, chunk);
    }
  }

  /** Sweeps a chunk, and joins it with the one before it if both fit. */
  #sweepChunk(sweep: { at: number }, chunk: readonly T[]): void {
    const live = chunk.filter(this.#isLive);
    this.#count -= chunk.length - live.length;
    this.#stale -= chunk.length - live.length;
    const before = this.#chunks[sweep.at - 1];
    if (before !== undefined && before.length + live.length <= CHUNK) before.push(...live);
    else if (live.length > 0) {
      this.#chunks[sweep.at++] = live;
      return;
    }
    this.#chunks.splice(sweep.at, 1);
  }

  /** First position, as chunk and index, whose item fails `test`, which is true up to some position and false from there on. */
  #firstNot(test: (item: T) => boolean): [number, number] {
    const at = partition(this.#chunks, (chunk) => test(chunk.at(-1) as T));
    const chunk = this.#chunks[at];
    return [at, chunk === undefined ? 0 : partition(chunk, test)];
  }
}

/** First position whose item fails `test`, which must be true up to some position and false from there on. */
function partition<T>(items: readonly T[], test: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low;
}
