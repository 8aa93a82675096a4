import { readSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { silentLogger } from "../../src/model/log/logger.js";
import { createServiceHandler } from "../../src/rpc/http-handler.js";
import { createListener } from "../../src/server/http/listener.js";
import { messageOf, readTypes } from "./files.js";
import { createConformanceService } from "./service.js";

// The server that the suite tests: our port and our handler, with the suite's service. The suite starts it, says on
// standard input what it wants, reads on standard output where it listens, and ends it by a signal. Each message has its
// length before it, four bytes. The arguments: the path to test, fast or stock;
// and "bare" for a server that adds no details of its own to errors.

/** It ends by then, even if the suite was killed, ms. */
const LIFE_MS = 600_000;

const LENGTH_BYTES = 4;

const types = readTypes();
const request = fromBinary(messageOf(types, "ServerCompatRequest"), readMessage()) as { messageReceiveLimit?: number };

const handler = createServiceHandler([createConformanceService(types)], {
  logger: silentLogger,
  observer: { rpcEnded() {}, itemsRefused() {}, streams() {} },
  maxStreams: 1000,
  isFastPathOn: process.argv[2] === "fast",
  registry: types,
  hasFaultDetails: process.argv[3] !== "bare",
  hasRequestInfo: false,
  readMaxBytes: request.messageReceiveLimit || undefined,
  otherwise: (_request, response) => {
    response.statusCode = 404;
    response.end();
  },
});

setTimeout(() => process.exit(1), LIFE_MS).unref();
process.on("SIGTERM", () => process.exit());
const host = "127.0.0.1";
const { port } = await createListener(handler, { requestTimeoutMs: 30_000 }).listen(0, host);
const responseType = messageOf(types, "ServerCompatResponse");
writeMessage(toBinary(responseType, create(responseType, { host, port })));

function readMessage(): Uint8Array {
  return readBytes(readBytes(LENGTH_BYTES).readUInt32BE());
}

/** The suite leaves its end open, so that there is no end to read up to. */
function readBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = readSync(process.stdin.fd, bytes, at, length - at, null);
    if (count === 0) throw new Error("standard input ended too early");
    at += count;
  }
  return bytes;
}

function writeMessage(bytes: Uint8Array): void {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.byteLength);
  process.stdout.write(Buffer.concat([length, bytes]));
}
