import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { ConnectionObserver } from "../../src/server/http/connection-observer.js";
import { CONNECTION_TIMES } from "../../src/server/http/connection-times.js";
import type { RequestHandler } from "../../src/server/http/listener.js";
import { eventually } from "./wait.js";

/** Clocks of connections that are looked at often. */
export const QUICK_TIMES = { ...CONNECTION_TIMES, checkMs: 20, floodCheckMs: 20, closeGraceMs: 20 };

const PART = Buffer.alloc(1000, "x");

/** A handler that answers `/`, and writes without end to any other request; what its observer was told; and what it wrote, bytes. */
export function endlessAnswers() {
  const told: string[] = [];
  const observer: ConnectionObserver = {
    connections: (change) => void told.push(change > 0 ? "opened" : "closed"),
    refused: (reason) => void told.push(reason),
    acceptFailed: (error) => void told.push(error.message),
  };
  let written = 0;
  function write(to: ServerResponse | ServerHttp2Stream): void {
    to.on("error", () => {});
    const fill = () => {
      do written += PART.length;
      while (to.write(PART));
    };
    to.on("drain", fill);
    fill();
  }
  const handler: RequestHandler = {
    request(request, response) {
      if (request.url === "/") response.end("answer");
      else write(response as ServerResponse);
    },
    stream(stream, headers) {
      if (headers[":path"] === "/") return false;
      stream.respond({ ":status": 200 });
      write(stream);
      return true;
    },
  };
  return { handler, observer, told, written: () => written };
}

/** Waits until an observer was told of the end of a connection. */
export const untilClosed = (told: readonly string[]) =>
  eventually(async () => (told.includes("closed") ? true : undefined), "the end of the connection");

/** Takes two megabytes from a socket that is paused, again and again for so long, with pauses in between. */
export async function sip(socket: Socket, forMs: number, pauseMs: number): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
    const before = socket.bytesRead;
    socket.resume();
    await eventually(async () => (socket.bytesRead > before + (2 << 20) ? true : undefined), "two megabytes");
    socket.pause();
  }
}
