/** Entries after which a table is kept in parts, which makes each step a little slower. */
const MANY = 65_536;

/** Parts of a large table. */
const PARTS = 16;

/**
 * The part of the jobs with each two last digits. The first parts get up to twice as many as the last ones: `Map`s of one
 * size would all grow at the same moment.
 */
const PART_OF = Uint8Array.from({ length: 100 }, (_, digits) => PARTS * (2 ** (digits / 100) - 1));

const ZERO = "0".charCodeAt(0);

/**
 * A table by the number in a job's id. A `Map` grows by copying all of its entries, which takes 90 ms for a million: a table
 * of many entries is kept in several, which grow one by one.
 */
export class JobTable<V> {
  #all = new Map<string, V>();
  #parts: readonly Map<string, V>[] | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(number: string): V | undefined {
    return this.#mapOf(number).get(number);
  }

  /** Adds an entry; there must be none of this number. */
  add(number: string, value: V): void {
    if (this.#size === MANY && this.#parts === undefined) this.#split();
    this.#mapOf(number).set(number, value);
    this.#size++;
  }

  /** Returns whether there was one. */
  delete(number: string): boolean {
    const isThere = this.#mapOf(number).delete(number);
    if (isThere) this.#size--;
    return isThere;
  }

  #mapOf(number: string): Map<string, V> {
    return this.#parts === undefined ? this.#all : partOf(this.#parts, number);
  }

  #split(): void {
    const parts = Array.from({ length: PARTS }, () => new Map<string, V>());
    for (const [number, value] of this.#all) partOf(parts, number).set(number, value);
    this.#all = new Map();
    this.#parts = parts;
  }
}

function partOf<V>(parts: readonly Map<string, V>[], number: string): Map<string, V> {
  const { length } = number;
  const tens = length > 1 ? number.charCodeAt(length - 2) - ZERO : 0;
  return parts[PART_OF[tens * 10 + number.charCodeAt(length - 1) - ZERO] as number] as Map<string, V>;
}
