import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { hasOwnTurns } from "../../core/turns/own-turn.js";
import { type ClientConnection, connectionOf } from "../connection.js";
import { carrierOf, endWithClient, type HttpRequest, type HttpResponse } from "../http.js";
import { REQUEST_ID_HEADER } from "../request-ids.js";
import { type Exchange, tellWhether } from "./exchange.js";
import { closeWhenSent } from "./http2-exchange.js";

/** Whole answers that are still to be written, and their bodies. */
let responses: ServerResponse[] = [];
let bodies: (Uint8Array | string)[] = [];

/**
 * Writes an answer after all requests that have already come in were looked at. Each write wakes up a client, which
 * costs as much as the call itself when the client is on the same machine and waits; a client that is still busy with
 * an earlier answer is not woken again.
 */
function writeSoon(response: ServerResponse, body: Uint8Array | string): void {
  if (hasOwnTurns()) {
    // Long work is under way, and its next slice would come first.
    endWith(response, body);
    return;
  }
  if (responses.length === 0) setImmediate(writeAll);
  responses.push(response);
  bodies.push(body);
}

/**
 * Ends a response with its body. A text is sent with the headers in one write; by `end` alone it would go with an empty part, gathered
 * for another kind of write that costs a twentieth of the call more. If the client has left, this does nothing.
 */
function endWith(response: ServerResponse, body: Uint8Array | string): void {
  const { socket } = response;
  // An earlier answer of the connection is still to come, or there is none to write.
  if (socket === null || body.length === 0) {
    response.end(body);
    return;
  }
  // Without this `write` would put itself off until the next tick.
  socket.cork();
  response.write(body);
  socket.uncork();
  response.end();
}

function writeAll(): void {
  const [ready, contents] = [responses, bodies];
  responses = [];
  bodies = [];
  for (let index = 0; index < ready.length; index++) {
    try {
      endWith(ready[index] as ServerResponse, contents[index] as Uint8Array | string);
    } catch {
      // This client would wait for ever. The answers after it must still be written.
      ready[index]?.destroy();
    }
  }
}

/**
 * A call over HTTP/1.1; or over HTTP/2, by the interface that resembles node:http, where something in front of the call (CORS,
 * `Expect`) has set headers of the response.
 */
export class Http1Exchange implements Exchange {
  readonly headers: IncomingHttpHeaders;
  readonly requestId: string;
  readonly connection: ClientConnection;
  readonly #request: HttpRequest;
  readonly #response: ServerResponse;
  /** A response over HTTP/2 makes no good use of a write that waits for others. */
  readonly #isHttp2: boolean;

  constructor(request: HttpRequest, response: HttpResponse, requestId: string) {
    this.requestId = requestId;
    this.headers = request.headers;
    this.connection = connectionOf(carrierOf(request));
    this.#request = request;
    this.#response = response as ServerResponse;
    this.#isHttp2 = "stream" in request;
  }

  get socket(): Socket {
    return this.#request.socket;
  }

  get remoteAddress(): string | undefined {
    return this.#request.socket.remoteAddress;
  }

  get body(): Readable {
    return this.#request;
  }

  get isClosed(): boolean {
    return this.#response.closed || this.#response.destroyed || this.#response.writableEnded;
  }

  onClose(listener: () => void): void {
    this.#response.on("close", listener);
  }

  onWritten(listener: (isWritten: boolean) => void): void {
    const { socket } = this.#request;
    // An answer whose only write failed at once is finished all the same; the connection knows better.
    const wasTaken = () => this.#isHttp2 || socket.errored === null;
    tellWhether(this.#response, "finish", this.isClosed, (isWritten) => listener(isWritten && wasTaken()));
  }

  answer(
    status: number,
    headers: OutgoingHttpHeaders,
    body: Uint8Array | string,
    trailers?: OutgoingHttpHeaders,
  ): void {
    if (trailers === undefined) headers["content-length"] = Buffer.byteLength(body);
    headers[REQUEST_ID_HEADER] = this.requestId;
    this.#response.writeHead(status, headers);
    if (trailers !== undefined) this.end(Buffer.from(body as Uint8Array), trailers);
    else if (this.#isHttp2) this.#response.end(body);
    else writeSoon(this.#response, body);
  }

  begin(headers: OutgoingHttpHeaders): void {
    headers[REQUEST_ID_HEADER] = this.requestId;
    this.#response.writeHead(200, headers);
  }

  write(part: Uint8Array): boolean {
    return this.#response.write(part);
  }

  onDrain(listener: () => void): void {
    this.#response.on("drain", listener);
  }

  end(last?: Uint8Array, trailers?: OutgoingHttpHeaders): void {
    if (trailers !== undefined) {
      // Without a write the end would come with a content-length, and trailers need chunks.
      if (last !== undefined && last.byteLength > 0) this.#response.write(last);
      else this.#response.flushHeaders();
      this.#response.addTrailers(trailers);
      this.#response.end();
    } else this.#response.end(last);
  }

  endWithClient(): void {
    endWithClient(this.#request, this.#response);
  }

  abandon(): void {
    const request = this.#request;
    if ("stream" in request) {
      closeWhenSent(request.stream);
      return;
    }
    const response = this.#response;
    if (!response.headersSent) response.setHeader("connection", "close");
    const close = () => request.socket.destroySoon();
    if (response.writableFinished) close();
    else response.once("finish", close);
  }

  destroy(): void {
    this.#response.destroy();
  }
}
