/** Random choices that depend only on a seed. */
export interface Random {
  /** Returns a number from 0 to below 1. */
  next(): number;
  /** Returns an integer, both bounds included. */
  between(min: number, max: number): number;
  /** Returns one of the items; undefined when there are none. */
  pick<T>(from: readonly T[]): T | undefined;
  shuffle<T>(list: readonly T[]): T[];
  /** Returns another source for concurrent work, so that neither depends on when the other draws. */
  fork(): Random;
}

/** Creates the source for a seed (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    between,
    pick: (from) => from[between(0, from.length - 1)],
    shuffle(list) {
      const order = list.map((item) => ({ item, place: next() }));
      return order.sort((a, b) => a.place - b.place).map(({ item }) => item);
    },
    fork: () => createRandom(between(0, 2 ** 32 - 1)),
  };
}
