import { promised } from "../../../model/common/promised.js";

/** The limits of one call, of which its first item is accepted whatever its size. */
export interface CallLimits {
  /** Largest sum of the item sizes. */
  readonly size: number;
  /** Largest sum of their bytes. */
  readonly bytes: number;
}

interface Waiting<I, R> {
  readonly item: I;
  readonly size: number;
  readonly bytes: number;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** Shared calls in flight at the same time: one is being sent while the other is being answered. */
const LANES = 2;

/** Items of at least this size gain nothing from sharing a call. */
const LARGE = 50;

/** Most coalescers that are kept without work: to make one anew for each call of a single caller costs as much as the rest of it. */
const MAX_KEPT = 1000;

/** Called each time that nothing is in flight or waiting any more. */
type Idle = () => void;

/**
 * Batches concurrent calls into one: calls that arrive while `LANES` calls are in flight are gathered for the next one.
 * With fewer in flight, a call waits only for the other calls of the same turn of the event loop; and not even for these when
 * nothing is in flight and the last call had no company: a single caller waits for nobody.
 */
export class Coalescer<I, R> {
  readonly #run: (items: readonly I[]) => Promise<readonly R[]>;
  readonly #limits: CallLimits;
  readonly #idle: Idle;
  #waiting: Waiting<I, R>[] = [];
  #running = 0;
  #isGathering = false;
  /** Whether items shared the last call. */
  #isShared = false;

  /** `run` resolves to one result for each item, in order. */
  constructor(run: (items: readonly I[]) => Promise<readonly R[]>, limits: CallLimits, idle: Idle) {
    this.#run = run;
    this.#limits = limits;
    this.#idle = idle;
  }

  /** Resolves to the result of this item of so many bytes; rejects when the call it shared fails. */
  add(item: I, size: number, bytes: number): Promise<R> {
    return new Promise((resolve, reject) => {
      const isIdle = this.#running === 0;
      if (isIdle && !this.#isShared && this.#waiting.length === 0) {
        this.#runAlone(item, resolve, reject);
        return;
      }
      this.#waiting.push({ item, size, bytes, resolve, reject });
      // A large item does not wait for others.
      if (isIdle && (size >= LARGE || !this.#isShared)) void this.#work();
      else this.#gather();
    });
  }

  /** The same as `#work` with this item, for less: most items of a single caller come this way. */
  #runAlone(item: I, resolve: (result: R) => void, reject: (error: unknown) => void): void {
    this.#running++;
    const next = () => {
      this.#running--;
      if (this.#waiting.length > 0) void this.#work();
      else if (this.#running === 0 && !this.#isGathering) this.#idle();
    };
    promised(() => this.#run([item])).then(
      (all) => {
        resolve(all[0] as R);
        next();
      },
      (error) => {
        reject(error);
        next();
      },
    );
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
      this.#isShared = batch.length > 1;
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
    if (this.#running === 0 && !this.#isGathering) this.#idle();
  }

  #take(): Waiting<I, R>[] {
    let size = 0;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      size += waiting.size;
      bytes += waiting.bytes;
      if (count > 0 && (size > this.#limits.size || bytes > this.#limits.bytes)) break;
      count++;
    }
    return count === this.#waiting.length ? this.#waiting.splice(0) : this.#waiting.splice(0, count);
  }
}

/** Coalescers by key. Without work no more than `MAX_KEPT` are kept: there may be many keys, one after the other. */
export class Coalescers<I, R> {
  readonly #byKey = new Map<string, Coalescer<I, R>>();
  readonly #limits: CallLimits;

  /** `limits`: of each. */
  constructor(limits: CallLimits) {
    this.#limits = limits;
  }

  /** Number of those that have work, or are kept. */
  get size(): number {
    return this.#byKey.size;
  }

  /** Adds an item to the coalescer of this key; `run`, as of `Coalescer`, must be the same for all items of a key. */
  add(
    key: string,
    run: (items: readonly I[]) => Promise<readonly R[]>,
    item: I,
    size: number,
    bytes: number,
  ): Promise<R> {
    let coalescer = this.#byKey.get(key);
    if (coalescer === undefined) {
      coalescer = new Coalescer(run, this.#limits, () => {
        if (this.#byKey.size > MAX_KEPT) this.#byKey.delete(key);
      });
      this.#byKey.set(key, coalescer);
    }
    return coalescer.add(item, size, bytes);
  }
}
