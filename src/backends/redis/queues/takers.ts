/** How long a server counts as one that takes jobs after it took the last, ms. */
const TAKER_MS = 10_000;

/** Most servers that are known to take jobs of a type, and most types of a queue that are known to be taken. */
const MAX_TAKERS = 100;
const MAX_TYPES = 1000;

/** The servers that lately took jobs of a queue, by type. Times are ms on the monotonic clock. */
export class Takers {
  /** By type: the servers that took the last job there was, and when. */
  readonly #byType = new Map<string, Map<string, number>>();

  /** A server took the last jobs of these types. */
  took(name: string, types: readonly string[], now: number): void {
    for (const type of types) {
      const takers = this.#byType.get(type) ?? new Map<string, number>();
      if (takers.size < MAX_TAKERS || takers.has(name)) takers.set(name, now);
      this.#byType.set(type, takers);
    }
    for (const type of this.#byType.keys()) {
      if (this.#byType.size <= MAX_TYPES) return;
      this.#byType.delete(type);
    }
  }

  /** The servers that lately took jobs of all of these types. */
  of(types: readonly string[], now: number): string[] {
    let names: string[] | undefined;
    for (const type of types) {
      const takers = this.#byType.get(type);
      if (takers === undefined) return [];
      for (const [name, at] of takers) if (at < now - TAKER_MS) takers.delete(name);
      if (takers.size === 0) this.#byType.delete(type);
      names = names === undefined ? [...takers.keys()] : names.filter((name) => takers.has(name));
    }
    return names ?? [];
  }

  /** A server did not take jobs of these types. */
  left(name: string, types: Iterable<string>): void {
    for (const type of types) this.#byType.get(type)?.delete(name);
  }
}
