import { Code, ConnectError } from "@connectrpc/connect";
import type { Exchange } from "./exchange.js";

/**
 * What a method of a service is called with. Few look at the signal, and only then is one made, with a timer for the
 * deadline: a call that does not look is not ended by its deadline either.
 */
export class CallContext {
  readonly #exchange: Exchange;
  readonly #deadline: number | undefined;
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `timeoutMs` counts from now. */
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

  /** Calls `over` once, when the client leaves or the deadline passes; not after `done`. */
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

  /** The call is over: its deadline is not waited for any more. */
  done(): void {
    clearTimeout(this.#timer);
  }
}
