import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { constants, type ServerHttp2Stream, sensitiveHeaders } from "node:http2";
import type { Socket } from "node:net";
import { type ClientConnection, connectionOf } from "../connection.js";
import { REQUEST_ID_HEADER } from "../request-ids.js";
import { type Exchange, tellWhether } from "./exchange.js";

/** Options of `respond` for an answer that ends with trailers. */
const WITH_TRAILERS = { waitForTrailers: true };

/** No trailers: sent, they are the end of the stream. */
const NONE: OutgoingHttpHeaders = {};

/** Each id goes out once: in the table of a connection's headers it would only push out what comes again. */
const NOT_INDEXED = [REQUEST_ID_HEADER];

/** Puts the id of the request among the headers of its answer. */
function addRequestId(headers: OutgoingHttpHeaders, requestId: string): void {
  headers[REQUEST_ID_HEADER] = requestId;
  (headers as { [sensitiveHeaders]?: string[] })[sensitiveHeaders] = NOT_INDEXED;
}

function ignore(): void {}

const senders = new WeakMap<OutgoingHttpHeaders, (this: ServerHttp2Stream) => void>();

/**
 * Returns a listener that sends these trailers on the stream it is called for. Kept, as nearly all calls end with the
 * same ones.
 */
function senderOf(trailers: OutgoingHttpHeaders): (this: ServerHttp2Stream) => void {
  let sender = senders.get(trailers);
  if (sender === undefined) {
    sender = function (this: ServerHttp2Stream) {
      this.sendTrailers(trailers);
    };
    senders.set(trailers, sender);
  }
  return sender;
}

/** Closes a stream once its answer is sent. The client may go on sending; it is told that nobody listens. */
export function closeWhenSent(stream: ServerHttp2Stream): void {
  const close = () => stream.close(constants.NGHTTP2_NO_ERROR);
  if (stream.writableFinished) close();
  else stream.once("finish", close);
}

/**
 * A call over HTTP/2. It uses the stream itself: the API of node:http2 that resembles node:http costs as much as the
 * call.
 */
export class Http2Exchange implements Exchange {
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  readonly connection: ClientConnection;
  readonly body: ServerHttp2Stream;
  #isAbandoned = false;
  /** Whether somebody waits for the answer to be written. */
  #isFollowed = false;
  /** How the answer ends; undefined before `end`. */
  #ending: "plain" | "trailers" | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, requestId: string) {
    this.requestId = requestId;
    this.headers = headers;
    // A stream that is closed already has no session.
    this.connection = connectionOf(stream.session ?? stream);
    this.body = stream;
    // A client that resets its stream is not an error; `close` follows.
    stream.on("error", ignore);
  }

  get socket(): Socket | undefined {
    return this.body.session?.socket;
  }

  get remoteAddress(): string | undefined {
    return this.socket?.remoteAddress;
  }

  get isClosed(): boolean {
    // A destroyed stream is closed too.
    return this.body.closed;
  }

  onClose(listener: () => void): void {
    this.body.on("close", listener);
  }

  // The last byte is taken when trailers are asked for: a stream may well close before it says that it has finished.
  onWritten(listener: (isWritten: boolean) => void): void {
    this.#isFollowed = true;
    tellWhether(this.body, "wantTrailers", this.body.destroyed, listener);
  }

  answer(
    status: number,
    headers: OutgoingHttpHeaders,
    body: Uint8Array | string,
    trailers?: OutgoingHttpHeaders,
  ): void {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    headers[":status"] = status;
    addRequestId(headers, this.requestId);
    if (trailers === undefined) headers["content-length"] = bytes.byteLength;
    const ending = trailers ?? (this.#isFollowed ? NONE : undefined);
    this.body.respond(headers, ending === undefined ? undefined : WITH_TRAILERS);
    this.end(bytes.byteLength > 0 ? bytes : undefined, ending);
  }

  begin(headers: OutgoingHttpHeaders, hasTrailers: boolean): void {
    headers[":status"] = 200;
    addRequestId(headers, this.requestId);
    this.body.respond(headers, hasTrailers ? WITH_TRAILERS : undefined);
  }

  write(part: Uint8Array): boolean {
    return this.body.write(part);
  }

  onDrain(listener: () => void): void {
    this.body.on("drain", listener);
  }

  end(last?: Uint8Array, trailers?: OutgoingHttpHeaders): void {
    if (trailers !== undefined) this.body.on("wantTrailers", senderOf(trailers));
    this.#ending = trailers === undefined ? "plain" : "trailers";
    if (this.#isAbandoned) this.#closeWhenSent();
    if (last === undefined) this.body.end();
    else this.body.end(last);
  }

  // Who closes a connection of HTTP/2 ends its streams.
  endWithClient(): void {}

  abandon(): void {
    this.#isAbandoned = true;
    if (this.#ending !== undefined) this.#closeWhenSent();
  }

  destroy(): void {
    this.body.destroy();
  }

  /** The client of an abandoned call may go on sending; with its answer sent, it is told that nobody listens. */
  #closeWhenSent(): void {
    if (this.#ending === "plain" || this.body.sentTrailers !== undefined) closeWhenSent(this.body);
    // Node sends trailers by an immediate too, which comes first.
    else this.body.once("wantTrailers", () => setImmediate(() => this.body.close(constants.NGHTTP2_NO_ERROR)));
  }
}
