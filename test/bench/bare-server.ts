import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { Readable } from "node:stream";

// What Node alone can do: a server that parses JSON and answers JSON over `http` or `http2`, and does nothing with
// jobs.

function answerOf(chunks: Uint8Array[]): Buffer {
  return Buffer.from(JSON.stringify({ job: JSON.parse(Buffer.concat(chunks).toString()) }));
}

function readAll(source: Readable, done: (body: Buffer) => void): void {
  const chunks: Uint8Array[] = [];
  source.on("data", (chunk: Uint8Array) => chunks.push(chunk));
  source.on("end", () => done(answerOf(chunks)));
}

function serveHttp(): Server {
  return createHttpServer((request, response) => {
    readAll(request, (body) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": body.length });
      response.end(body);
    });
  });
}

function serveHttp2(): Server {
  const server = createHttp2Server();
  server.on("stream", (stream) => {
    readAll(stream, (body) => {
      stream.respond({ ":status": 200, "content-type": "application/json", "content-length": body.length });
      stream.end(body);
    });
  });
  return server;
}

const server = process.argv[2] === "http2" ? serveHttp2() : serveHttp();
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
