import type { JobRecord, RareFields } from "../records/job-record.js";
import { type IdleKey, type KeyedLine, KeyState } from "./keyed-lines.js";
import { OrderedQueue } from "./ordered-queue.js";

/** Most keys without jobs whose turn is remembered; beyond that, those go first whose turn comes first. */
const MAX_IDLE = 100_000;

/** Most lines of a key that are hidden or shown at once: some ms. */
const MOST_LINES = 5000;

/** Idle keys that are forgotten, if their time has come, for each job that is handed out. */
const FORGET_WORK = 2;

/**
 * The keys of the jobs of a queue: how many jobs each runs, which of them run as many as they may, and whose turn it is.
 *
 * A key is active while it has jobs in line and is not full. Turns are virtual time: each hand-out of a job adds 1 to that of
 * its key. The time of the queue is that of the key that was given a job last, as it was before that, and never falls. A key
 * that becomes active begins at the time of the queue, or at its own if that is later: nobody saves up turns, and nobody gets
 * ahead by having no jobs for a moment. Its own is kept while it is later than that of the queue.
 *
 * What a change of a key costs grows with the number of types of which that key has jobs in line, up to a bound, and with nothing else.
 * Of more types some lines may still be shown though their key is full: `fit` is for leases that meet one. Those that are
 * still hidden though it is not are shown by `review`.
 * `limit`, wherever it is asked for: the most jobs of a key that may run, 0: no limit. `back`: called with each type of which jobs were
 * held back and are no longer.
 */
export class Keys<Queue> {
  readonly #states = new Map<string, KeyState<Queue>>();
  /** Those that run jobs, in no order: a set of very many, of which some always come and go, takes much longer. */
  readonly #running: KeyState<Queue>[] = [];
  readonly #idle = new OrderedQueue<IdleKey<Queue>>(
    (a, b) => a.turn - b.turn,
    ({ live }) => live,
  );
  /** The virtual time of the queue. */
  #turn = 0;
  #arrivals = 0;
  /** So many of those that run jobs, the first ones, may be concerned by a new limit: `review` has not come to them. */
  #toReview = 0;
  /** Those that are not full, and have lines that are hidden. */
  readonly #unfit = new Set<KeyState<Queue>>();
  /** Number of jobs in line that are held back. */
  held = 0;

  /** Whether `review` has something to do. */
  get isUnfit(): boolean {
    return this.#unfit.size > 0;
  }

  /** The fields for a job that has this key and nothing else that is rare. */
  rareOf(name: string): RareFields {
    return this.#states.get(name)?.rare ?? { key: name };
  }

  /** The key of this name that is known; undefined: it has no jobs in line, runs none, and begins at the time of the queue. */
  find(name: string): KeyState<Queue> | undefined {
    return this.#states.get(name);
  }

  /** The key of a job that is about to stand in line or run. */
  of({ key: name = "", rare }: JobRecord<Queue>): KeyState<Queue> {
    const known = this.#states.get(name);
    if (known !== undefined) return known;
    const isShared = rare !== undefined && rare.key === name && Object.keys(rare).length === 1;
    const key = new KeyState<Queue>(name, isShared ? rare : { key: name });
    this.#states.set(name, key);
    return key;
  }

  /** A line of a key has its first job. */
  lineCame(line: KeyedLine<Queue>): void {
    const { key } = line;
    this.held += line.count;
    if (key.isFull) return;
    if (key.shown.length + key.hidden.length === 1) this.#activate(key);
    this.#show(line);
  }

  /** Brings a line to what its key is. */
  fit(line: KeyedLine<Queue>): void {
    if (line.isShown !== line.key.isFull) return;
    if (line.isShown) this.#hide(line);
    else this.#show(line);
  }

  /** The last line of a key may be gone, or its last running job. */
  settle(key: KeyState<Queue>): void {
    if (hasLines(key) || key.running > 0 || key.idle !== undefined) return;
    if (key.turn <= this.#turn) {
      this.#states.delete(key.name);
      return;
    }
    key.idle = { key, turn: key.turn, live: true };
    this.#idle.push(key.idle);
    if (this.#idle.size > MAX_IDLE) this.#forgetFirst();
  }

  /** A job of this key is handed out: it was the key's turn. */
  countTurn(key: KeyState<Queue>): void {
    this.#turn = Math.max(this.#turn, key.turn);
    key.turn++;
    for (let left = FORGET_WORK; left > 0; left--) {
      const first = this.#idle.peek();
      if (first === undefined || first.turn > this.#turn) return;
      this.#forgetFirst();
    }
  }

  /** A job that was handed out came to nobody: its turn is given back. Call it before the job has ended. */
  giveBack(key: KeyState<Queue>): void {
    if (key.shown.length > MOST_LINES) return;
    key.turn = Math.max(0, key.turn - 1);
    for (const line of key.shown) {
      if (line.turn <= key.turn) continue;
      line.turn = key.turn;
      line.of.heap.moved(line);
    }
  }

  /** A job of this key runs; `obey` has to follow. */
  began(key: KeyState<Queue>): void {
    this.#wake(key);
    if (key.running++ === 0) key.runningAt = this.#running.push(key) - 1;
  }

  /** A job of this key runs no more. */
  ended(key: KeyState<Queue>, limit: number, back: (type: string) => void): void {
    if (--key.running === 0) this.#rests(key);
    this.obey(key, limit, back);
    this.settle(key);
  }

  /** The limit has changed: `review` is to look at the keys that run jobs. */
  reviewLater(): void {
    this.#toReview = this.#running.length;
  }

  /** Looks at up to `max` keys and lines that a new limit may concern, or that are late. Returns how many. */
  review(limit: number, max: number, back: (type: string) => void): number {
    this.#toReview = Math.min(this.#toReview, this.#running.length);
    const count = Math.min(this.#toReview, max);
    for (let left = count; left > 0; left--) {
      this.obey(this.#running[--this.#toReview] as KeyState<Queue>, limit, back);
    }
    return count + this.#showLate(max - count, back);
  }

  /** Holds the lines of a key back or lets them come, as the limit says. */
  obey(key: KeyState<Queue>, limit: number, back?: (type: string) => void): void {
    const isFull = limit > 0 && key.running >= limit;
    if (isFull === key.isFull) return;
    key.isFull = isFull;
    if (!hasLines(key)) return;
    if (isFull) {
      for (let left = MOST_LINES; left > 0 && key.shown.length > 0; left--)
        this.#hide(key.shown.at(-1) as KeyedLine<Queue>);
      this.#unfit.delete(key);
      return;
    }
    // Lines that are still shown stand where they are by its arrival.
    if (key.shown.length === 0) this.#activate(key);
    else key.turn = Math.max(key.turn, this.#turn);
    this.#showSome(key, MOST_LINES, back);
    if (key.hidden.length > 0) this.#unfit.add(key);
  }

  #showLate(max: number, back: (type: string) => void): number {
    let count = 0;
    for (const key of this.#unfit) {
      if (count === max) break;
      count += this.#showSome(key, max - count, back);
      if (key.hidden.length === 0) this.#unfit.delete(key);
    }
    return count;
  }

  #showSome(key: KeyState<Queue>, max: number, back: ((type: string) => void) | undefined): number {
    let count = 0;
    for (; count < max && key.hidden.length > 0; count++) {
      const line = key.hidden.at(-1) as KeyedLine<Queue>;
      this.#show(line);
      back?.(line.type);
    }
    return count;
  }

  #hide(line: KeyedLine<Queue>): void {
    line.of.hide(line);
    this.held += line.count;
  }

  #show(line: KeyedLine<Queue>): void {
    line.of.show(line);
    this.held -= line.count;
  }

  /** The last job of a key has ended. One of those that `review` came to may take its place, and be looked at again. */
  #rests(key: KeyState<Queue>): void {
    const last = this.#running.pop() as KeyState<Queue>;
    if (last === key) return;
    last.runningAt = key.runningAt;
    this.#running[key.runningAt] = last;
  }

  #activate(key: KeyState<Queue>): void {
    this.#wake(key);
    key.turn = Math.max(key.turn, this.#turn);
    key.arrival = ++this.#arrivals;
  }

  /** A key is idle no more. */
  #wake(key: KeyState<Queue>): void {
    if (key.idle === undefined) return;
    key.idle.live = false;
    key.idle = undefined;
    this.#idle.discard();
  }

  #forgetFirst(): void {
    const first = this.#idle.pop();
    if (first === undefined) return;
    first.live = false;
    first.key.idle = undefined;
    this.#states.delete(first.key.name);
  }
}

function hasLines<Queue>({ shown, hidden }: KeyState<Queue>): boolean {
  return shown.length > 0 || hidden.length > 0;
}
