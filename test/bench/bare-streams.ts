import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

// What Node alone can do: `/watch` opens a stream, and `/tick` writes one message to every open stream.

const MESSAGE = Buffer.concat([Buffer.of(0, 0, 0, 0, 220), Buffer.alloc(220, "x")]);

const open = new Set<ServerHttp2Stream>();
const server = createServer({ maxSessionMemory: 256, settings: { maxConcurrentStreams: 10_000 } });
server.on("stream", (stream, headers) => {
  if (headers[":path"] === "/usage") {
    stream.respond({ ":status": 200 });
    const { user, system } = process.cpuUsage();
    stream.end(JSON.stringify({ resident: process.memoryUsage.rss(), cpu: (user + system) / 1e6 }));
    return;
  }
  if (headers[":path"] === "/tick") {
    for (const one of open) one.write(MESSAGE);
    stream.respond({ ":status": 200 });
    stream.end();
    return;
  }
  stream.on("error", () => {});
  stream.on("close", () => open.delete(stream));
  stream.resume();
  stream.respond({ ":status": 200, "content-type": "application/grpc" });
  stream.write(MESSAGE);
  stream.write(MESSAGE);
  open.add(stream);
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
});
