import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";

/** How often a connection in use is asked whether it lives, and how long it has to answer, ms. */
const PING = { pingIntervalMs: 10_000, pingTimeoutMs: 5000 };

/** Nesting that is read: more than a payload of the server can have. */
const BINARY = { recursionLimit: 1000 };

/** Connect over HTTP/2, on one connection that is opened by the first call and again when it broke. */
export interface NodeTransport {
  readonly transport: Transport;
  /** Closes the connection; calls under way fail. */
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
    close: () => sessionManager.abort(),
  };
}
