import { type ClientHttp2Stream, constants } from "node:http2";
import { ConnectError } from "@connectrpc/connect";
import { type AbortListener, forgetAbort, listenToAbort } from "../../model/process/abort-listeners.js";
import { abortedBy, closedByClient, closedEarly, failedInNode, timedOut } from "./call-errors.js";
import type { Connections, OpenCall } from "./connections.js";
import type { CallRequest, ResponseHead } from "./http-message.js";
import type { Http1Answer } from "./http1/http1-answer.js";
import type { Http1Lane } from "./http1/http1-lane.js";

/** When a call is over at the latest. */
export interface CallBounds {
  readonly signal: AbortSignal | undefined;
  /** Undefined: it may take for ever. */
  readonly timeoutMs: number | undefined;
}

/** What may carry a call. */
export interface Carriers {
  readonly connections: Connections;
  /** Asked first. Undefined: the call goes on a stream. */
  readonly lane: Http1Lane | undefined;
}

/**
 * A call on a stream of HTTP/2, or on a lane of HTTP/1.1: its deadline, its abort, and all ways in which a stream can end. It is over
 * once, with `ended` or `failed`; what comes after that is passed over.
 */
export abstract class HttpCall implements AbortListener {
  readonly #signal: AbortSignal | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  protected stream: ClientHttp2Stream | undefined;
  /** Gives up the lane that the call is on. */
  #leaveLane: (() => void) | undefined;

  constructor({ signal, timeoutMs }: CallBounds) {
    this.#signal = signal;
    if (timeoutMs !== undefined) this.#timer = setTimeout(passed, timeoutMs, this);
    if (signal !== undefined) listenToAbort(signal, this);
  }

  /** Whether it is over. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends a request, which may still be in the making, unless the call is over by then. Called once. */
  send(carriers: Carriers, request: CallRequest | Promise<CallRequest>): void {
    if (this.#signal?.aborted) this.aborted();
    else if (!(request instanceof Promise)) this.#post(carriers, request);
    else {
      request.then(
        (made) => this.#post(carriers, made),
        (error) => this.fail(ConnectError.from(error)),
      );
    }
  }

  /** Ends it with an error, unless it is over. What is still to come of its stream is refused. */
  fail(error: ConnectError): void {
    if (this.#isOver) return;
    this.end();
    this.#leaveLane?.();
    if (this.stream !== undefined) cancel(this.stream);
    this.failed(error);
  }

  /** Called when `signal` is aborted. */
  aborted(): void {
    if (this.#signal !== undefined) this.fail(abortedBy(this.#signal));
  }

  /** Marks it as over. */
  protected end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#signal !== undefined) forgetAbort(this.#signal, this);
  }

  /** Called when the response begins. */
  protected abstract responded(head: ResponseHead): void;
  /** Called with each part of its body. */
  protected abstract received(chunk: Buffer): void;
  /** Called when the body is complete. */
  protected abstract completed(): void;
  /** Called once if it fails. */
  protected abstract failed(error: ConnectError): void;

  /** Called when its stream failed, or was closed before the answer was complete. */
  protected broken(error: ConnectError): void {
    this.fail(error);
  }

  /** Ends it when its stream was closed and its answer is not complete. */
  protected closed(): void {
    if (!this.#isOver) this.broken(closedEarly(this.stream?.rstCode));
  }

  #post({ connections, lane }: Carriers, request: CallRequest): void {
    if (this.#isOver) return;
    this.#leaveLane = lane?.post(request, (answer) => {
      this.#leaveLane = undefined;
      if (answer === undefined) this.#postOnStream(connections, request);
      else if (answer === "closed") this.fail(closedByClient());
      else this.#take(answer);
    });
    if (this.#leaveLane === undefined) this.#postOnStream(connections, request);
  }

  #take({ head, body }: Http1Answer): void {
    if (!this.#isOver) this.responded(head);
    if (!this.#isOver) this.received(body);
    if (!this.#isOver) this.completed();
  }

  #postOnStream(connections: Connections, { path, headers, body }: CallRequest): void {
    if (this.#isOver) return;
    connections.post(path, headers, body.byteLength).then(
      (call) => this.#begin(call, body),
      (error) => this.fail(failedInNode(error)),
    );
  }

  #begin({ stream, connection }: OpenCall, body: Uint8Array): void {
    // Listened to in any case: an error without a listener would end the process.
    stream.on("error", (error) => {
      if (!this.#isOver) this.broken(failedInNode(error));
    });
    if (this.#isOver) {
      cancel(stream);
      return;
    }
    this.stream = stream;
    stream.on("response", (head) => {
      if (!this.#isOver) this.responded(head as ResponseHead);
    });
    stream.on("data", (chunk: Buffer) => {
      connection.heard(stream);
      if (!this.#isOver) this.received(chunk);
    });
    stream.on("end", () => {
      // A stream that is broken off ends too.
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) this.closed();
      else if (!this.#isOver) this.completed();
    });
    stream.on("close", () => this.closed());
    stream.end(body);
  }
}

function passed(call: HttpCall): void {
  call.fail(timedOut());
}

function cancel(stream: ClientHttp2Stream): void {
  if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
}
