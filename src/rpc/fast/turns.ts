import { inOwnTurn } from "../../core/turns/own-turn.js";
import { FairQueue } from "./fair-queue.js";

/** Ordinary calls are served as they come in for so long in one turn of the event loop, ms; those that come later in it wait. */
const TURN_MS = 4;

/** An answer waits for another turn when its own has gone on for so long, ms. */
const LONG_TURN_MS = 2 * TURN_MS;

/** Slices of a large call end after so long, ms, as far as what they do can be cut. */
const SLICE_MS = 4;

/** What an ordinary call is thought to cost before it is measured, ms. */
const SMALL_COST_MS = 0.1;

/** Bytes that the large calls under way may have together. One that has more is alone. */
const MAX_BYTES = 8 << 20;

/**
 * A large call that has gone on for so long, ms, waits rather than works, for a store that is away or for jobs to lease: others need
 * not wait for it.
 */
const HOLD_MS = 1000;

/** A call that asks for much. */
export interface LargeCall {
  /** Makes ready what the call runs with, step by step. */
  readonly prepare: Iterator<void, void>;
  /** Runs it; resolves when it has been answered. */
  run(): Promise<void> | void;
}

/** What turns need of the event loop. */
export interface TurnsDeps {
  /** Runs a slice of long work; see the function of this name. */
  inOwnTurn(run: () => void): void;
  /** Monotonic, ms. */
  now(): number;
  /** Calls back once all events that are there were handled. */
  soon(callback: () => void): void;
  /** Calls back after so many ms. Returns what cancels that. */
  after(ms: number, callback: () => void): () => void;
}

const REAL: TurnsDeps = {
  inOwnTurn,
  now: () => performance.now(),
  soon: (callback) => void setImmediate(callback),
  after(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Shares the event loop between clients, so that none of them waits for all that others ask for. An owner is who takes turns: a
 * connection.
 *
 * - An ordinary call is served as it comes in, at no cost, while the turn of the event loop is young (`isYoung`). When it is not,
 *   because one client sends hundreds of calls at a time or an answer was long, it waits, and owners take turns (`soon`).
 * - A call that asks for much (`enter`) waits until it fits into `MAX_BYTES` with those under way; owners take turns here too. One at a
 *   time is then made ready, and each slice of that has a turn of the event loop of its own, with the slices of long work in the core.
 */
export class Turns {
  readonly #deps: TurnsDeps;
  /** Ordinary calls, by what they take, ms. */
  readonly #small = new FairQueue<() => void>();
  /** Calls that ask for much, by their bytes. */
  readonly #large = new FairQueue<{ readonly bytes: number; readonly call: LargeCall }>();
  /** When the turn of the event loop began in which calls are served; undefined: it has not begun. */
  #begunAt: number | undefined;
  #bytes = 0;
  #isPreparing = false;
  /** Bound once: no ordinary call creates a function for this. */
  readonly #next = () => this.#nextTurn();

  constructor(deps: TurnsDeps = REAL) {
    this.#deps = deps;
  }

  /** Whether an ordinary call may be served at once. Otherwise: `soon`. */
  isYoung(): boolean {
    return this.#age() < TURN_MS;
  }

  /** Whether this turn has gone on for so long that even an answer should wait for another. */
  isLong(): boolean {
    return this.#age() >= LONG_TURN_MS;
  }

  /** Serves an ordinary call in its owner's turn. */
  soon(owner: object, run: () => void): void {
    this.#small.add(owner, SMALL_COST_MS, run);
  }

  /** Resolves in the owner's turn. */
  turn(owner: object): Promise<void> {
    return new Promise((resolve) => this.soon(owner, resolve));
  }

  /** Serves a call that asks for so many bytes, read or answered, when its owner's turn comes and there is room. */
  enter(owner: object, bytes: number, call: LargeCall): void {
    this.#large.add(owner, bytes, { bytes, call });
    this.#admit();
  }

  /** How long this turn has gone on, ms. */
  #age(): number {
    const now = this.#deps.now();
    if (this.#begunAt !== undefined) return now - this.#begunAt;
    this.#begin(now);
    return 0;
  }

  #begin(now: number): void {
    this.#begunAt = now;
    this.#deps.soon(this.#next);
  }

  #nextTurn(): void {
    this.#begunAt = undefined;
    if (this.#small.size === 0) return;
    let now = this.#deps.now();
    const until = now + TURN_MS;
    this.#begin(now);
    do {
      const run = this.#small.take();
      if (run === undefined) return;
      const from = now;
      try {
        run();
      } finally {
        now = this.#deps.now();
        this.#small.charge(now - from - SMALL_COST_MS);
      }
    } while (now < until);
  }

  #admit(): void {
    if (this.#isPreparing) return;
    const { first } = this.#large;
    if (first === undefined) return;
    if (this.#bytes > 0 && this.#bytes + first.bytes > MAX_BYTES) return;
    this.#large.take();
    this.#bytes += first.bytes;
    this.#isPreparing = true;
    this.#deps.inOwnTurn(() => this.#slice(first.call, first.bytes));
  }

  #slice(call: LargeCall, bytes: number): void {
    const until = this.#deps.now() + SLICE_MS;
    let isReady = false;
    try {
      do isReady = call.prepare.next().done === true;
      while (!isReady && this.#deps.now() < until);
    } catch (error) {
      this.#isPreparing = false;
      this.#leave(bytes);
      throw error;
    }
    if (isReady) this.#run(call, bytes);
    else this.#deps.inOwnTurn(() => this.#slice(call, bytes));
  }

  #run(call: LargeCall, bytes: number): void {
    let isOver = false;
    const leave = () => {
      if (isOver) return;
      isOver = true;
      cancel();
      this.#leave(bytes);
    };
    const cancel = this.#deps.after(HOLD_MS, leave);
    this.#isPreparing = false;
    try {
      const running = call.run();
      if (running === undefined) leave();
      else running.then(leave, leave);
    } catch (error) {
      leave();
      throw error;
    } finally {
      this.#admit();
    }
  }

  #leave(bytes: number): void {
    this.#bytes -= bytes;
    this.#admit();
  }
}
