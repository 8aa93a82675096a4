import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** How often a connection in use is pinged, and how long the answer may take before it counts as broken, ms. */
const PING = { pingIntervalMs: 10_000, pingTimeoutMs: 5000 };

/** Deepest nesting of messages read: more than a payload of the server can have. */
const BINARY = { recursionLimit: 1000 };

/**
 * Wait before the connection is closed, ms. Node 20.20 corrupts its heap, and the process dies, when a session is
 * destroyed or closed while the end of one of its streams is still being written; no event tells when that is over.
 */
const CLOSE_MS = 250;

/** Connect over HTTP/2, on one connection that is opened by the first call, and again when it broke. */
export interface NodeTransport {
  readonly transport: Transport;
  /** Closes the connection after `CLOSE_MS`; calls in flight fail then. The wait does not keep the process alive. */
  close(): void;
}

/** Creates a transport to the server at this URL, `http://` or `https://`. */
export function createNodeTransport(url: string): NodeTransport {
  const sessionManager = new Http2SessionManager(url, PING);
  return {
    transport: createConnectTransport({
      baseUrl: url,
      httpVersion: "2",
      sessionManager,
      binaryOptions: BINARY,
      // Between servers, compression would cost more time than the bytes it saves.
      acceptCompression: [],
    }),
    close: () => void setTimeout(() => sessionManager.abort(), CLOSE_MS).unref(),
  };
}
