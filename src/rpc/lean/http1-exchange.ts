import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Exchange } from "./exchange.js";

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
    this.#response.once("close", listener);
  }

  answer(status: number, headers: OutgoingHttpHeaders, body: Uint8Array | string): void {
    // A text leaves together with the headers, in one write.
    headers["content-length"] = Buffer.byteLength(body);
    if (waiting.length === 0) setImmediate(flush);
    waiting.push(() => {
      this.#response.writeHead(status, headers);
      this.#response.end(body);
    });
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

let waiting: (() => void)[] = [];
function flush(): void {
  const w = waiting;
  waiting = [];
  for (const x of w) x();
}
