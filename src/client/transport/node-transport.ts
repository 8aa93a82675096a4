import { Agent as HttpAgent } from "node:http";
import type { SecureClientSessionOptions } from "node:http2";
import { Agent as HttpsAgent } from "node:https";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { defined } from "../../model/common/defined.js";
import { sendToken, type TokenSource } from "../token.js";
import { createConnections } from "./connections.js";
import { withExactMaps } from "./exact-transport.js";
import { Http1Lane } from "./http1/http1-lane.js";
import { createLeanTransport } from "./lean-transport.js";
import { BINARY_OPTIONS } from "./method-codec.js";
import { type PingTimes, SessionManager } from "./session-manager.js";

const PING: PingTimes = { pingIntervalMs: 10_000, pingTimeoutMs: 5000 };

/**
 * Wait before the connection is closed, ms. Node 20.20 corrupts its heap, and the process dies, when a session is
 * destroyed or closed while the end of one of its streams is still being written; no event tells when that is over.
 */
const CLOSE_MS = 250;

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

/**
 * The version of HTTP that a client speaks.
 *
 * - `auto`: HTTP/2. Calls that are made one at a time, one soon after the other, and are safe to repeat, get a connection of HTTP/1.1
 *   beside it, where they cost a third; if the server does not answer them there as it should, they go over HTTP/2 as all others.
 * - `2`: HTTP/2 for all calls.
 * - `1.1`: for servers, and proxies, that know no other, such as one of Express that a GoTaskQ is mounted in: each call and each stream
 *   has a connection then, for itself while it lasts.
 */
export type HttpVersion = "1.1" | "2" | "auto";

/** Settings of a transport. */
export interface NodeTransportOptions {
  readonly tls?: ClientTls | undefined;
  readonly token?: TokenSource | undefined;
  /** See `HttpVersion`. Default `auto`. */
  readonly httpVersion?: HttpVersion | undefined;
  /** Tests ping more often. */
  readonly ping?: PingTimes | undefined;
}

/** Connect over HTTP, on one connection or several, which are opened by calls, and again when they broke. */
export interface NodeTransport {
  readonly transport: Transport;
  /** Closes the connections after `CLOSE_MS`; calls in flight fail then. The wait does not keep the process alive. */
  close(): void;
}

/** Creates a transport to the server at this URL, `http://` or `https://`. Throws a TypeError for an unknown version of HTTP. */
export function createNodeTransport(url: string, options: NodeTransportOptions = {}): NodeTransport {
  const { tls = {}, token, ping = PING, httpVersion = "auto" } = options;
  const secure = secureOptions(tls);
  const given = {
    baseUrl: url,
    interceptors: sendToken(token),
    binaryOptions: BINARY_OPTIONS,
    // Between servers, compression would cost more time than the bytes it saves.
    acceptCompression: [],
  };
  if (httpVersion === "1.1") {
    const agent = url.startsWith("https:")
      ? new HttpsAgent({ keepAlive: true, ...secure })
      : new HttpAgent({ keepAlive: true });
    return {
      transport: withExactMaps(createConnectTransport({ ...given, httpVersion, nodeOptions: { agent } })),
      close: () => void setTimeout(() => agent.destroy(), CLOSE_MS).unref(),
    };
  }
  if (httpVersion !== "2" && httpVersion !== "auto") {
    throw new TypeError(`httpVersion: must be "auto", "1.1" or "2", got ${JSON.stringify(httpVersion)}`);
  }
  const connections = createConnections(() => new SessionManager(url, ping, secure));
  const stock = withExactMaps(
    createConnectTransport({ ...given, httpVersion: "2", sessionManager: connections.first }),
  );
  const lane = httpVersion === "auto" ? new Http1Lane({ url, secure }) : undefined;
  return {
    transport: createLeanTransport({ connections, lane, stock }, { baseUrl: url, token }),
    close() {
      setTimeout(() => {
        connections.abort();
        lane?.close();
      }, CLOSE_MS).unref();
    },
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
