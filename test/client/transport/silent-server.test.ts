import { once } from "node:events";
import { type ClientHttp2Session, createServer as createHttp2Server } from "node:http2";
import { createServer, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { GetJobResponseSchema, JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { createNodeTransport } from "../../../src/client/transport/node-transport.js";
import { SessionManager } from "../../../src/client/transport/session-manager.js";
import { FLAG, frame, PREFACE, TYPE } from "../../support/http2-frames.js";
import { within } from "../../support/wait.js";
import { atEnd } from "../support.js";

/** Settings of HTTP/2 that set nothing: what a server greets with. */
const GREETING = Buffer.from("000000040000000000", "hex");

/** A server that greets its first connection and then says nothing, and answers the calls of all others. */
async function serve(): Promise<{ url: string; first: Promise<Socket> }> {
  const answering = createHttp2Server();
  answering.on("stream", (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/proto" });
    stream.end();
  });
  let took: (socket: Socket) => void;
  const first = new Promise<Socket>((resolve) => {
    took = resolve;
  });
  let count = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    if (++count > 1) answering.emit("connection", socket);
    else {
      socket.write(GREETING);
      socket.resume();
      took(socket);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(() => void server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, first };
}

test("a server that falls silent does no harm to a client that goes on at once", async () => {
  const { url, first } = await serve();
  const { transport, close } = createNodeTransport(url, { ping: { pingIntervalMs: 50, pingTimeoutMs: 400 } });
  atEnd(close);
  const { deleteJob } = createClient(JobService, transport);
  let code: Code | undefined;
  const next = deleteJob({ id: "1" }).catch((error: unknown) => {
    code = ConnectError.from(error).code;
    return deleteJob({ id: "2" });
  });
  const closed = first.then((socket) => once(socket, "close"));
  await within(next, "the second call");
  expect(code).toBe(Code.Unavailable);
  // Node tells the error of a session once its socket is closed. If nobody listens to it by then, the process ends: here
  // vitest fails.
  await within(closed, "the end of the first connection");
});

/** A server that answers the first call in many parts, `partMs` after each other, and no ping. */
async function serveSlowly(parts: readonly Uint8Array[], partMs: number): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(GREETING);
    let received = Buffer.alloc(0);
    const read = (data: Buffer) => {
      received = Buffer.concat([received, data]);
      if (!hasHeaders(received)) return;
      socket.off("data", read).resume();
      // `:status: 200`, `content-type: application/proto`.
      const type = Buffer.from("application/proto");
      const head = Buffer.concat([Buffer.of(0x88, 0x0f, 0x10, type.length), type]);
      socket.write(frame(TYPE.headers, FLAG.endHeaders, 1, head));
      let next = 0;
      const timer = setInterval(() => {
        const isLast = next === parts.length - 1;
        socket.write(frame(TYPE.data, isLast ? FLAG.endStream : 0, 1, parts[next++]));
        if (isLast) clearInterval(timer);
      }, partMs);
    };
    socket.on("data", read);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  atEnd(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

function hasHeaders(received: Buffer): boolean {
  for (let at = PREFACE.length; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
    if (received[at + 3] === TYPE.headers) return true;
  }
  return false;
}

test("a connection on which an answer comes in slowly is alive, though no ping is answered", async () => {
  const response = toBinary(GetJobResponseSchema, create(GetJobResponseSchema, { job: { error: "x".repeat(19) } }));
  const parts = [...response].map((byte) => Uint8Array.of(byte));
  const url = await serveSlowly(parts, 60);
  // Without an answer the connection would count as broken before a third of the parts has come.
  const { transport, close } = createNodeTransport(url, { ping: { pingIntervalMs: 300, pingTimeoutMs: 300 } });
  atEnd(close);
  const { job } = await within(createClient(JobService, transport).getJob({ id: "1" }), "the answer");
  expect(job?.error).toBe("x".repeat(19));
});

test("a connection that was opened ahead and breaks before a call comes does no harm", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(GREETING);
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const manager = new SessionManager(url, { pingIntervalMs: 60_000, pingTimeoutMs: 60_000 });
  atEnd(() => {
    manager.abort();
    server.close();
  });
  expect(await within(manager.connect(), "the connection")).toBe("idle");
  const [socket] = await accepted;
  const closed = once(socket, "close");
  // As when it breaks: its error is told only once the socket is closed, and nobody of Connect's listens any more then.
  const { s } = manager as unknown as { s: { conn: ClientHttp2Session } };
  s.conn.destroy(new Error("broken"));
  const stream = await within(manager.post("/", {}, 1), "a call on a new connection");
  stream.on("error", () => {});
  await within(closed, "the end of the first connection");
});
