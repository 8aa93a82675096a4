import type { Socket } from "node:net";
import { within } from "./wait.js";
import { open } from "./wire.js";

/** What a client of HTTP/2 begins with. */
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Types and flags of frames. */
export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { endHeaders: 4, endStream: 1, ack: 1, padded: 8 } as const;
const CANCEL = Buffer.from([0, 0, 0, 8]);

/** One frame of HTTP/2. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.byteLength, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** The preface of a client, and what answers the settings of the server. */
export const GREETING = Buffer.concat([
  Buffer.from(PREFACE),
  frame(TYPE.settings, 0, 0),
  frame(TYPE.settings, FLAG.ack, 0),
]);

/** A number of four bytes. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A setting that has streams begin with this window. */
export function initialWindow(bytes: number): Buffer {
  return frame(TYPE.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(bytes)]));
}

/** Opens the window of a stream, or of the connection (0), by so many bytes. */
export function windowUpdate(stream: number, bytes: number): Buffer {
  return frame(TYPE.windowUpdate, 0, stream, uint32(bytes));
}

/** Says that the client opens no more streams. */
export const GOAWAY = frame(TYPE.goaway, 0, 0, Buffer.alloc(8));

/** The head of a POST to this path, whose body is still to come. */
export function head(stream: number, path: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  const fields = [Buffer.of(0x83, 0x86, 0x04), text(path), Buffer.of(0x01), text("localhost")];
  const type = [Buffer.of(0x0f, 0x10), text("application/grpc")];
  return frame(TYPE.headers, FLAG.endHeaders, stream, Buffer.concat([...fields, ...type]));
}

/** The reset of a stream. */
export function reset(stream: number): Buffer {
  return frame(TYPE.reset, 0, stream, CANCEL);
}

/** A connection of a client that answers nothing, and closes nothing by itself. */
export interface MuteClient {
  readonly socket: Socket;
  /** Resolves when the server has closed the connection, or said that it will. */
  readonly closed: Promise<void>;
}

/** Opens such a connection and sends bytes. */
export async function mute(port: number, bytes: Uint8Array | string): Promise<MuteClient> {
  const socket = await open(port);
  // Without it, the end of the server's side would end this one too.
  socket.allowHalfOpen = true;
  const closed = new Promise<void>((resolve) => {
    socket.on("end", resolve);
    socket.on("close", () => resolve());
  });
  socket.resume().write(bytes);
  return { socket, closed: within(closed, "the end of a connection") };
}
