import { forgetAbort, listenToAbort } from "../../model/process/abort-listeners.js";

/** What puts events into a feed. */
export interface FeedSource {
  /** Called when the reader asks for an event for the first time. */
  started(): void;
  /** Called when the reader asks again and the feed is empty. */
  wanted(): void;
  /** Called once, when the feed ends or its reader leaves. */
  ended(): void;
}

/** What takes events from a feed. */
export interface FeedReader {
  /** Called after `take` returned undefined, when there may be an event to take or the feed has ended. */
  ready(): void;
}

interface Waiting<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A queue of events for one reader, which takes them at its own pace: with `take`, which never waits, or as an async
 * iterator (one `next` at a time). The source is notified when the reader wants an event and finds none, so it need not
 * produce events ahead of that. It may, though: the feed accepts every `push` and has no limit of its own, so a source
 * that also pushes unasked must bound what a slow reader holds, with `size` and `clear`.
 */
export class Feed<T> implements AsyncIterableIterator<T, undefined> {
  /** Notified when there may be an event to take. Not needed by a reader that uses the async iterator. */
  reader: FeedReader | undefined;
  /** Whether other feeds get the same event objects, so that it pays to keep, for instance, their encoding. */
  isShared = false;
  readonly #source: FeedSource;
  /** The event to take next; those after it are in `#later`. There is rarely more than one. */
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

  /** Returns the next event; undefined if there is none now, or the feed is over. Throws the feed's error, once. */
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
    // An event or end that the source brings during this call is returned below, so it must not notify the reader.
    this.#isAsking = true;
    if (this.#isStarted) this.#source.wanted();
    else this.#start();
    this.#isAsking = false;
    if (this.#next === undefined && !this.#isEnded) return undefined;
    this.#isWanted = false;
    return this.take();
  }

  /** Whether the feed has ended and everything, its error too, has been taken. */
  get isOver(): boolean {
    return this.#isEnded && this.#next === undefined && this.#error === undefined;
  }

  /** Whether no more events will be added, because the feed ended or the reader left; some may be left to take. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Whether the reader asked for an event and has not got one yet. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Events not taken yet. */
  get size(): number {
    return this.#next === undefined ? 0 : 1 + this.#later.length;
  }

  /** Adds an event; does nothing after the end. */
  push(event: T): void {
    if (this.#isEnded) return;
    if (this.#next === undefined) this.#next = event;
    else this.#later.push(event);
    this.#ready();
  }

  /** Drops the events not taken yet. */
  clear(): void {
    this.#next = undefined;
    this.#later = [];
  }

  /** Ends the feed: the reader takes the remaining events, then gets `error`, if any. Does nothing after the end. */
  end(error?: { readonly cause: unknown }): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    this.#forgetSignal?.();
    this.#source.ended();
    this.#ready();
  }

  /** Called by the reader to leave: drops the remaining events and any error. */
  close(): void {
    this.clear();
    this.end();
    this.#error = undefined;
  }

  /** Closes the feed when a signal is aborted. */
  leaveOn(signal: AbortSignal): void {
    if (signal.aborted) {
      this.close();
      return;
    }
    const listener = { aborted: () => this.close() };
    listenToAbort(signal, listener);
    this.#forgetSignal = () => forgetAbort(signal, listener);
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

  /** Settles the pending `next`, if there is an event, an end or an error for it. */
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
