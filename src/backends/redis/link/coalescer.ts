interface Waiting<I, R> {
  readonly item: I;
  readonly size: number;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** Shared calls under way at the same time: one is written while the other is answered. */
const LANES = 2;

/** A size from which sharing a call saves nothing. */
const LARGE = 50;

/**
 * Lets calls that are under way at the same time share one: while some are being answered, those that come meanwhile are
 * gathered for the next. A lone call waits for the other calls of its turn of the event loop, and for nothing else.
 */
export class Coalescer<I, R> {
  readonly #run: (items: readonly I[]) => Promise<readonly R[]>;
  readonly #maxSize: number;
  #waiting: Waiting<I, R>[] = [];
  #running = 0;
  #isGathering = false;

  /** `run` answers for each item, in order. `maxSize`: sum of the sizes of the items of one call, its first aside. */
  constructor(run: (items: readonly I[]) => Promise<readonly R[]>, maxSize: number) {
    this.#run = run;
    this.#maxSize = maxSize;
  }

  /** Whether nothing is under way or waits. */
  get isIdle(): boolean {
    return this.#running === 0 && this.#waiting.length === 0;
  }

  add(item: I, size: number): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, size, resolve, reject });
      // A large one does not wait for others.
      if (size >= LARGE && this.#running === 0) void this.#work();
      else this.#gather();
    });
  }

  #gather(): void {
    if (this.#isGathering || this.#running === LANES) return;
    this.#isGathering = true;
    setImmediate(() => {
      this.#isGathering = false;
      void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#running++;
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        const results = await this.#run(batch.map(({ item }) => item));
        batch.forEach(({ resolve }, at) => {
          resolve(results[at] as R);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#running--;
  }

  #take(): Waiting<I, R>[] {
    let size = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      size += waiting.size;
      if (count > 0 && size > this.#maxSize) break;
      count++;
    }
    return count === this.#waiting.length ? this.#waiting.splice(0) : this.#waiting.splice(0, count);
  }
}
