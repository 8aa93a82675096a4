import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Exchange } from "./exchange.js";

/** Answers that are whole, and their bodies, until they are written. */
let responses: ServerResponse[] = [];
let bodies: (Uint8Array | string)[] = [];

/**
 * Writes an answer once all requests that have come in by now were looked at. Each write wakes a client up, which costs
 * as much as the call when it is on the same machine and waits; one that is still busy with the answer before does not.
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
      // A text leaves together with the headers, in one write. To one whose client has left, nothing happens.
      ready[index]?.end(contents[index]);
    } catch {
      // The client would wait for ever; the answers after it must not.
      ready[index]?.destroy();
    }
  }
}

/** A call over HTTP/1.1. It has no trailers: gRPC is not served here. */
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
