import type { IncomingHttpHeaders } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Admitted } from "../../access/caller.js";
import { type TaskQueueError, tokenInvalid } from "../../model/common/errors.js";
import { readTraceHeaders, type TraceContext } from "../../model/log/trace-context.js";
import type { RpcSpan } from "../../model/log/tracer.js";
import { setLongTimer, type Timer } from "../../model/process/long-timer.js";
import { type Spelling, toConnectError } from "../errors.js";
import type { ProtocolName, RpcCall } from "../rpc-call.js";
import type { Exchange } from "./exchange.js";
import type { WireProtocol } from "./wire-protocol.js";

/** What a call ends with when its deadline passes. */
export function deadlineExceeded(): ConnectError {
  return new ConnectError("the operation timed out", Code.DeadlineExceeded);
}

/** What a call under way ends with when its token is taken away, or ends. */
export function rightsEnded(): ConnectError {
  return toConnectError(tokenInvalid("the token of this call has ended, or its rights have changed"), "snake_case");
}

/**
 * The context that a method of a service gets. Few methods look at the signal, so it is created on first use, with a
 * timer for the deadline. A call that never looks at it is not ended by its deadline either. It is also what is known of the
 * call where it is recorded.
 */
export class CallContext implements RpcCall {
  readonly method: string;
  /** The method of HTTP. */
  readonly requestMethod: "GET" | "POST";
  /** The URL of a GET, which has the message in it. */
  readonly url: string | undefined;
  readonly caller: Admitted;
  span: RpcSpan | undefined;
  itemErrors: TaskQueueError[] | undefined;
  readonly #exchange: Exchange;
  readonly #protocol: WireProtocol;
  readonly #deadline: number | undefined;
  #controller: AbortController | undefined;
  #timer: Timer | undefined;
  #unwatch: (() => void) | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;

  /** `timeoutMs` counts from now; undefined: no deadline. `getUrl`: the URL of a GET; undefined: a POST. */
  constructor(
    exchange: Exchange,
    method: string,
    protocol: WireProtocol,
    caller: Admitted,
    timeoutMs: number | undefined,
    getUrl?: string,
  ) {
    this.method = method;
    this.#protocol = protocol;
    this.caller = caller;
    this.requestMethod = getUrl === undefined ? "POST" : "GET";
    this.url = getUrl;
    this.#exchange = exchange;
    this.#deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  }

  get requestId(): string {
    return this.#exchange.requestId;
  }

  get remoteAddress(): string | undefined {
    return this.#exchange.remoteAddress;
  }

  get spelling(): Spelling {
    return this.#protocol.spelling;
  }

  get protocolName(): ProtocolName {
    return this.#protocol.name;
  }

  /** Aborted when the client leaves, the deadline passes, or the rights of the caller end. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      this.whenOver((reason) => controller.abort(reason));
    }
    return this.#controller.signal;
  }

  /** What is left until the deadline, ms; undefined when there is none. */
  timeoutMs(): number | undefined {
    return this.#deadline === undefined ? undefined : Math.round(this.#deadline - performance.now());
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= toHeaders(this.#exchange.headers);
    return this.#requestHeader;
  }

  get traceContext(): TraceContext | undefined {
    if (this.span !== undefined) return this.span.context;
    const { headers } = this.#exchange;
    return readTraceHeaders((name) => headers[name]?.toString());
  }

  /** Goes out with the headers of the answer; they are sent with its first message. */
  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  /** Goes out after the answer, with an error too. */
  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  /** The headers of the answer that the method has set; few do. */
  get givenHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  /** The trailers that the method has set. */
  get givenTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  /** Calls `over`, when the client leaves, the deadline passes, or the rights of the caller end; the last two not after `done`. */
  whenOver(over: (reason: ConnectError) => void): void {
    this.#exchange.onClose(() => {
      this.done();
      over(new ConnectError("the client left", Code.Canceled));
    });
    this.#unwatch = this.caller.whenEnded(() => over(rightsEnded()));
    this.#exchange.endWithClient();
    if (this.#deadline === undefined) return;
    const leftMs = this.#deadline - performance.now();
    const expire = () => over(deadlineExceeded());
    if (leftMs <= 0) expire();
    else this.#timer = setLongTimer(leftMs, expire);
  }

  /** Whether the deadline has passed. */
  get isLate(): boolean {
    return this.#deadline !== undefined && this.#deadline <= performance.now();
  }

  /** Ends the call: stops the timer of the deadline, and the watch of the caller's rights. */
  done(): void {
    this.#timer?.cancel();
    this.#unwatch?.();
  }
}

function toHeaders(given: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value = []] of Object.entries(given)) {
    // Those of HTTP/2 itself are no headers.
    if (name.startsWith(":")) continue;
    for (const one of [value].flat()) headers.append(name, one);
  }
  return headers;
}
