import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** How often a connection in use is asked whether it lives, and how long it has to answer, ms. */
const PING = { pingIntervalMs: 10_000, pingTimeoutMs: 5000 };

/** Nesting that is read: more than a payload of the server can have. */
const BINARY = { recursionLimit: 1000 };

/**
 * Wait before the connection is closed, ms. Node 20.20 corrupts its heap, and the process dies, when a session is destroyed
 * or closed while the end of one of its streams is still being written; no event tells when that is over.
 */
const CLOSE_MS = 250;

/** Connect over HTTP/2, on one connection that is opened by the first call and again when it broke. */
export interface NodeTransport {
  readonly transport: Transport;
  /** Closes the connection, a moment later; calls under way fail then. A process may end before. */
  close(): void;
}

/** Makes a transport to a server at this address, `http://` or `https://`. */
export function createNodeTransport(url: string): NodeTransport {
  const sessionManager = new Http2SessionManager(url, PING);
  return {
    transport: createConnectTransport({
      baseUrl: url,
      httpVersion: "2",
      sessionManager,
      binaryOptions: BINARY,
      // Between servers, time is dearer than bytes.
      acceptCompression: [],
    }),
    close: () => void setTimeout(() => sessionManager.abort(), CLOSE_MS).unref(),
  };
}
