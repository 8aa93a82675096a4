import type { IncomingHttpHeaders } from "node:http";
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { type Linked, LinkedList } from "../../model/common/linked-list.js";
import { type ClientConnection, connectionOf } from "../../rpc/connection.js";
import type { ConnectionCut } from "./connection-observer.js";
import type { ConnectionTimes } from "./connection-times.js";
import { FrameBudget } from "./frame-budget.js";
import { StalledStreams } from "./stalled-streams.js";

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

/** Times of an HTTP/2 connection, and who is told that it, or a stream, was ended. */
export interface Http2Options extends ConnectionTimes {
  readonly cut: (reason: ConnectionCut) => void;
  /** For a connection until the end of the client's preface, which SETTINGS are part of; and for a stream until its request ends. */
  readonly requestTimeoutMs: number;
}

/** A stream that is open. */
interface OpenStream extends Linked<OpenStream> {
  readonly stream: ServerHttp2Stream;
  /** When it was opened, while its request may still be coming in; undefined: that has come in. */
  incomingSince: number | undefined;
}

/** An HTTP/2 connection of a client, and its clocks: `check` looks at them, so that calls pay nothing for them. */
export class Http2Connection {
  readonly #session: ServerHttp2Session;
  readonly #socket: Socket;
  readonly #times: Http2Options;
  readonly #client: ClientConnection;
  readonly #budget = new FrameBudget(performance.now());
  readonly #stalled: StalledStreams;
  readonly #open = new LinkedList<OpenStream>();
  /** Streams opened so far. */
  #opened = 0;
  #resets = 0;
  #lastResetAt = 0;
  #isGreeted = false;
  #isEnding = false;
  #bytesRead = 0;
  /** When something was heard last; before the client's preface: when the connection was opened. */
  #heardAt = performance.now();
  #pingedAt: number | undefined;
  #closedAt: number | undefined;
  /** When the client was told of the end of a stalled stream, and how many bytes had been written before. */
  #told: { readonly at: number; readonly bytesWritten: number } | undefined;

  constructor(session: ServerHttp2Session, socket: Socket, times: Http2Options, onStream: OnStream) {
    this.#session = session;
    this.#socket = socket;
    this.#times = times;
    this.#client = connectionOf(session);
    this.#stalled = new StalledStreams(times.stallMs);
    const reset = () => this.#reset();
    session.once("remoteSettings", () => {
      this.#isGreeted = true;
    });
    session.on("stream", (stream, headers, flags, ...rest) => {
      this.#opened++;
      const open: OpenStream = { before: undefined, after: undefined, stream, incomingSince: undefined };
      this.#open.add(open);
      stream.on("close", () => this.#closed(open));
      if (stream.aborted || this.#isEnding) {
        stream.on("error", () => {});
        if (stream.aborted) this.#reset();
        else stream.close(constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      if (!stream.endAfterHeaders) open.incomingSince = performance.now();
      // Unlike `close`, this is told before more of the bytes that came with the reset are looked at.
      stream.on("aborted", reset);
      onStream(stream, headers, flags, ...(rest as [string[]?]));
    });
  }

  /** Ends the connection in order: streams that are open may end, new ones are refused. */
  end(): void {
    if (this.#isEnding || this.#session.destroyed) return;
    this.#isEnding = true;
    this.#session.goaway();
    if (this.#open.size === 0) this.#close();
  }

  /** Ends a connection that floods the server. Called often. */
  checkFlood(now: number): void {
    if (this.#session.destroyed) return;
    const { bytesRead } = this.#socket;
    const received = { bytes: bytesRead, bodyBytes: this.#client.bodyBytes, streams: this.#opened };
    if (!this.#budget.isSpent(now, received)) return;
    this.#times.cut("flood");
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#destroy();
  }

  /**
   * Ends a connection that sent no preface, is idle, or whose client is gone, and streams whose requests do not end. Called
   * now and then.
   */
  check(): void {
    const now = performance.now();
    this.#endLate(now);
    this.#endStalled(now);
    const { requestTimeoutMs, keepAliveMs, pingAfterMs, goneAfterMs } = this.#times;
    const { bytesRead } = this.#socket;
    if (this.#isGreeted && bytesRead !== this.#bytesRead) {
      this.#bytesRead = bytesRead;
      this.#heardAt = now;
      this.#pingedAt = undefined;
    }
    const silentMs = now - this.#heardAt;
    // Node ends a session by itself too, when its client says so or breaks the protocol.
    if (this.#session.destroyed) this.#closedAt ??= now;
    if (this.#closedAt !== undefined) {
      // The client should close its side too; one that does not must not keep the connection.
      if (now - this.#closedAt >= goneAfterMs) this.#destroy();
    } else if (!this.#isGreeted) {
      if (silentMs >= requestTimeoutMs) this.#destroy();
    } else if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt >= goneAfterMs) this.#destroy();
    } else if (this.#open.size > 0) {
      if (silentMs >= pingAfterMs) this.#ping(now);
    } else if (silentMs >= keepAliveMs) this.end();
  }

  /** Sends what a client must answer. That it does is seen by the bytes that come. */
  #ping(now: number): void {
    this.#pingedAt = now;
    if (this.#session.destroyed) return;
    // Once both sides have said that the connection ends, Node sends no pings. Settings have to be answered just as well.
    if (this.#session.closed) this.#session.settings({});
    else this.#session.ping(() => {});
  }

  /**
   * Ends streams whose requests are not whole long after what serves them should have refused them: with no answer that goes
   * on, nobody does. An answer that goes on may be one to a stream of requests.
   */
  #endLate(now: number): void {
    const openedBefore = now - this.#times.requestTimeoutMs - this.#times.refuseMs;
    for (const open of this.#open) {
      const { stream, incomingSince } = open;
      if (incomingSince === undefined) continue;
      if (incomingSince > openedBefore) return;
      if (isWhole(stream)) open.incomingSince = undefined;
      else if (!stream.headersSent) stream.close(constants.NGHTTP2_CANCEL);
      else if (stream.writableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
    }
  }

  /** Ends streams whose client takes nothing of them, and the whole connection when it does not even take the news of that. */
  #endStalled(now: number): void {
    const { bytesWritten } = this.#socket;
    if (this.#told !== undefined) {
      if (bytesWritten !== this.#told.bytesWritten) this.#told = undefined;
      else if (now - this.#told.at >= this.#times.goneAfterMs) this.#destroy();
    }
    const ended = this.#stalled.end(streamsOf(this.#open), now);
    if (ended > 0) this.#told ??= { at: now, bytesWritten };
    for (let count = 0; count < ended; count++) this.#times.cut("stalled");
  }

  #closed(open: OpenStream): void {
    this.#open.delete(open);
    this.#stalled.forget(open.stream);
    if (this.#isEnding && this.#open.size === 0) this.#close();
  }

  /** Not at once: this may be called while nghttp2 reads, and a session without streams ends right when it is closed. */
  #close(): void {
    this.#closedAt = performance.now();
    setImmediate(() => this.#session.close());
  }

  /** The session would wait until what it has to say is written: for ever, when its client is gone. */
  #destroy(): void {
    this.#session.destroy();
    this.#socket.destroy();
  }

  #reset(): void {
    const now = performance.now();
    const forgotten = ((now - this.#lastResetAt) / 1000) * RESETS_FORGOTTEN_A_SECOND;
    this.#resets = Math.max(0, this.#resets - forgotten) + 1;
    this.#lastResetAt = now;
    if (this.#resets > MAX_RESETS) this.end();
  }
}

function* streamsOf(open: Iterable<OpenStream>): Generator<ServerHttp2Stream, void> {
  for (const { stream } of open) yield stream;
}

/** Whether all of a request has come in. Nobody need have read it. */
function isWhole(stream: ServerHttp2Stream): boolean {
  const { state } = stream.state;
  return stream.readableEnded || state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE;
}
