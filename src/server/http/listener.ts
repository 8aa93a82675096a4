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
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { TlsTerminator } from "../tls/tls-terminator.js";
import { CONNECTION_TIMES, type ConnectionTimes } from "./connection-times.js";
import { isHttp2Start, isTlsStart, onFirstBytes } from "./first-bytes.js";
import { Http2Connection, type OnStream } from "./http2-connection.js";
import { refusePlainText } from "./plain-text-refusal.js";

/** Most memory for the buffers of one HTTP/2 connection, MiB. Thousands of streams may share it. */
const SESSION_MEMORY_MIB = 256;

/** Most RPCs, unary and streaming, in flight on one HTTP/2 connection. */
const MAX_STREAMS = 10_000;

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
export interface ListenerOptions {
  /** How long a request may take to come in, ms, and the preface of an HTTP/2 connection. */
  readonly requestTimeoutMs: number;
  /** Default: `CONNECTION_TIMES`. */
  readonly times?: ConnectionTimes;
  /** Makes connections secure. Default: they are served in plain text. */
  readonly tls?: Pick<TlsTerminator, "accept" | "onSecured"> | undefined;
}

/**
 * Creates a listener. Whether the HTTP/1.1 or the HTTP/2 server gets a connection is decided by its first bytes, and over TLS by
 * what the client agreed on (ALPN).
 */
export function createListener(handler: RequestHandler, options: ListenerOptions): Listener {
  const { requestTimeoutMs, times = CONNECTION_TIMES, tls } = options;
  const sockets = new Set<Socket>();
  const connections = new Set<Http2Connection>();

  const http = createHttpServer(
    {
      keepAliveTimeout: times.keepAliveMs,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs + times.refuseMs,
      connectionsCheckingInterval: times.checkMs,
    },
    handler.request,
  );
  const http2 = createHttp2Server({
    maxSessionMemory: SESSION_MEMORY_MIB,
    settings: { maxConcurrentStreams: MAX_STREAMS },
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

  const net = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (tls === undefined) onFirstBytes(socket, times.firstBytesMs, isHttp2Start, (isHttp2) => serve(socket, isHttp2));
    else {
      onFirstBytes(socket, times.firstBytesMs, isTlsStart, (isTls) => {
        if (isTls) tls.accept(socket);
        else refusePlainText(socket, times.goneAfterMs);
      });
    }
  });
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
    else http.emit("connection", socket);
  }

  function serveHttp2(socket: Socket): void {
    // Emitted at once, for this very connection.
    http2.once("session", (session) => {
      const connection = new Http2Connection(session, socket, { ...times, requestTimeoutMs }, onStream);
      connections.add(connection);
      session.once("close", () => connections.delete(connection));
    });
    http2.emit("connection", socket);
  }

  let checking: NodeJS.Timeout | undefined;
  return {
    listen(port, host) {
      return new Promise((resolve, reject) => {
        net.once("error", reject);
        net.listen(port, host, () => {
          net.off("error", reject);
          checking = setInterval(() => {
            for (const connection of connections) connection.check();
          }, times.checkMs).unref();
          resolve(net.address() as AddressInfo);
        });
      });
    },

    async close() {
      net.close();
      for (const connection of connections) connection.end();
      await allClosed(sockets, times, () => http.closeIdleConnections());
      for (const socket of sockets) socket.destroy();
      clearInterval(checking);
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
