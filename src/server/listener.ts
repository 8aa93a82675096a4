import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Http2Connection, type OnStream } from "./http2-connection.js";

/** HTTP/2 with prior knowledge begins with `PRI * HTTP/2.0`. No HTTP/1 method begins like this. */
const HTTP2_START = Buffer.from("PRI ");

/** How long a new connection may stay silent before it is closed, ms. */
const FIRST_BYTES_MS = 10_000;

/** How long an idle HTTP/1.1 connection is kept, ms: longer than load balancers keep theirs, so that they close it. */
const KEEP_ALIVE_MS = 75_000;

/** How long responses in flight may stand still once the listener is closed, and how long all may take, ms. */
const CLOSE_GRACE_MS = 1000;
const CLOSE_MS = 10_000;

/** How often the closing listener looks whether responses in flight get on, ms. */
const CLOSE_CHECK_MS = 20;

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

/** Creates a listener. The first bytes of a connection decide whether the HTTP/1.1 or the HTTP/2 server gets it. */
export function createListener(handler: RequestHandler): Listener {
  const sockets = new Set<Socket>();
  const connections = new Set<Http2Connection>();

  const http = createHttpServer({ keepAliveTimeout: KEEP_ALIVE_MS }, handler.request);
  const http2 = createHttp2Server({
    maxSessionMemory: SESSION_MEMORY_MIB,
    settings: { maxConcurrentStreams: MAX_STREAMS },
  });
  // Turns streams that the handler did not take into requests and responses. It has no connections of its own.
  const compatible = createHttp2Server(handler.request);
  const onStream: OnStream = (stream, headers, flags, rawHeaders = []) => {
    if (!handler.stream(stream, headers, rawHeaders)) compatible.emit("stream", stream, headers, flags, rawHeaders);
  };
  http2.on("session", (session) => {
    const connection = new Http2Connection(session, onStream);
    connections.add(connection);
    session.once("close", () => connections.delete(connection));
  });
  // A peer that breaks the protocol or goes away only ends its own session: there is nothing to do.
  http2.on("sessionError", () => {});
  // This server never listens itself. Without the event, its timeouts and closeIdleConnections do nothing.
  http.emit("listening");

  const net = createServer({ noDelay: true, keepAlive: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    choose(socket, http, http2);
  });

  return {
    listen(port, host) {
      return new Promise((resolve, reject) => {
        net.once("error", reject);
        net.listen(port, host, () => {
          net.off("error", reject);
          resolve(net.address() as AddressInfo);
        });
      });
    },

    async close() {
      net.close();
      for (const connection of connections) connection.end();
      await allClosed(sockets, () => http.closeIdleConnections());
      for (const socket of sockets) socket.destroy();
      http.close();
    },
  };
}

/** Hands a connection to the server that speaks its protocol. */
function choose(socket: Socket, http: Server, http2: Http2Server): void {
  const kill = () => socket.destroy();
  let start: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  const read = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    start = start.length === 0 ? chunk : Buffer.concat([start, chunk]);
    const length = Math.min(HTTP2_START.length, start.length);
    const isHttp2 = start.subarray(0, length).equals(HTTP2_START.subarray(0, length));
    if (isHttp2 && length < HTTP2_START.length) return;
    socket.off("readable", read).off("end", kill).off("error", kill).off("timeout", kill);
    socket.setTimeout(0);
    socket.unshift(start);
    // An HTTP/1.1 client may close its side after the request and still wait for the response. HTTP/2 has no such case.
    socket.allowHalfOpen = !isHttp2;
    (isHttp2 ? http2 : http).emit("connection", socket);
  };
  socket.on("error", kill).on("end", kill).on("timeout", kill).on("readable", read);
  socket.setTimeout(FIRST_BYTES_MS);
}

/**
 * Resolves when no connection is left, when nothing has moved on any for `CLOSE_GRACE_MS`, and after `CLOSE_MS` at the
 * latest. What counts is what was seen to move, not the time alone: thousands of streams that end keep the process too
 * busy to look. Calls `nudge` at each check.
 */
function allClosed(sockets: ReadonlySet<Socket>, nudge: () => void): Promise<void> {
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
      if (sockets.size > 0 && now - movedAt < CLOSE_GRACE_MS && now - startedAt < CLOSE_MS) return;
      clearInterval(check);
      resolve();
    }, CLOSE_CHECK_MS);
  });
}
