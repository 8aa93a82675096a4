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
import { CONNECTION_TIMES, type ConnectionTimes } from "./connection-times.js";
import { Http2Connection, type OnStream } from "./http2-connection.js";

/** HTTP/2 with prior knowledge begins with `PRI * HTTP/2.0`. No HTTP/1 method begins like this. */
const HTTP2_START = Buffer.from("PRI ");

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

/** A port that speaks HTTP/1.1 and cleartext HTTP/2. */
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
}

/** Creates a listener. The first bytes of a connection decide whether the HTTP/1.1 or the HTTP/2 server gets it. */
export function createListener(handler: RequestHandler, options: ListenerOptions): Listener {
  const { requestTimeoutMs, times = CONNECTION_TIMES } = options;
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
    choose(socket, times.firstBytesMs, (isHttp2) => {
      if (isHttp2) serveHttp2(socket);
      else http.emit("connection", socket);
    });
  });

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

/** Finds out the protocol of a connection; one that does not tell it within `firstBytesMs` is closed. */
function choose(socket: Socket, firstBytesMs: number, chosen: (isHttp2: boolean) => void): void {
  const kill = () => socket.destroy();
  const timer = setTimeout(kill, firstBytesMs).unref();
  let start: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  const read = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    start = start.length === 0 ? chunk : Buffer.concat([start, chunk]);
    const length = Math.min(HTTP2_START.length, start.length);
    const isHttp2 = start.subarray(0, length).equals(HTTP2_START.subarray(0, length));
    if (isHttp2 && length < HTTP2_START.length) return;
    clearTimeout(timer);
    socket.off("readable", read).off("end", kill).off("error", kill);
    socket.unshift(start);
    // An HTTP/1.1 client may close its side after the request and still wait for the response. HTTP/2 has no such case.
    socket.allowHalfOpen = !isHttp2;
    chosen(isHttp2);
  };
  socket.on("error", kill).on("end", kill).on("readable", read);
  socket.once("close", () => clearTimeout(timer));
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
