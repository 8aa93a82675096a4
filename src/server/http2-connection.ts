import type { IncomingHttpHeaders } from "node:http";
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";

/**
 * Streams of one connection that its client may reset before it is told to open another, and how many of them are
 * forgotten a second. nghttp2 breaks a connection off, with all its streams, at 1,000 and forgets 33 a second; Node 20
 * cannot set that. A connection that was told to end in order (GOAWAY) has no such limit: what is open on it stays, any
 * number of streams may be reset, and no new one is taken. So this limit must be reached well before nghttp2's.
 */
const MAX_RESETS = 500;
const RESETS_FORGOTTEN_A_SECOND = 16;

/** Takes a new stream. Node also passes the raw headers, which its types leave out. */
export type OnStream = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  rawHeaders?: string[],
) => void;

/** An HTTP/2 connection of a client. */
export class Http2Connection {
  readonly #session: ServerHttp2Session;
  #resets = 0;
  #lastResetAt = 0;
  #isEnding = false;

  constructor(session: ServerHttp2Session, onStream: OnStream) {
    this.#session = session;
    const reset = () => this.#reset();
    session.on("stream", (stream, headers, flags, ...rest) => {
      if (this.#isEnding) {
        stream.on("error", () => {});
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      // Unlike `close`, this is told before more of the bytes that came with the reset are looked at.
      if (stream.aborted) reset();
      else stream.on("aborted", reset);
      onStream(stream, headers, flags, ...(rest as [string[]?]));
    });
  }

  /** Ends the connection in order: streams that are open may end, new ones are refused. */
  end(): void {
    if (this.#isEnding || this.#session.destroyed) return;
    this.#isEnding = true;
    this.#session.goaway();
    // Not at once: this may be called while nghttp2 reads, and the last stream to end takes the session with it.
    setImmediate(() => this.#session.close());
  }

  #reset(): void {
    const now = performance.now();
    const forgotten = ((now - this.#lastResetAt) / 1000) * RESETS_FORGOTTEN_A_SECOND;
    this.#resets = Math.max(0, this.#resets - forgotten) + 1;
    this.#lastResetAt = now;
    if (this.#resets > MAX_RESETS) this.end();
  }
}
