import type { Socket } from "node:net";

/** HTTP/2 with prior knowledge begins with `PRI * HTTP/2.0`. No HTTP/1 method begins like this. */
const HTTP2_START = Buffer.from("PRI ");

/** A record of a TLS handshake begins with this byte. Nothing in HTTP does. */
const TLS_START = 0x16;

/** Tells from the first bytes whether a connection is one of HTTP/2; undefined while they are too few. */
export function isHttp2Start(start: Buffer): boolean | undefined {
  const length = Math.min(HTTP2_START.length, start.length);
  const isHttp2 = start.subarray(0, length).equals(HTTP2_START.subarray(0, length));
  return isHttp2 && length < HTTP2_START.length ? undefined : isHttp2;
}

/** Tells from the first bytes whether a connection is one of TLS. */
export function isTlsStart(start: Buffer): boolean {
  return start[0] === TLS_START;
}

/**
 * Finds out what a connection is: `tell` is called with the bytes so far, until it does not return undefined. They stay to
 * be read. A connection that does not tell within `withinMs` is closed.
 */
export function onFirstBytes<T>(
  socket: Socket,
  withinMs: number,
  tell: (start: Buffer) => T | undefined,
  told: (answer: T) => void,
): void {
  const kill = () => socket.destroy();
  const timer = setTimeout(kill, withinMs).unref();
  let start: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  const read = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    start = start.length === 0 ? chunk : Buffer.concat([start, chunk]);
    const answer = tell(start);
    if (answer === undefined) return;
    clearTimeout(timer);
    socket.off("readable", read).off("end", kill).off("error", kill);
    socket.unshift(start);
    told(answer);
  };
  socket.on("error", kill).on("end", kill).on("readable", read);
  socket.once("close", () => clearTimeout(timer));
}
