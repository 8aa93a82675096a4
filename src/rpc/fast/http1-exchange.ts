import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Exchange } from "./exchange.js";

/** Whole answers that are still to be written, and their bodies. */
let responses: ServerResponse[] = [];
let bodies: (Uint8Array | string)[] = [];

/**
 * Writes an answer after all requests that have already come in were looked at. Each write wakes up a client, which
 * costs as much as the call itself when the client is on the same machine and waits; a client that is still busy with
 * an earlier answer is not woken again.
 */
function writeSoon(response: ServerResponse, body: Uint8Array | string): void {
  if (responses.length === 0) setImmediate(writeAll);
  responses.push(response);
  bodies.push(body);
}

function writeAll(): void {
  const [ready, contents] = [responses, bodies];
  responses = [];
  bodies = [];
  for (let index = 0; index < ready.length; index++) {
    try {
      // A text is sent with the headers in one write. If the client has left, this does nothing.
      ready[index]?.end(contents[index]);
    } catch {
      // This client would wait for ever. The answers after it must still be written.
      ready[index]?.destroy();
    }
  }
}

/** A call over HTTP/1.1. It cannot carry trailers, so gRPC is not served here. */
export class Http1Exchange implements Exchange {
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.headers = request.headers;
    this.body = request;
    this.#response = response;
  }

  get isClosed(): boolean {
    return this.#response.closed || this.#response.destroyed;
  }

  onClose(listener: () => void): void {
    this.#response.on("close", listener);
  }

  answer(status: number, headers: OutgoingHttpHeaders, body: Uint8Array | string): void {
    headers["content-length"] = Buffer.byteLength(body);
    this.#response.writeHead(status, headers);
    writeSoon(this.#response, body);
  }

  begin(headers: OutgoingHttpHeaders): void {
    this.#response.writeHead(200, headers);
  }

  write(part: Uint8Array): boolean {
    return this.#response.write(part);
  }

  onDrain(listener: () => void): void {
    this.#response.on("drain", listener);
  }

  end(last?: Uint8Array): void {
    this.#response.end(last);
  }
}
