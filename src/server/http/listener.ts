import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TlsTerminator } from "../tls/tls-terminator.js";
import { isAmbiguous, refuseAmbiguous } from "./ambiguous-requests.js";
import { type ConnectionCut, type ConnectionObserver, SILENT_OBSERVER } from "./connection-observer.js";
import { type ConnectionLimits, createConnectionRoom } from "./connection-room.js";
import { CONNECTION_TIMES, type ConnectionTimes } from "./connection-times.js";
import { isHttp2Start, isTlsStart, onFirstBytes } from "./first-bytes.js";
import { Http2Connection, type OnStream } from "./http2-connection.js";
import { type OpenPort, openTcpPort, type PortOpener } from "./open-port.js";
import { refusePlainText } from "./plain-text-refusal.js";
import { WriteClock } from "./write-clock.js";

/** Most memory for the buffers of one HTTP/2 connection, MiB. Thousands of streams may share it. */
const SESSION_MEMORY_MIB = 256;

/** Most bytes of the headers of a request, and over HTTP/2 how many there may be. */
export const MAX_HEADER_BYTES = 16 << 10;
const MAX_HEADERS = 128;

/** Answers requests of both HTTP versions. */
export interface RequestHandler {
  /** Answers a request of HTTP/1.1, or one of HTTP/2 that `stream` did not take. */
  request(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void;
  /** Answers an HTTP/2 stream without request and response objects. Returns false to get it by `request` instead. */
  stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]): boolean;
}

/** A port that speaks HTTP/1.1 and HTTP/2, both in plain text or both over TLS. */
export interface Listener {
  /** Resolves to the address once connections are accepted. Rejects when it cannot listen there. */
  listen(port: number, host: string): Promise<AddressInfo>;
  /**
   * Accepts no more connections, and lets responses in flight finish: for 10 s at most, and as long as any of them gets on
   * within a second. Then closes every connection.
   */
  close(): Promise<void>;
}

/** Settings of a listener. */
export interface ListenerOptions extends Partial<ConnectionLimits> {
  /** Calls that one connection may have in flight. Default 10,000. */
  readonly maxCallsPerConnection?: number | undefined;
  /** Is told of connections. */
  readonly observer?: ConnectionObserver | undefined;
  /** How long a request may take to come in, ms, and the preface of an HTTP/2 connection. */
  readonly requestTimeoutMs: number;
  /** Default: `CONNECTION_TIMES`. */
  readonly times?: ConnectionTimes;
  /** Makes connections secure. Default: they are served in plain text. */
  readonly tls?: Pick<TlsTerminator, "accept" | "onSecured"> | undefined;
  /** Opens the port that `listen` names. Default: one of this machine. */
  readonly openPort?: PortOpener | undefined;
}

/**
 * Creates a listener. Whether the HTTP/1.1 or the HTTP/2 server gets a connection is decided by its first bytes, and over TLS by
 * what the client agreed on (ALPN).
 */
export function createListener(handler: RequestHandler, options: ListenerOptions): Listener {
  const {
    requestTimeoutMs,
    times = CONNECTION_TIMES,
    tls,
    observer = SILENT_OBSERVER,
    openPort = openTcpPort,
  } = options;
  const { maxConnections = Infinity, maxConnectionsPerAddress = Infinity, maxCallsPerConnection = 10_000 } = options;
  const room = createConnectionRoom({ maxConnections, maxConnectionsPerAddress });
  const sockets = new Set<Socket>();
  /** Those of HTTP/1.1, with what tells whether their clients take what is written. */
  const writing = new Map<Socket, WriteClock>();
  const connections = new Set<Http2Connection>();

  const http = createHttpServer(
    {
      keepAliveTimeout: times.keepAliveMs,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs + times.refuseMs,
      connectionsCheckingInterval: times.checkMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      joinDuplicateHeaders: true,
    },
    (request, response) => {
      if (isAmbiguous(request)) refuseAmbiguous(response);
      else handler.request(request, response);
    },
  );
  // A client may close its side once its request is sent: its answer still goes out. Calls that wait for long end then, all the
  // same (`endWithClient`).
  Object.assign(http, { httpAllowHalfOpen: true });
  const http2 = createHttp2Server({
    maxSessionMemory: SESSION_MEMORY_MIB,
    maxHeaderListPairs: MAX_HEADERS,
    settings: { maxConcurrentStreams: maxCallsPerConnection, maxHeaderListSize: MAX_HEADER_BYTES },
  });
  // Turns streams that the handler did not take into requests and responses. It has no connections of its own.
  const compatible = createHttp2Server(handler.request);
  const onStream: OnStream = (stream, headers, flags, rawHeaders = []) => {
    if (!handler.stream(stream, headers, rawHeaders)) compatible.emit("stream", stream, headers, flags, rawHeaders);
  };
  // A peer that breaks the protocol or goes away only ends its own session: there is nothing to do.
  http2.on("sessionError", () => {});
  // This server never listens itself. Without the event, its timeouts and closeIdleConnections do nothing.
  http.emit("listening");

  function take(socket: Socket): void {
    const { remoteAddress } = socket;
    const refusal = room.enter(remoteAddress);
    if (refusal !== undefined) {
      socket.destroy();
      observer.refused(refusal, remoteAddress);
      return;
    }
    sockets.add(socket);
    observer.connections(1);
    socket.once("close", () => {
      sockets.delete(socket);
      room.leave(remoteAddress);
      observer.connections(-1);
    });
    if (tls === undefined) onFirstBytes(socket, times.firstBytesMs, isHttp2Start, (isHttp2) => serve(socket, isHttp2));
    else {
      onFirstBytes(socket, times.firstBytesMs, isTlsStart, (isTls) => {
        if (isTls) tls.accept(socket);
        else refusePlainText(socket, times.goneAfterMs);
      });
    }
  }

  tls?.onSecured((socket, isHttp2) => {
    onFirstBytes(
      socket,
      times.firstBytesMs,
      () => isHttp2,
      () => serve(socket, isHttp2),
    );
  });

  function serve(socket: Socket, isHttp2: boolean): void {
    // An HTTP/1.1 client may close its side after the request and still wait for the response. HTTP/2 has no such case.
    socket.allowHalfOpen = !isHttp2;
    if (isHttp2) serveHttp2(socket);
    else {
      writing.set(socket, new WriteClock(times.stallMs, performance.now()));
      socket.once("close", () => writing.delete(socket));
      http.emit("connection", socket);
    }
  }

  function serveHttp2(socket: Socket): void {
    const { remoteAddress } = socket;
    const cut = (reason: ConnectionCut) => observer.refused(reason, remoteAddress);
    // Emitted at once, for this very connection.
    http2.once("session", (session) => {
      const connection = new Http2Connection(session, socket, { ...times, requestTimeoutMs, cut }, onStream);
      connections.add(connection);
      session.once("close", () => connections.delete(connection));
    });
    http2.emit("connection", socket);
  }

  /** Looks at the clocks of all connections. */
  function check(): void {
    for (const connection of connections) connection.check();
    const now = performance.now();
    for (const [socket, clock] of writing) {
      const { writableLength } = socket;
      if (!clock.isStalled(now, writableLength, socket.bytesWritten - writableLength)) continue;
      observer.refused("stalled", socket.remoteAddress);
      socket.destroy();
    }
  }

  function checkFloods(): void {
    const now = performance.now();
    for (const connection of connections) connection.checkFlood(now);
  }

  let port: OpenPort | undefined;
  let checking: NodeJS.Timeout[] = [];
  return {
    async listen(number, host) {
      port = await openPort(number, host, { taken: take, failed: observer.acceptFailed });
      checking = [setInterval(check, times.checkMs).unref(), setInterval(checkFloods, times.floodCheckMs).unref()];
      return port.address;
    },

    async close() {
      await port?.close();
      for (const connection of connections) connection.end();
      await allClosed(sockets, times, () => http.closeIdleConnections());
      for (const socket of sockets) socket.destroy();
      for (const timer of checking) clearInterval(timer);
      http.close();
    },
  };
}

/**
 * Resolves when no connection is left, when nothing has moved on any for `closeGraceMs`, and after `closeMs` at the
 * latest. What counts is what was seen to move, not the time alone: thousands of streams that end keep the process too
 * busy to look. Calls `nudge` at each check.
 */
function allClosed(sockets: ReadonlySet<Socket>, times: ConnectionTimes, nudge: () => void): Promise<void> {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    let movedAt = startedAt;
    let seen = "";
    const check = setInterval(() => {
      nudge();
      let bytes = 0;
      for (const { bytesRead, bytesWritten } of sockets) bytes += bytesRead + bytesWritten;
      const now = performance.now();
      const found = `${sockets.size} ${bytes}`;
      if (found !== seen) movedAt = now;
      seen = found;
      if (sockets.size > 0 && now - movedAt < times.closeGraceMs && now - startedAt < times.closeMs) return;
      clearInterval(check);
      resolve();
    }, times.closeCheckMs);
  });
}
