import type { EventEmitter } from "node:events";
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { ClientConnection } from "../connection.js";

/** One request and its answer, over either version of HTTP. */
export interface Exchange {
  /** What names the request. It is put into the answer. */
  readonly requestId: string;
  /** The address at the other end of the connection. Undefined when that is closed. */
  readonly remoteAddress: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** The connection that carries it. */
  readonly connection: ClientConnection;
  /** The connection; undefined when it has gone. */
  readonly socket: Socket | undefined;
  /** The body of the request, not read yet. */
  readonly body: Readable;
  /** Whether the client has left or the answer has been sent. Nothing may be written after that. */
  readonly isClosed: boolean;
  /** Calls `listener` once, when `isClosed` becomes true. */
  onClose(listener: () => void): void;
  /** Sends a whole answer at once. */
  answer(status: number, headers: OutgoingHttpHeaders, body: Uint8Array | string, trailers?: OutgoingHttpHeaders): void;
  /** Begins an answer of several writes; `hasTrailers` says whether trailers follow. */
  begin(headers: OutgoingHttpHeaders, hasTrailers: boolean): void;
  /** Writes a part. Returns false when the caller should wait for `onDrain` before it writes more. */
  write(part: Uint8Array): boolean;
  /** Calls `listener` once, when the call is over: with whether the whole answer was taken from this process. */
  onWritten(listener: (isWritten: boolean) => void): void;
  /** Calls `listener` every time there is room again. */
  onDrain(listener: () => void): void;
  /** Ends an answer that `begin` began, with the trailers that were announced there. */
  end(last?: Uint8Array, trailers?: OutgoingHttpHeaders): void;
  /** Ends the call when the client closes its side of the connection: an answer that is not there yet would reach nobody. */
  endWithClient(): void;
  /** Before the answer: once it is sent, what carries the request is ended, as its body will never come to an end. */
  abandon(): void;
  /** Ends the call at once, without an answer or in the middle of it. */
  destroy(): void;
}

/** Calls a listener once: with true at the event `written`, with false when it closes before that, or is closed already. */
export function tellWhether(
  emitter: EventEmitter,
  written: string,
  isClosed: boolean,
  listener: (isWritten: boolean) => void,
): void {
  let isWritten = false;
  emitter.once(written, () => {
    isWritten = true;
    listener(true);
  });
  const closed = () => {
    if (!isWritten) listener(false);
  };
  if (isClosed) closed();
  else emitter.once("close", closed);
}
