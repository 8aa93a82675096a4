/** What is kept of the connection of a client, by whatever version of HTTP. */
export interface ClientConnection {
  /** Calls that run now. */
  running: number;
  /** Bytes that came as the bodies of requests, but for small pieces, with the heads of their frames. */
  bodyBytes: number;
}

const connections = new WeakMap<object, ClientConnection>();

/** What is kept of a connection; `carrier` is its socket, or its session of HTTP/2. */
export function connectionOf(carrier: object): ClientConnection {
  let connection = connections.get(carrier);
  if (connection === undefined) {
    connection = { running: 0, bodyBytes: 0 };
    connections.set(carrier, connection);
  }
  return connection;
}

/**
 * A piece of a body from this size on is what a body is made of. Smaller ones cost more to take than they bring: a client that
 * sends many of them is not seen to get on.
 */
const PIECE_BYTES = 256;
const FRAME_HEAD_BYTES = 9;

/** Counts a piece of the body of a request. */
export function countBody(connection: ClientConnection, bytes: number): void {
  if (bytes >= PIECE_BYTES) connection.bodyBytes += bytes + FRAME_HEAD_BYTES;
}
