import {
  type ClientHttp2Stream,
  constants,
  type Http2Session,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { Http2SessionManager } from "@connectrpc/connect-node";
import { authorityOf } from "./authority.js";

/** How often a connection in use is pinged, and how long the answer may take before it counts as broken, ms. */
export interface PingTimes {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

/** The error of a call on a connection that the server ended before it took the call. `isNotBegun` knows its code. */
function notBegun(): Error {
  return Object.assign(new Error("the server ended the connection before it began with this call"), {
    code: "ERR_HTTP2_GOAWAY_SESSION",
  });
}

/** What the manager keeps to itself: it tells nobody which session it has opened. */
interface State {
  readonly s: { readonly t: "ready"; readonly conn: Http2Session } | { readonly t: "closed" | "connecting" | "error" };
}

/**
 * A connection that is opened by the first call, and again when it broke. It tells which calls the server did not begin with: when
 * the server ends a connection with an error, Node breaks off all its streams alike, although the server said which was the last it
 * took. And it knows how much its calls have to carry.
 */
export class SessionManager extends Http2SessionManager {
  readonly #open = new WeakMap<Http2Session, Set<ClientHttp2Stream>>();
  readonly #quietMs: number;
  readonly #authority: string;
  #load = 0;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(url: string, ping: PingTimes, options?: SecureClientSessionOptions) {
    super(url, ping, options);
    this.#authority = authorityOf(url, options);
    this.#quietMs = Math.min(ping.pingIntervalMs, ping.pingTimeoutMs) / 10;
  }

  /** What the calls under way weigh together. */
  get load(): number {
    return this.#load;
  }

  /** Whether a call would begin at once, as far as is known. */
  get isOpen(): boolean {
    const state = this.state();
    return state === "open" || state === "idle";
  }

  /** Opens it, unless it is open. Its errors are listened to from then on: nobody may call on it before it breaks. */
  override async connect(): ReturnType<Http2SessionManager["connect"]> {
    const outcome = await super.connect();
    const { s } = this as unknown as State;
    if (s.t === "ready") this.#streamsOf(s.conn);
    return outcome;
  }

  override request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const [, path, headers] = args;
    return this.post(path, headers, 1);
  }

  /** Begins a call that weighs this much. */
  async post(path: string, headers: OutgoingHttpHeaders, weight: number): Promise<ClientHttp2Stream> {
    this.#load += weight;
    let stream: ClientHttp2Stream;
    try {
      stream = await super.request("POST", path, { ":authority": this.#authority, ...headers }, {});
    } catch (error) {
      this.#load -= weight;
      throw error;
    }
    const streams = stream.session && this.#streamsOf(stream.session);
    streams?.add(stream);
    stream.once("close", () => {
      this.#load -= weight;
      streams?.delete(stream);
    });
    return stream;
  }

  /** Called when a part of an answer has come: who sends is alive, however long the answer to a ping is held up behind it. */
  heard(stream: ClientHttp2Stream): void {
    const now = performance.now();
    // It sets a timer anew: not for each of many parts.
    if (now - this.#heardAt < this.#quietMs) return;
    this.#heardAt = now;
    this.notifyResponseByteRead(stream);
  }

  /** The streams that are open on a session. It is listened to from the first time on. */
  #streamsOf(session: Http2Session): Set<ClientHttp2Stream> {
    const known = this.#open.get(session);
    if (known !== undefined) return known;
    const streams = new Set<ClientHttp2Stream>();
    this.#open.set(session, streams);
    // The manager stops listening when a call finds the session broken. Node may tell its error only after that, and an
    // error that nobody listens to would end the process. The calls fail by their streams.
    session.on("error", () => {});
    // Comes before the session breaks off its streams. Without an error it does not, and Node tells refused ones.
    session.on("goaway", (code, lastId) => {
      if (code === constants.NGHTTP2_NO_ERROR) return;
      for (const stream of streams) if (stream.id === undefined || stream.id > lastId) stream.destroy(notBegun());
    });
    return streams;
  }
}
