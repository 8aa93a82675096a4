import { once } from "node:events";
import { constants, createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { atEnd } from "../support.js";

/** What a server does with a call. */
export interface Script {
  /** Undefined: it does not answer. */
  readonly head?: OutgoingHttpHeaders | undefined;
  readonly pieces?: readonly Uint8Array[];
  /**
   * How it ends: `end`; `open`, which is never; the code that the stream is reset with; `goaway` and `refused`: the connection is
   * ended with an error, with this call among those it took or not; `cut`: the socket is destroyed.
   */
  readonly ending: "end" | "open" | "goaway" | "refused" | "cut" | number;
}

/** A request as it arrived. */
export interface Seen {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Of the connection that it came on, on the side of the client. */
  readonly port: number | undefined;
  /** The code that the stream was closed with; undefined while it is open. */
  reset?: number;
  /** Bytes of the answer that wait until the client takes them. */
  readonly unsent: number;
}

/** The header that names the script of a call. */
export const SCRIPT = "x-script";

/** A server over HTTP/2 that follows scripts. */
export interface ScriptedServer {
  readonly url: string;
  /** Sets what is done with calls from now on that name this script. */
  play(name: string, script: Script): void;
  /** The calls that named this script. */
  seen(name: string): readonly Seen[];
  /** How many connections were opened. */
  readonly connections: number;
}

/** Starts a server that ends after the test. */
export async function startScriptedServer(end: (close: () => unknown) => void = atEnd): Promise<ScriptedServer> {
  const scripts = new Map<string, Script>();
  const seen = new Map<string, Seen[]>();
  const sockets = new Set<Socket>();
  const socketOf = (port: number | undefined) => [...sockets].find(({ remotePort }) => remotePort === port);
  let connections = 0;
  const server = createServer();
  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => session.on("error", () => {}));
  server.on("stream", async (stream, headers) => {
    stream.on("error", () => {});
    const name = String(headers[SCRIPT]);
    const script = scripts.get(name) ?? { ending: "open" };
    const parts: Buffer[] = [];
    stream.on("data", (part: Buffer) => parts.push(part));
    await once(stream, "end");
    const call: Seen = {
      headers,
      body: Buffer.concat(parts),
      port: stream.session?.socket.remotePort,
      get unsent() {
        return stream.writableLength;
      },
    };
    stream.on("close", () => {
      call.reset = stream.rstCode;
    });
    seen.get(name)?.push(call);
    if (script.head !== undefined) stream.respond(script.head);
    for (const piece of script.pieces ?? []) stream.write(piece);
    const { ending } = script;
    const { session } = stream;
    // In a later turn, so that what comes before is sent by then.
    if (ending === "end") stream.end();
    else if (ending === "open") return;
    else if (ending === "cut") setImmediate(() => socketOf(session?.socket.remotePort)?.resetAndDestroy());
    else if (ending === "goaway") session?.goaway(constants.NGHTTP2_INTERNAL_ERROR, stream.id);
    else if (ending === "refused") session?.goaway(constants.NGHTTP2_INTERNAL_ERROR, (stream.id ?? 0) - 2);
    else setImmediate(() => stream.close(ending));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  end(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    play(name, script) {
      scripts.set(name, script);
      seen.set(name, []);
    },
    seen: (name) => seen.get(name) ?? [],
    get connections() {
      return connections;
    },
  };
}
