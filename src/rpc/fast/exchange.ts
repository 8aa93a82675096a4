import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";

/** One request and its answer, whichever version of HTTP carries them. */
export interface Exchange {
  readonly headers: IncomingHttpHeaders;
  /** The body of the request, not read yet. */
  readonly body: Readable;
  /** Whether the client has left, or the answer has been sent: nothing may be written any more. */
  readonly isClosed: boolean;
  /** Called once when `isClosed` becomes true. */
  onClose(listener: () => void): void;
  /** Sends a whole answer in one go. */
  answer(status: number, headers: OutgoingHttpHeaders, body: Uint8Array | string, trailers?: OutgoingHttpHeaders): void;
  /** Begins an answer of many writes, with trailers after them or without. */
  begin(headers: OutgoingHttpHeaders, hasTrailers: boolean): void;
  /** Writes a part; false when the client should be waited for, by `onDrain`. */
  write(part: Uint8Array): boolean;
  /** Called whenever there is room again. */
  onDrain(listener: () => void): void;
  /** Ends an answer that was begun; with the trailers that were announced. */
  end(last?: Uint8Array, trailers?: OutgoingHttpHeaders): void;
}
