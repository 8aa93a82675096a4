import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { SessionManager } from "./session-manager.js";

/** What the calls on a connection may weigh before another one is opened. A call weighs 1, and its bytes. */
const FULL = 32;

/** Bytes of a request that weigh as much as a call. */
const BYTES_OF_A_CALL = 1 << 14;

/** Most connections of a client. */
const MOST = 4;

/** Least time between two tries to open a further connection, ms. */
const RETRY_MS = 1000;

/** A call that has begun. */
export interface OpenCall {
  readonly stream: ClientHttp2Stream;
  readonly connection: SessionManager;
}

/** The connections of a client to one server. */
export interface Connections {
  /** The one that is opened first, and again whenever all are broken. */
  readonly first: SessionManager;
  /** Begins a call that has a request of so many bytes. Rejects with the error of a connection that cannot be opened. */
  post(path: string, headers: OutgoingHttpHeaders, bytes: number): Promise<OpenCall>;
  /** Breaks off all connections, and the calls on them. The next call opens one anew. */
  abort(): void;
}

/**
 * Creates what spreads calls over connections: one, and while all that are open have much to do, up to `MOST`. Each is used only
 * once it is open, so that no call waits for a further one, and closes itself when nobody has used it for a while.
 *
 * @param open creates a connection, which is not opened yet
 */
export function createConnections(open: () => SessionManager): Connections {
  const first = open();
  const further: SessionManager[] = [];
  let triedAt = Number.NEGATIVE_INFINITY;

  /** The connection with the least to do, of those that are open. */
  function leastLoaded(): SessionManager {
    let least = first;
    for (const each of further) {
      if (each.isOpen && (each.load < least.load || !least.isOpen)) least = each;
    }
    return least;
  }

  function openAnother(): void {
    const now = performance.now();
    if (now - triedAt < RETRY_MS) return;
    triedAt = now;
    let closed = further.find((each) => each.state() === "closed" || each.state() === "error");
    if (closed === undefined) {
      if (further.length === MOST - 1) return;
      closed = open();
      further.push(closed);
    }
    // It tells by its state whether that was a success; a failure leaves the others as they are.
    void closed.connect();
  }

  return {
    first,
    async post(path, headers, bytes) {
      const connection = further.length === 0 ? first : leastLoaded();
      if (connection.load >= FULL && connection.isOpen) openAnother();
      return { connection, stream: await connection.post(path, headers, 1 + bytes / BYTES_OF_A_CALL) };
    },
    abort() {
      for (const each of [first, ...further]) each.abort();
    },
  };
}
