interface NaiveKey {
  turn: number;
  arrival: number;
  isActive: boolean;
}

/** Whose turn it is in a queue under FAIR, told a second time in the plainest way. */
export class NaiveTurns {
  #turn = 0;
  #arrivals = 0;
  readonly #keys = new Map<string, NaiveKey>();

  /** Tells which keys have jobs that may run now. Those that had none before have come at the same time. */
  see(active: ReadonlySet<string>): void {
    this.#arrivals++;
    for (const name of active) {
      const key = this.#of(name);
      if (key.isActive) continue;
      key.turn = Math.max(key.turn, this.#turn);
      key.arrival = this.#arrivals;
    }
    for (const [name, key] of this.#keys) key.isActive = active.has(name);
  }

  /** Those of these keys whose turn it is: several when they came at the same time. */
  next(names: readonly string[]): string[] {
    const turn = Math.min(...names.map((name) => this.#of(name).turn));
    const first = names.filter((name) => this.#of(name).turn === turn);
    const arrival = Math.min(...first.map((name) => this.#of(name).arrival));
    return first.filter((name) => this.#of(name).arrival === arrival);
  }

  /** A job of this key is handed out. */
  serve(name: string): void {
    const key = this.#of(name);
    this.#turn = Math.max(this.#turn, key.turn);
    key.turn++;
  }

  #of(name: string): NaiveKey {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { turn: 0, arrival: 0, isActive: false };
      this.#keys.set(name, key);
    }
    return key;
  }
}
