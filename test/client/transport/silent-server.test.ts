import { once } from "node:events";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Socket } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { JobService } from "../../../gen/gotaskq/v1/job_service_pb.js";
import { createNodeTransport } from "../../../src/client/transport/node-transport.js";
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
