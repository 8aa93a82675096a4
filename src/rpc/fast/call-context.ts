import { Code, ConnectError } from "@connectrpc/connect";
import type { Exchange } from "./exchange.js";

/**
 * The context that a method of a service gets. Few methods look at the signal, so it is created on first use, with a
 * timer for the deadline. A call that never looks at it is not ended by its deadline either.
 */
export class CallContext {
  readonly #exchange: Exchange;
  readonly #deadline: number | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `timeoutMs` counts from now; undefined: no deadline. */
  constructor(exchange: Exchange, timeoutMs: number | undefined) {
    this.#exchange = exchange;
    this.#deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  /** Aborted when the client leaves or the deadline passes. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      this.whenOver((reason) => controller.abort(reason));
    }
    return this.#controller.signal;
  }

  /** Calls `over` when the client leaves or the deadline passes. The deadline no longer counts after `done`. */
  whenOver(over: (reason: ConnectError) => void): void {
    this.#exchange.onClose(() => {
      clearTimeout(this.#timer);
      over(new ConnectError("the client left", Code.Canceled));
    });
    if (this.#deadline === undefined) return;
    const expire = () => over(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    const leftMs = this.#deadline - performance.now();
    if (leftMs <= 0) expire();
    else this.#timer = setTimeout(expire, leftMs);
  }

  /** Ends the call: stops the timer of the deadline. */
  done(): void {
    clearTimeout(this.#timer);
  }
}
