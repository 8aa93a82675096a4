import { connect, type Socket } from "node:net";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME = { data: 0, headers: 1, settings: 4, ping: 6, windowUpdate: 8 };
const END_STREAM = 1;
const END_HEADERS = 4;
const ACK = 1;
const LARGEST_WINDOW = 2 ** 31 - 1;
const FIRST_WINDOW = 65_535;
const FRAME_HEADER = 9;
const ENVELOPE_HEADER = 5;

/**
 * A client of many gRPC streams that only counts messages. Node's own client, or any client that decodes messages,
 * would be slower than the server that is measured.
 */
export class RawHttp2 {
  readonly #socket: Socket;
  #next = 1;
  #rest: Buffer = Buffer.alloc(0);
  /**
   * By stream: bytes of the current message that are still to come; below zero, bytes of its envelope header that are.
   */
  readonly #left = new Int32Array(1 << 16).fill(-ENVELOPE_HEADER);
  readonly #lengths = new Int32Array(1 << 16);
  #whenCounted: { readonly count: number; readonly resolve: () => void } | undefined;
  /** Messages received. */
  messages = 0;
  /** Streams that have ended. */
  ended = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  static async open(url: string): Promise<RawHttp2> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const settings = Buffer.alloc(6);
    settings.writeUInt16BE(4);
    settings.writeUInt32BE(LARGEST_WINDOW, 2);
    const window = Buffer.alloc(4);
    window.writeUInt32BE(LARGEST_WINDOW - FIRST_WINDOW);
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, settings)]));
    socket.write(frame(FRAME.windowUpdate, 0, 0, window));
    return new RawHttp2(socket);
  }

  /** Sends a request and counts the messages of its answer. */
  request(path: string, body: Uint8Array): void {
    const stream = this.#next;
    this.#next += 2;
    const head = Buffer.concat([
      Buffer.of(0x83, 0x86),
      ...[Buffer.of(0x04), text(path), Buffer.of(0x01), text("localhost")],
      ...[Buffer.of(0x0f, 0x10), text("application/grpc")],
      ...[Buffer.of(0x00), text("te"), text("trailers")],
    ]);
    this.#socket.write(
      Buffer.concat([
        frame(FRAME.headers, END_HEADERS, stream, head),
        frame(FRAME.data, END_STREAM, stream, Buffer.from(body)),
      ]),
    );
  }

  /** Resolves when `count` messages have been received in all. */
  counted(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#whenCounted = { count, resolve };
      this.#look();
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #look(): void {
    const wanted = this.#whenCounted;
    if (wanted === undefined || this.messages < wanted.count) return;
    this.#whenCounted = undefined;
    wanted.resolve();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + FRAME_HEADER <= bytes.length) {
      const length = uint24(bytes, at);
      const end = at + FRAME_HEADER + length;
      if (end > bytes.length) break;
      const type = bytes[at + 3] ?? 0;
      const flags = bytes[at + 4] ?? 0;
      const payload = at + FRAME_HEADER;
      if (type === FRAME.data) this.#count((uint24(bytes, at + 6) - 1) >> 1, bytes, payload, end);
      else if (flags !== ACK) this.#answer(type, bytes.subarray(payload, end));
      if ((type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0) this.ended++;
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#look();
  }

  #answer(type: number, payload: Buffer): void {
    if (type === FRAME.settings) this.#socket.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
    else if (type === FRAME.ping) this.#socket.write(frame(FRAME.ping, ACK, 0, Buffer.from(payload)));
  }

  /** Counts the messages that end in a chunk of a stream. */
  #count(stream: number, bytes: Buffer, from: number, to: number): void {
    let left = this.#left[stream] ?? 0;
    let at = from;
    // A frame mostly holds exactly one message.
    if (left === -ENVELOPE_HEADER && at + ENVELOPE_HEADER <= to) {
      const length = uint24(bytes, at + 2);
      if (at + ENVELOPE_HEADER + length === to) {
        this.messages++;
        return;
      }
    }
    let length = this.#lengths[stream] ?? 0;
    while (at < to) {
      if (left < 0) {
        // The length is in the last four bytes of the envelope header.
        if (left > -ENVELOPE_HEADER) length = length * 256 + (bytes[at] ?? 0);
        else length = 0;
        at++;
        if (++left === 0) left = length;
      } else {
        const step = Math.min(left, to - at);
        left -= step;
        at += step;
      }
      if (left === 0) {
        this.messages++;
        left = -ENVELOPE_HEADER;
      }
    }
    this.#left[stream] = left;
    this.#lengths[stream] = length;
  }
}

function uint24(bytes: Buffer, at: number): number {
  return ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
}

function text(value: string): Buffer {
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEADER);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
