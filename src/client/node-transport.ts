import { type ClientHttp2Stream, constants, type Http2Session, type SecureClientSessionOptions } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { defined } from "../model/defined.js";
import { withExactMaps } from "./exact-transport.js";
import { sendToken, type TokenSource } from "./token.js";

/** How often a connection in use is pinged, and how long the answer may take before it counts as broken, ms. */
export interface PingTimes {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
}

const PING: PingTimes = { pingIntervalMs: 10_000, pingTimeoutMs: 5000 };

/** Deepest nesting of messages read: more than a payload of the server can have. */
const BINARY = { recursionLimit: 1000 };

/**
 * Wait before the connection is closed, ms. Node 20.20 corrupts its heap, and the process dies, when a session is
 * destroyed or closed while the end of one of its streams is still being written; no event tells when that is over.
 */
const CLOSE_MS = 250;

/** The error of a call on a connection that the server ended before it took the call. `isNotBegun` knows its code. */
function notBegun(): Error {
  return Object.assign(new Error("the server ended the connection before it began with this call"), {
    code: "ERR_HTTP2_GOAWAY_SESSION",
  });
}

/**
 * A connection that tells which calls the server did not begin with. When the server ends a connection with an error,
 * Node breaks off all its streams alike, although the server said which was the last it took.
 */
class SessionManager extends Http2SessionManager {
  readonly #open = new WeakMap<Http2Session, Set<ClientHttp2Stream>>();

  override async request(...args: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...args);
    // Without a session it has failed already, and says so itself.
    if (stream.session === undefined) return stream;
    const streams = this.#open.get(stream.session) ?? this.#watch(stream.session);
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
    return stream;
  }

  #watch(session: Http2Session): Set<ClientHttp2Stream> {
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

/** TLS of a client, for servers at `https://`. Contents of PEM files, not their paths. */
export interface ClientTls {
  /** Authorities that vouch for the server. Default: those that Node knows (`NODE_EXTRA_CA_CERTS` adds some). */
  readonly ca?: string | Uint8Array | undefined;
  /** The certificate of the client, with its chain, where the server asks for one. */
  readonly cert?: string | Uint8Array | undefined;
  /** Its key. */
  readonly key?: string | Uint8Array | undefined;
  /** The name that the certificate of the server must have. Default: that in the URL. */
  readonly serverName?: string | undefined;
}

/** Settings of a transport. */
export interface NodeTransportOptions {
  readonly tls?: ClientTls | undefined;
  readonly token?: TokenSource | undefined;
  /** Tests ping more often. */
  readonly ping?: PingTimes | undefined;
}

/** Connect over HTTP/2, on one connection that is opened by the first call, and again when it broke. */
export interface NodeTransport {
  readonly transport: Transport;
  /** Closes the connection after `CLOSE_MS`; calls in flight fail then. The wait does not keep the process alive. */
  close(): void;
}

/** Creates a transport to the server at this URL, `http://` or `https://`. */
export function createNodeTransport(url: string, options: NodeTransportOptions = {}): NodeTransport {
  const { tls = {}, token, ping = PING } = options;
  const sessionManager = new SessionManager(url, ping, secureOptions(tls));
  return {
    transport: withExactMaps(
      createConnectTransport({
        baseUrl: url,
        httpVersion: "2",
        sessionManager,
        interceptors: sendToken(token),
        binaryOptions: BINARY,
        // Between servers, compression would cost more time than the bytes it saves.
        acceptCompression: [],
      }),
    ),
    close: () => void setTimeout(() => sessionManager.abort(), CLOSE_MS).unref(),
  };
}

/** The same as Node has it. */
function secureOptions({ ca, cert, key, serverName }: ClientTls): SecureClientSessionOptions {
  const given = { ca: bytes(ca), cert: bytes(cert), key: bytes(key), servername: serverName };
  return defined(given);
}

function bytes(content: string | Uint8Array | undefined): string | Buffer | undefined {
  return content instanceof Uint8Array ? Buffer.from(content) : content;
}
