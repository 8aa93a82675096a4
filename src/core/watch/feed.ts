/** What fills a feed. */
export interface FeedSource {
  /** The reader asks for the first time. */
  started(): void;
  /** The reader asks again, and there is nothing. */
  wanted(): void;
  /** The feed ended, or its reader left. */
  ended(): void;
}

/** Who takes from a feed. */
export interface FeedReader {
  /** There may be something to take, or the feed is over, after `take` had nothing. */
  ready(): void;
}

interface Waiting<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Events for one reader, who takes them when he is ready: by `take`, which answers at once, or as from any async iterator.
 * What fills it makes an event only when somebody wants one, and so a slow reader holds no more than was made for him.
 */
export class Feed<T> implements AsyncIterableIterator<T, undefined> {
  /** Who is told of what there is to take; without one, `next` waits for it. */
  reader: FeedReader | undefined;
  /** Whether others are given the same events: what is made of one may be worth keeping for them. */
  isShared = false;
  readonly #source: FeedSource;
  /** The event to take next, and those after it: there is rarely more than one. */
  #next: T | undefined;
  #later: T[] = [];
  #isWanted = false;
  #isAsking = false;
  #isStarted = false;
  #isEnded = false;
  #error: { readonly cause: unknown } | undefined;
  #waiting: Waiting<T> | undefined;
  #forgetSignal: (() => void) | undefined;

  constructor(source: FeedSource) {
    this.#source = source;
  }

  /** The next event; undefined when there is none now, or never more. Throws once what the feed failed with. */
  take(): T | undefined {
    const event = this.#next;
    if (event !== undefined) {
      this.#next = this.#later.length > 0 ? this.#later.shift() : undefined;
      return event;
    }
    if (this.#error !== undefined) {
      const { cause } = this.#error;
      this.#error = undefined;
      throw cause;
    }
    if (this.#isEnded) return undefined;
    this.#isWanted = true;
    // What is given, or ends, at once is taken here and needs no call.
    this.#isAsking = true;
    if (this.#isStarted) this.#source.wanted();
    else this.#start();
    this.#isAsking = false;
    if (this.#next === undefined && !this.#isEnded) return undefined;
    this.#isWanted = false;
    return this.take();
  }

  /** Whether there is nothing more to take. */
  get isOver(): boolean {
    return this.#isEnded && this.#next === undefined && this.#error === undefined;
  }

  /** Whether nothing more will be added: the end was told, or the reader left. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether the reader waits for an event. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Events that were not taken yet. */
  get size(): number {
    return this.#next === undefined ? 0 : 1 + this.#later.length;
  }

  /** Adds an event; nothing after the end. */
  push(event: T): void {
    if (this.#isEnded) return;
    if (this.#next === undefined) this.#next = event;
    else this.#later.push(event);
    this.#ready();
  }

  /** Forgets what was not taken yet. */
  clear(): void {
    this.#next = undefined;
    this.#later = [];
  }

  /** Nothing more comes, after what was not taken yet; then `error`, if there is one. */
  end(error?: { readonly cause: unknown }): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    this.#forgetSignal?.();
    this.#source.ended();
    this.#ready();
  }

  /** The reader leaves. */
  close(): void {
    this.clear();
    this.end();
    this.#error = undefined;
  }

  /** The reader leaves when a signal is aborted. */
  leaveOn(signal: AbortSignal): void {
    if (signal.aborted) {
      this.close();
      return;
    }
    const leave = () => this.close();
    signal.addEventListener("abort", leave);
    this.#forgetSignal = () => signal.removeEventListener("abort", leave);
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#settle();
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #start(): void {
    this.#isStarted = true;
    this.#source.started();
  }

  #ready(): void {
    if (!this.#isWanted || this.#isAsking) return;
    this.#isWanted = false;
    if (this.#waiting === undefined) this.reader?.ready();
    else this.#settle();
  }

  /** Answers the `next` that waits, if there is something to answer. */
  #settle(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    try {
      const value = this.take();
      if (value === undefined && !this.isOver) return;
      this.#waiting = undefined;
      if (value === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.resolve({ done: false, value });
    } catch (error) {
      this.#waiting = undefined;
      waiting.reject(error);
    }
  }
}
