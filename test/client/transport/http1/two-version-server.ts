import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { createServer, type Socket } from "node:net";
import { atEnd } from "../../support.js";

/** A request of HTTP/1.1, as it arrived. */
export interface Http1Request {
  readonly head: string;
  readonly body: Buffer;
  readonly socket: Socket;
}

/** A server that answers HTTP/2 well, and HTTP/1.1 as it is told. */
export interface TwoVersionServer {
  readonly url: string;
  /** Called with each request of HTTP/1.1. */
  onHttp1: (request: Http1Request) => void;
  /** Bodies that came by HTTP/2. */
  readonly http2: Buffer[];
  /** Requests that came by HTTP/1.1. */
  readonly http1: Http1Request[];
  /** How many connections of HTTP/1.1 were opened, and those that are open. */
  readonly opened: number;
  readonly open: ReadonlySet<Socket>;
}

/** Starts one that ends after the test. All calls are answered with `answer` over HTTP/2. */
export async function startTwoVersionServer(answer: Uint8Array): Promise<TwoVersionServer> {
  const http2 = createHttp2Server();
  const sockets = new Set<Socket>();
  const open = new Set<Socket>();
  let opened = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      open.delete(socket);
    });
    let pending = Buffer.alloc(0);
    socket.once("data", (first) => {
      if (first.toString("latin1").startsWith("PRI ")) {
        socket.pause();
        http2.emit("connection", socket);
        socket.unshift(first);
        return;
      }
      opened++;
      open.add(socket);
      const take = (chunk: Buffer) => {
        pending = Buffer.concat([pending, chunk]);
        const end = pending.indexOf("\r\n\r\n");
        if (end === -1) return;
        const head = pending.toString("latin1", 0, end);
        const length = Number(/^content-length: (\d+)$/m.exec(head)?.[1]);
        const body = pending.subarray(end + 4);
        if (body.byteLength < length) return;
        pending = Buffer.alloc(0);
        const request = { head, body, socket };
        told.http1.push(request);
        told.onHttp1(request);
      };
      take(first);
      socket.on("data", take);
    });
  });
  http2.on("session", (session) => session.on("error", () => {}));
  http2.on("stream", async (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    const parts: Buffer[] = [];
    stream.on("data", (part: Buffer) => parts.push(part));
    await once(stream, "end");
    told.http2.push(Buffer.concat(parts));
    stream.respond({ ":status": 200, "content-type": "application/proto" });
    stream.end(answer);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const told = {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    onHttp1: () => {},
    http2: [] as Buffer[],
    http1: [] as Http1Request[],
    open,
    get opened() {
      return opened;
    },
  } as TwoVersionServer & { http1: Http1Request[]; http2: Buffer[] };
  return told;
}
