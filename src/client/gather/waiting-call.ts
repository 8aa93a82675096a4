import { type AbortListener, forgetAbort, listenToAbort } from "../../model/process/abort-listeners.js";

/** What several calls travel in together. */
export interface Flight {
  /** How many of its callers still wait. */
  waiting: number;
  /** Ends it. */
  readonly controller: AbortController;
}

/** A call to be gathered, as its caller makes it. */
export interface GatherCall<I> {
  readonly item: I;
  /** About the bytes that it takes in a message. */
  readonly bytes: number;
  /** How long it may take, ms. */
  readonly timeoutMs: number;
  /** Ends the wait of this call only. */
  readonly signal?: AbortSignal | undefined;
}

/** A call whose caller waits for the answer. It is over when it is answered, or its signal is aborted. */
export class WaitingCall<I, O> implements AbortListener {
  readonly item: I;
  readonly bytes: number;
  readonly signal: AbortSignal | undefined;
  /** When it has taken too long, ms on the monotonic clock. */
  readonly deadline: number;
  /** What it travels in, once it does with others and all of these have signals. */
  flight: Flight | undefined;
  readonly #resolve: (answer: O) => void;
  readonly #reject: (error: unknown) => void;
  #isOver = false;

  constructor(call: GatherCall<I>, now: number, resolve: (answer: O) => void, reject: (error: unknown) => void) {
    this.item = call.item;
    this.bytes = call.bytes;
    this.signal = call.signal;
    this.deadline = now + call.timeoutMs;
    this.#resolve = resolve;
    this.#reject = reject;
    if (this.signal !== undefined) listenToAbort(this.signal, this);
  }

  /** Whether nobody waits for it any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  resolve(answer: O): void {
    this.#end();
    this.#resolve(answer);
  }

  reject(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  /** Called by its signal. */
  aborted(): void {
    const { flight } = this;
    this.reject(this.signal?.reason);
    if (flight !== undefined && --flight.waiting === 0) flight.controller.abort();
  }

  #end(): void {
    this.#isOver = true;
    if (this.signal !== undefined) forgetAbort(this.signal, this);
  }
}
