/** How long connections may take, ms. Tests shorten them. */
export interface ConnectionTimes {
  /** From the opening of a connection to the bytes that tell its protocol. */
  readonly firstBytesMs: number;
  /** How long a TLS handshake may take, from its first byte to its end. */
  readonly handshakeMs: number;
  /** How long an idle connection is kept: longer than load balancers keep theirs, so that they close it. */
  readonly keepAliveMs: number;
  /** Silence of an HTTP/2 client with open streams after which it is pinged. */
  readonly pingAfterMs: number;
  /** From a ping, or the end of a connection in order, to when a client that did nothing counts as gone. */
  readonly goneAfterMs: number;
  /** How long a client may take nothing of an answer or a stream that waits for it. Streams have a heartbeat every 15 s. */
  readonly stallMs: number;
  /** Beyond REQUEST_TIMEOUT, for a late request to be refused by what answers it. */
  readonly refuseMs: number;
  /** Between two looks at all connections: how exact the times above are. */
  readonly checkMs: number;
  /** Between two looks at whether a connection floods the server. */
  readonly floodCheckMs: number;
  /** How long responses in flight may stand still once the port closes. */
  readonly closeGraceMs: number;
  /** How long responses in flight may take in all once the port closes. */
  readonly closeMs: number;
  /** Between two looks at whether responses in flight get on. */
  readonly closeCheckMs: number;
}

export const CONNECTION_TIMES: ConnectionTimes = {
  firstBytesMs: 10_000,
  handshakeMs: 10_000,
  keepAliveMs: 75_000,
  pingAfterMs: 30_000,
  goneAfterMs: 10_000,
  stallMs: 60_000,
  refuseMs: 5000,
  checkMs: 1000,
  floodCheckMs: 200,
  closeGraceMs: 1000,
  closeMs: 10_000,
  closeCheckMs: 20,
};
