import { parentPort } from "node:worker_threads";
import type { Request } from "./batch.js";
import { WriterService } from "./writer-service.js";

// What the thread runs.
const port = parentPort;
if (port !== null) {
  const service = new WriterService((reply) => port.postMessage(reply));
  let last = Promise.resolve();
  port.on("message", (request: Request) => {
    // One after the other: opening takes a moment.
    if (request.kind === "write") void service.request(request);
    else last = last.then(() => service.request(request));
  });
}
