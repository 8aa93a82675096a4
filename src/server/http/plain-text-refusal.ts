import type { Socket } from "node:net";

const HINT = "This port speaks TLS: use https://\n";

const ANSWER = [
  "HTTP/1.1 400 Bad Request",
  "content-type: text/plain; charset=utf-8",
  `content-length: ${HINT.length}`,
  "connection: close",
  "",
  HINT,
].join("\r\n");

/**
 * Ends a connection that speaks plain text at a port of TLS. A client of HTTP/1.1 is told why; one of HTTP/2 with prior
 * knowledge shows what it gets, or that it was ended. It is closed for good after `withinMs`.
 */
export function refusePlainText(socket: Socket, withinMs: number): void {
  const kill = () => socket.destroy();
  const timer = setTimeout(kill, withinMs).unref();
  socket.once("close", () => clearTimeout(timer));
  // What it still sends is read: unread bytes would have the system break off the connection before it gets the answer.
  socket.on("error", kill).on("end", kill).resume().end(ANSWER);
}
